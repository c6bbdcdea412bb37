"""What the edge hands to the batcher, and what it gets back."""

from __future__ import annotations

from dataclasses import dataclass

from mdm.protocol.checkin import CheckinMessage
from mdm.protocol.connect import ConnectMessage

XML = b"application/xml"
JSON = b"application/json"


@dataclass(frozen=True, slots=True)
class ChannelRequest:
    """One request whose identity certificate has been proven; `raw` is the plist as received."""

    message: CheckinMessage | ConnectMessage
    fingerprint: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class ChannelResponse:
    """What the tablet gets. An empty body with 200 means: nothing more to do."""

    status: int = 200
    body: bytes = b""
    content_type: bytes = XML


EMPTY_RESPONSE = ChannelResponse()
#: Only an explicit decision to retire a tablet gives this answer: the tablet unenrols (protocol.md section 2.3).
UNRECOGNIZED_DEVICE = ChannelResponse(403, b'{"code":"com.apple.unrecognized.device"}', JSON)
SERVER_ERROR = ChannelResponse(500)


def build_rejection(status: int) -> ChannelResponse:
    """A refusal without a body: tablets show none."""
    return ChannelResponse(status)
