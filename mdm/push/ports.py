"""What the product needs of a push service. The real adapter is `apns`; the same protocol is spoken by `testserver`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Wake:
    """One push: whom to wake, with the magic the tablet expects."""

    enrollment_id: int
    token: bytes
    magic: str
    topic: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the push service said. `status` 0: it could not be reached. `timestamp`: milliseconds, with 410."""

    enrollment_id: int
    status: int
    reason: str | None = None
    timestamp: int | None = None
    retry_after: float | None = None


class PushTransport(Protocol):
    """Sends pushes; one outcome per wake, whatever happens."""

    def send(self, wakes: list[Wake], per_second: int) -> list[Outcome]:
        """Send all, paced. Never raises for a single push."""
        ...

    def close(self) -> None:
        """Give the connections back."""
        ...
