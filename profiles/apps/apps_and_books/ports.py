"""What the product asks of a licence service, and what can go wrong. Plain values; the adapters are beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from cartable.http_client import ApiError


class LicenceErrorKind(StrEnum):
    """What to do about a failure."""

    TOKEN = "token"  # noqa: S105 - a word: a person must bring a new token
    RETRY = "retry"
    PERMANENT = "permanent"


class LicenceServiceError(ApiError):
    """The service refused or could not be reached. `retry_after` in seconds, when it asks for a pause."""

    def __init__(self, kind: LicenceErrorKind, number: int, message: str, retry_after: float | None = None) -> None:
        super().__init__(f"{number} {message}", retry_after)
        self.kind, self.number = kind, number


@dataclass(frozen=True, slots=True)
class LicensedAsset:
    """An app that the location owns licences of."""

    adam_id: int
    total: int
    assigned: int
    available: int
    assignable: bool


@dataclass(frozen=True, slots=True)
class ContentLocation:
    """Whose licences a token gives, until when, and which server used it last."""

    name: str
    uid: str
    expires: datetime | None
    claimed_by: str | None


@dataclass(frozen=True, slots=True)
class AssignmentFailure:
    """One licence that could not be moved."""

    number: int
    adam_id: int
    serial: str


class LicenceService(Protocol):
    """One location's licences. Every method raises `LicenceServiceError`."""

    def get_location(self) -> ContentLocation:
        """Whose token it is."""
        ...

    def claim(self, server_id: str, name: str) -> None:
        """Say that this server uses the token from now on."""
        ...

    def list_assets(self) -> list[LicensedAsset]:
        """Everything the location owns, read until two pages agree on the version."""
        ...

    def list_assigned_serials(self, adam_id: int) -> list[str]:
        """The serial numbers that hold a licence of an app."""
        ...

    def associate(self, adam_id: int, serials: Sequence[str]) -> list[AssignmentFailure]:
        """Give licences, and wait until it is done."""
        ...

    def disassociate(self, adam_id: int, serials: Sequence[str]) -> list[AssignmentFailure]:
        """Take licences back, and wait until it is done."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...
