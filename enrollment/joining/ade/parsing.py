"""Parsing the responses of Apple's ADE service: errors, account, pages of devices, results. Pure.

See docs/domain/apple-services.md#errors-of-device-assignment.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

from enrollment.joining.ade.ports import (
    AdeAccount,
    AdeError,
    AdeErrorKind,
    AssignmentResults,
    DeviceOperation,
    DevicePage,
    DeviceRecord,
    DeviceResult,
    ProfileStatus,
)

EnumT = TypeVar("EnumT", bound=StrEnum)
#: Apple's documented default and maximum, used when the account names no limit.
DEFAULT_LIMIT = 100
MAX_LIMIT = 1000
MAX_CURSOR = 4096
_SERIAL = re.compile(r"[A-Z0-9]{4,64}")
#: Codes in the body of an error, searched in this order: some are parts of others.
_ERROR_CODES: tuple[tuple[str, AdeErrorKind], ...] = (
    ("t_c_not_signed", AdeErrorKind.TERMS),
    ("token_expired", AdeErrorKind.TOKEN_EXPIRED),
    ("timestamp_refused", AdeErrorKind.CLOCK),
    ("token_rejected", AdeErrorKind.TOKEN_REJECTED),
    ("oauth_problem", AdeErrorKind.TOKEN_REJECTED),
    ("access_denied", AdeErrorKind.DENIED),
    ("expired_cursor", AdeErrorKind.CURSOR_EXPIRED),
    ("invalid_cursor", AdeErrorKind.CURSOR_INVALID),
    ("exhausted_cursor", AdeErrorKind.CURSOR_EXHAUSTED),
    ("cursor_required", AdeErrorKind.CURSOR_REQUIRED),
    ("profile_not_found", AdeErrorKind.NOT_FOUND),
    ("forbidden", AdeErrorKind.SESSION),
    ("unauthorized", AdeErrorKind.SESSION),
    ("too_many_requests", AdeErrorKind.RETRY),
    ("not_found", AdeErrorKind.NOT_FOUND),
    ("config_", AdeErrorKind.PROFILE),
    ("flags_invalid", AdeErrorKind.PROFILE),
    ("magic_invalid", AdeErrorKind.PROFILE),
    ("profile_", AdeErrorKind.PROFILE),
    ("device_id_required", AdeErrorKind.PROFILE),
)
_ERROR_STATUSES = {
    401: AdeErrorKind.SESSION, 403: AdeErrorKind.SESSION, 404: AdeErrorKind.NOT_FOUND, 405: AdeErrorKind.METHOD, 408: AdeErrorKind.RETRY, 429: AdeErrorKind.RETRY,
}  # fmt: skip


def classify_error(status: int, body: bytes, *, at_session: bool = False) -> AdeErrorKind:
    """Return the kind of an error response. The code may stand alone, quoted, or in JSON; `at_session`: of the session request."""
    if status >= 500 or status == 429:
        return AdeErrorKind.RETRY
    text = body[:2000].decode("utf-8", "replace").lower()
    if status == 405:
        return AdeErrorKind.METHOD
    kind = next((kind for code, kind in _ERROR_CODES if code in text), _ERROR_STATUSES.get(status, AdeErrorKind.PERMANENT))
    if at_session and kind is AdeErrorKind.SESSION:
        return AdeErrorKind.TOKEN_REJECTED  # no session exists yet that could have ended
    return kind


def extract_error_code(body: bytes) -> str:
    """Return the error code in a body, for people to read; nothing else of the body."""
    code = re.search(rb"[A-Za-z][A-Za-z_]{3,47}(?=[\"'\s},]|$)", body[:400].replace(b'"code"', b""))
    return code.group().decode() if code else ""


def parse_account(document: Mapping[str, Any]) -> AdeAccount:
    """Return the account, with the page limits that its list of URLs names."""
    urls = document.get("urls")
    entries = [url for url in urls if isinstance(url, dict)] if isinstance(urls, list) else []
    limits = {str(entry.get("uri", "")).rstrip("/"): entry.get("limit") for entry in entries}
    return AdeAccount(
        server_uuid=_parse_text(document, "server_uuid", 80) or "",
        server_name=_parse_text(document, "server_name", 160) or "",
        org_name=_parse_text(document, "org_name", 160) or "",
        fetch_limit=_parse_limit(limits.get("/server/devices")),
        sync_limit=_parse_limit(limits.get("/devices/sync")),
        assign_limit=_parse_limit(limits.get("/profile/devices")),
    )


def _parse_limit(limit: object) -> int:
    maximum = limit.get("maximum") if isinstance(limit, dict) else None
    return min(max(maximum, 1), MAX_LIMIT) if isinstance(maximum, int) and not isinstance(maximum, bool) else DEFAULT_LIMIT


def parse_page(document: Mapping[str, Any]) -> DevicePage:
    """Return a page of devices. Raises `AdeError` when the devices are missing.

    Without a usable cursor the page has an empty one: its devices are worth more than its cursor.
    """
    rows, cursor = document.get("devices"), document.get("cursor")
    if not isinstance(rows, list):
        raise AdeError(AdeErrorKind.RETRY, "a page without devices")
    devices = [device for row in rows if (device := parse_device(row)) is not None]
    if not isinstance(cursor, str) or len(cursor) > MAX_CURSOR or not (cursor.isascii() and cursor.isprintable()):
        cursor = ""
    return DevicePage(tuple(devices), cursor, document.get("more_to_follow") is True, len(rows) - len(devices))


def parse_device(row: object) -> DeviceRecord | None:
    """Return one device; None when it has no valid serial number."""
    if not isinstance(row, dict):
        return None
    serial = (_parse_text(row, "serial_number", 64) or "").strip().upper()
    if not _SERIAL.fullmatch(serial):
        return None
    return DeviceRecord(
        serial=serial,
        op=_parse_enum(DeviceOperation, (_parse_text(row, "op_type", 24) or "").lower()),
        op_date=_parse_instant(row.get("op_date")),
        model=_parse_text(row, "model", 80),
        description=_parse_text(row, "description", 200),
        color=_parse_text(row, "color", 40),
        asset_tag=_parse_text(row, "asset_tag", 80),
        family=_parse_text(row, "device_family", 40),
        os=_parse_text(row, "os", 24),
        profile_status=_parse_enum(ProfileStatus, (_parse_text(row, "profile_status", 24) or "").lower()),
        profile_uuid=_parse_text(row, "profile_uuid", 64),
        profile_assigned_at=_parse_instant(row.get("profile_assign_time")),
        profile_pushed_at=_parse_instant(row.get("profile_push_time")),
        assigned_at=_parse_instant(row.get("device_assigned_date")),
        migrate_before=_parse_instant(row.get("mdm_migration_deadline")),
    )


#: Fields of a device that a page may change.
DEVICE_FIELDS = tuple(field.name for field in fields(DeviceRecord) if field.name not in ("serial", "op", "op_date"))
#: Those that describe the device itself and do not change with its profile: even an older record may add them.
DESCRIPTION_FIELDS = ("model", "description", "color", "asset_tag", "family", "os", "assigned_at")


def parse_assignment_results(document: Mapping[str, Any]) -> AssignmentResults:
    """Return the results by serial number. An unknown result counts as a failure."""
    rows = document.get("devices")
    pairs = rows.items() if isinstance(rows, dict) else ()
    wait = document.get("retry_after_seconds")
    return AssignmentResults(
        {str(serial).upper(): _parse_enum(DeviceResult, word) or DeviceResult.FAILED for serial, word in pairs},
        float(wait) if isinstance(wait, int | float) and not isinstance(wait, bool) and 0 <= wait < 1e9 else None,
    )


def _parse_text(row: Mapping[str, Any], key: str, longest: int) -> str | None:
    """Return a text without what a database cannot store; None when it is missing, empty or no text."""
    value = row.get(key)
    if not isinstance(value, str):
        return None
    return value.replace("\x00", "").encode("utf-8", "ignore").decode()[:longest].strip() or None


def _parse_enum(kind: type[EnumT], value: Any) -> EnumT | None:
    try:
        return kind(value)
    except ValueError:
        return None


def _parse_instant(value: object) -> datetime | None:
    """Return an RFC 3339 instant in UTC; one without time zone is read as UTC."""
    if not isinstance(value, str):
        return None
    try:
        instant = datetime.fromisoformat(value)
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
