"""How often a minute `cartable signer` does each operation."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import datetime

#: A request that is refused costs a decryption and a response, so that these are allowed more often than certificates.
REQUESTS_PER_CERTIFICATE = 10


class MinuteLimit:
    """Counts operations by minute of the clock."""

    def __init__(self, certificates: int) -> None:
        self._certificates = certificates
        self._lock = threading.Lock()
        self._minute: datetime | None = None
        self._counts: Counter[str] = Counter()

    def allow(self, operation: str, now: datetime) -> bool:
        """Count an operation. Returns False when it was done as often as allowed in this minute."""
        limit = self._certificates * (1 if operation == "sign_certificate" else REQUESTS_PER_CERTIFICATE)
        with self._lock:
            minute = now.replace(second=0, microsecond=0)
            if minute != self._minute:
                self._minute, self._counts = minute, Counter()
            if self._counts[operation] >= limit:
                return False
            self._counts[operation] += 1
            return True
