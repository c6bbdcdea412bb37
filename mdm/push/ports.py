"""The port of push services. The real adapter is in `apns.py`; `testserver.py` is a server of the same protocol for tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

#: Reasons of our own for a push that got no response (status 0): one side refused the certificate of the other.
CERTIFICATE_REFUSED_BY_TLS = "CertificateRefusedByTls"
SERVER_NOT_TRUSTED = "ServerNotTrusted"


@dataclass(frozen=True, slots=True)
class PushNotification:
    """One push to an enrollment, with the magic that the tablet expects."""

    enrollment_id: int
    token: bytes
    magic: str
    topic: str


@dataclass(frozen=True, slots=True)
class PushResponse:
    """The response of the push service. `status` 0: it could not be reached. `timestamp`: in milliseconds, only with 410."""

    enrollment_id: int
    status: int
    reason: str | None = None
    timestamp: int | None = None
    retry_after: float | None = None


class PushTransport(Protocol):
    """Sends pushes. Returns one response per notification, failures included."""

    def send(self, notifications: Sequence[PushNotification], per_second: int, *, urgent: bool = False) -> list[PushResponse]:
        """Send all notifications, no faster than `per_second` unless they are urgent. A failed push does not raise."""
        ...

    def close(self) -> None:
        """Release the connections."""
        ...
