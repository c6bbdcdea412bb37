"""The request that the endpoint passes to the batcher, the response it gets back, and the constant responses."""

from __future__ import annotations

from dataclasses import dataclass

from mdm.protocol.checkin import CheckinMessage
from mdm.protocol.connect import ConnectMessage

XML = b"application/xml"
JSON = b"application/json"


@dataclass(frozen=True, slots=True)
class ChannelRequest:
    """One request with a verified identity certificate. `raw` is the property list as received, for results only."""

    message: CheckinMessage | ConnectMessage
    fingerprint: str
    raw: bytes
    #: Candidates for the CommandUUID of a message that could not be parsed.
    scanned_uuids: tuple[str, ...] = ()
    #: The certificate itself (DER), from which a database that was restored learns what it has lost.
    certificate: bytes = b""
    #: The Host header: the name under which the tablet has reached this server.
    host: bytes = b""


@dataclass(frozen=True, slots=True)
class ChannelResponse:
    """The HTTP response to a tablet. Status 200 with an empty body means that no command waits."""

    status: int = 200
    body: bytes = b""
    content_type: bytes = XML


EMPTY_RESPONSE = ChannelResponse()
#: Makes the tablet unenroll (docs/domain/protocol.md#error-documents). Sent only for enrollments that a person has retired.
UNRECOGNIZED_DEVICE = ChannelResponse(403, b'{"code":"com.apple.unrecognized.device"}', JSON)
SERVER_ERROR = ChannelResponse(500)
#: The tablet tries again later, by itself.
BUSY = ChannelResponse(503)


def build_rejection(status: int) -> ChannelResponse:
    """Return a response with an error status and no body, since tablets show none."""
    return ChannelResponse(status)
