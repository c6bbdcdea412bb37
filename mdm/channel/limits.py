"""What one certificate may ask of the server, so that a single tablet cannot fill the database or keep others waiting.

Sizes are checked where messages are handled. Who asks too often gets 503, after which a tablet tries again later: never a status that
unenrolls it. The counts are per process and begin anew with it; no tablet at work comes near them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from mdm.channel.messages import ChannelRequest
from mdm.protocol.checkin import Authenticate, CheckOut, GetToken, ReturnToService, SetBootstrapToken, TokenUpdate

#: APNs promises no length; today a token has 32 bytes.
MAX_PUSH_TOKEN = 256
MAX_PUSH_MAGIC = 256
MAX_UNLOCK_TOKEN = 64 * 1024
MAX_BOOTSTRAP_TOKEN = 16 * 1024
#: Users of one Shared iPad. It keeps fewer itself, and deletes the oldest when it is full.
MAX_USER_CHANNELS = 64
#: A longer answer to a command is not kept: its command ends, and what it says is not applied.
MAX_RESULT_BYTES = 4 * 2**20
#: Notes about one certificate's messages in an hour; what is noted beyond says nothing new.
MAX_NOTES_PER_HOUR = 30

MAX_REQUESTS_PER_MINUTE = 6000
MAX_LIFE_CYCLE_MESSAGES_PER_HOUR = 120
#: Messages that leave a row or an event each time.
LIFE_CYCLE_MESSAGES = (Authenticate, TokenUpdate, CheckOut, SetBootstrapToken, GetToken, ReturnToService)


@dataclass(slots=True)
class WindowCounter:
    """Counts by key in windows of a fixed length, so its size is bounded by the keys of one window."""

    window: timedelta
    _started_at: datetime | None = None
    _counts: dict[str, int] = field(default_factory=dict)

    def admit(self, key: str, now: datetime, limit: int) -> bool:
        """Count once and return whether the key is still within `limit`."""
        if self._started_at is None or not self._started_at <= now < self._started_at + self.window:
            self._started_at, self._counts = now, {}
        self._counts[key] = self._counts.get(key, 0) + 1
        return self._counts[key] <= limit


class CertificateLimits:
    """How often each certificate has asked. Used on the event loop only."""

    def __init__(self) -> None:
        self._requests = WindowCounter(timedelta(minutes=1))
        self._life_cycle = WindowCounter(timedelta(hours=1))

    def admit(self, request: ChannelRequest, now: datetime) -> bool:
        """Return whether a request may be processed now."""
        if not self._requests.admit(request.fingerprint, now, MAX_REQUESTS_PER_MINUTE):
            return False
        is_limited = isinstance(request.message, LIFE_CYCLE_MESSAGES)
        return not is_limited or self._life_cycle.admit(request.fingerprint, now, MAX_LIFE_CYCLE_MESSAGES_PER_HOUR)
