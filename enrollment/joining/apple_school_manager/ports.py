"""What the product asks of the School and Business Manager API, and what can go wrong (school-services.md section D)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Trouble(StrEnum):
    """What to do about a failure."""

    KEY = "key"  # a person must bring another key
    RETRY = "retry"
    PERMANENT = "permanent"


class OrganisationError(Exception):
    """The service refused or could not be reached. `retry_after` in seconds, when it said so."""

    def __init__(self, trouble: Trouble, message: str, retry_after: float | None = None) -> None:
        super().__init__(message[:200])
        self.trouble, self.retry_after = trouble, retry_after


@dataclass(frozen=True, slots=True)
class Owned:
    """A device that the organisation owns."""

    serial: str
    model: str | None
    family: str | None


@dataclass(frozen=True, slots=True)
class Server:
    """A server that devices can be assigned to."""

    id: str
    name: str


class OrganisationService(Protocol):
    """One organisation's list. Every method, and going on with what it gives, raises `OrganisationError`."""

    def devices(self) -> Iterator[Sequence[Owned]]:
        """Every device, page by page."""
        ...

    def servers(self) -> Sequence[Server]:
        """Every server."""
        ...

    def assigned(self, server_id: str) -> Iterator[Sequence[str]]:
        """The serial numbers assigned to a server, page by page."""
        ...

    def close(self) -> None:
        """End the connection."""
        ...
