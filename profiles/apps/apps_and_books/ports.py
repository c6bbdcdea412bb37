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


class EventPending(LicenceServiceError):
    """The service has accepted a change and has not finished it in time; it may still come."""

    def __init__(self) -> None:
        super().__init__(LicenceErrorKind.RETRY, 0, "the service has not finished")


#: Licences of the usual kind; `PLUS` are those of higher quality that books are sold in.
STANDARD_PRICING = "STDQ"


@dataclass(frozen=True, slots=True)
class LicensedAsset:
    """An app that the account owns licences of. `pricing` must be named when they are given."""

    adam_id: int
    total: int
    assigned: int
    assignable: bool
    pricing: str = STANDARD_PRICING


@dataclass(frozen=True, slots=True)
class AssetList:
    """The apps that an account owns; `skipped` rows could not be read."""

    assets: tuple[LicensedAsset, ...]
    skipped: int


@dataclass(frozen=True, slots=True)
class AssignedLicences:
    """Who has the licences of an app: serial numbers, and how many other holders (people, or rows that cannot be read)."""

    serials: frozenset[str]
    others: int


@dataclass(frozen=True, slots=True)
class ClaimingServer:
    """The server that an account says it is used by."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class ContentLocation:
    """Whose licences a token gives, until when, and which server used it last."""

    name: str
    uid: str
    expires: datetime | None
    claimed_by: ClaimingServer | None


@dataclass(frozen=True, slots=True)
class AssignmentFailure:
    """One licence that could not be moved, and why."""

    number: int
    adam_id: int
    serial: str
    message: str = ""


class LicenceService(Protocol):
    """One account's licences. Every method raises `LicenceServiceError`."""

    def get_location(self) -> ContentLocation:
        """Return whose token it is."""
        ...

    def claim(self, server: ClaimingServer) -> None:
        """Say that this server uses the token from now on."""
        ...

    def list_assets(self) -> AssetList:
        """Return everything the account owns, read until two pages agree on the version."""
        ...

    def list_assigned_licences(self, adam_id: int) -> AssignedLicences:
        """Return who has a licence of an app."""
        ...

    def associate(self, asset: LicensedAsset, serials: Sequence[str]) -> list[AssignmentFailure]:
        """Give licences, wait until it is done, and return those that were refused."""
        ...

    def disassociate(self, asset: LicensedAsset, serials: Sequence[str]) -> list[AssignmentFailure]:
        """Take licences back, wait until it is done, and return those that were refused."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...
