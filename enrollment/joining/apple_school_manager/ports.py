"""The port to Apple's School and Business Manager API: its operations, values and errors. The client is in `client`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from cartable.http_client import ApiError


class OrganisationErrorKind(StrEnum):
    """What an error of the API means for the caller."""

    KEY = "key"  # a person must install another key
    RETRY = "retry"
    PERMANENT = "permanent"


class OrganisationError(ApiError):
    """The API refused a request or could not be reached."""

    def __init__(self, kind: OrganisationErrorKind, message: str, retry_after: float | None = None) -> None:
        super().__init__(message, retry_after)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class OwnedDevice:
    """A device that the organisation owns."""

    serial: str
    model: str | None
    family: str | None


@dataclass(frozen=True, slots=True)
class MdmServer:
    """An MDM server to which devices can be assigned."""

    id: str
    name: str


class OrganisationService(Protocol):
    """Devices and servers of one organisation. Every method, and every next page, raises `OrganisationError`."""

    def list_devices(self) -> Iterator[Sequence[OwnedDevice]]:
        """Return every device, page by page."""
        ...

    def list_servers(self) -> Sequence[MdmServer]:
        """Return every MDM server."""
        ...

    def list_assigned_serials(self, server_id: str) -> Iterator[Sequence[str]]:
        """Return the serial numbers assigned to a server, page by page."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...
