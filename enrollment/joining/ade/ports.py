"""The port to Apple's ADE service: its operations, values and errors. The client is in `client`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from cartable.http_client import ApiError


class AdeErrorKind(StrEnum):
    """What an error of the service means for the caller."""

    TERMS = "terms_not_signed"  # a person must accept new terms in the portal; until then every request fails
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


class AdeError(ApiError):
    """Apple's ADE service refused a request or could not be reached."""

    def __init__(self, kind: AdeErrorKind, message: str, retry_after: float | None = None) -> None:
        super().__init__(message, retry_after)
        self.kind = kind


class ProfileStatus(StrEnum):
    """Status of a device's profile at Apple."""

    EMPTY = "empty"
    ASSIGNED = "assigned"
    PUSHED = "pushed"
    REMOVED = "removed"


class DeviceOperation(StrEnum):
    """Change of a device in a sync."""

    ADDED = "added"
    MODIFIED = "modified"
    DELETED = "deleted"


class DeviceResult(StrEnum):
    """Result of an operation for one serial number."""

    SUCCESS = "SUCCESS"
    NOT_ACCESSIBLE = "NOT_ACCESSIBLE"
    FAILED = "FAILED"
    THROTTLED = "THROTTLED"


@dataclass(frozen=True, slots=True)
class AdeAccount:
    """The MDM server of a token, and the limits of one request."""

    server_uuid: str
    server_name: str
    org_name: str
    fetch_limit: int
    sync_limit: int
    assign_limit: int


@dataclass(frozen=True, slots=True)
class DeviceRecord:
    """A device in a page. None: the page does not contain the value, and the stored one stays."""

    serial: str
    op: DeviceOperation | None = None
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
class DevicePage:
    """One page of devices. `unreadable` counts entries without a valid serial number."""

    devices: tuple[DeviceRecord, ...]
    cursor: str
    has_more: bool
    unreadable: int = 0


@dataclass(frozen=True, slots=True)
class AssignmentResults:
    """Result for each serial number of a batch. `retry_after` (seconds) is for the throttled ones."""

    results: Mapping[str, DeviceResult]
    retry_after: float | None = None


class AdeService(Protocol):
    """Devices and profiles of one server token. Every method raises `AdeError`."""

    def get_account(self) -> AdeAccount:
        """Return the MDM server of the token and its limits."""
        ...

    def fetch_devices(self, cursor: str | None, limit: int) -> DevicePage:
        """Return a page of all devices; without cursor the first one."""
        ...

    def sync_devices(self, cursor: str, limit: int) -> DevicePage:
        """Return a page of the changes since the cursor."""
        ...

    def define_profile(self, profile: Mapping[str, Any]) -> str:
        """Define a profile, which can never be changed, and return its UUID."""
        ...

    def assign_profile(self, profile_uuid: str, serials: Sequence[str]) -> AssignmentResults:
        """Assign a profile to devices; they use it at their next activation."""
        ...

    def enable_activation_lock(self, serial: str, escrow_key: str | None, message: str) -> DeviceResult:
        """Turn on activation lock; with `escrow_key` (hash of the bypass code) it can be turned off again."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...
