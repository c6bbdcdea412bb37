"""What the product asks of Apple's device assignment, and what can go wrong (school-services.md section A). Plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol


class Trouble(StrEnum):
    """What to do about a failure (school-services.md section A.3)."""

    TERMS = "terms_not_signed"  # a person must accept new terms in the portal; until then everything fails
    TOKEN_EXPIRED = "token_expired"  # noqa: S105 - a word
    TOKEN_REJECTED = "token_rejected"  # noqa: S105 - a word
    DENIED = "access_denied"
    CLOCK = "clock_skew"
    SESSION = "session"
    CURSOR_EXPIRED = "cursor_expired"
    CURSOR_INVALID = "cursor_invalid"
    CURSOR_EXHAUSTED = "cursor_exhausted"
    CURSOR_REQUIRED = "cursor_required"
    PROFILE = "profile_refused"
    NOT_FOUND = "not_found"
    METHOD = "wrong_method"
    RETRY = "retry"
    PERMANENT = "permanent"


class AssignmentError(Exception):
    """The service refused or could not be reached. `retry_after` in seconds, when it said so."""

    def __init__(self, trouble: Trouble, message: str, retry_after: float | None = None) -> None:
        super().__init__(message[:200])
        self.trouble, self.retry_after = trouble, retry_after


class ProfileStatus(StrEnum):
    """Where a device stands with its profile."""

    EMPTY = "empty"
    ASSIGNED = "assigned"
    PUSHED = "pushed"
    REMOVED = "removed"


class Op(StrEnum):
    """What happened to a device, in a sync."""

    ADDED = "added"
    MODIFIED = "modified"
    DELETED = "deleted"


class Result(StrEnum):
    """What became of one serial number."""

    SUCCESS = "SUCCESS"
    NOT_ACCESSIBLE = "NOT_ACCESSIBLE"
    FAILED = "FAILED"
    THROTTLED = "THROTTLED"


@dataclass(frozen=True, slots=True)
class Account:
    """Whose token it is, and how much one request may carry."""

    server_uuid: str
    server_name: str
    org_name: str
    fetch_limit: int
    sync_limit: int
    assign_limit: int


@dataclass(frozen=True, slots=True)
class Device:
    """A device as a page tells it. None: the page did not say, which removes nothing."""

    serial: str
    op: Op | None = None
    op_date: datetime | None = None
    model: str | None = None
    description: str | None = None
    color: str | None = None
    asset_tag: str | None = None
    family: str | None = None
    os: str | None = None
    profile_status: ProfileStatus | None = None
    profile_uuid: str | None = None
    profile_assigned_at: datetime | None = None
    profile_pushed_at: datetime | None = None
    assigned_at: datetime | None = None
    migrate_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of devices. `unreadable` counts entries without a proper serial number."""

    devices: tuple[Device, ...]
    cursor: str
    more: bool
    unreadable: int = 0


@dataclass(frozen=True, slots=True)
class Assigned:
    """What became of each serial number of a batch. `retry_after` (seconds) is for the throttled ones."""

    results: Mapping[str, Result]
    retry_after: float | None = None


class AssignmentService(Protocol):
    """One server token's devices and profiles. Every method raises `AssignmentError`."""

    def account(self) -> Account:
        """Whose token it is."""
        ...

    def fetch(self, cursor: str | None, limit: int) -> Page:
        """A page of the whole list; without cursor the first one."""
        ...

    def sync(self, cursor: str, limit: int) -> Page:
        """A page of what has happened since the cursor."""
        ...

    def define(self, profile: Mapping[str, Any]) -> str:
        """Define a profile, which can never be changed. Returns its UUID."""
        ...

    def assign(self, profile_uuid: str, serials: Sequence[str]) -> Assigned:
        """Let devices take a profile at their next activation."""
        ...

    def lock(self, serial: str, escrow_key: str | None, message: str) -> Result:
        """Turn on activation lock; with `escrow_key` (hash of the bypass code) it can be lifted."""
        ...

    def close(self) -> None:
        """End the connection."""
        ...
