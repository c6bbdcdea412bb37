"""Reading what the device-assignment service answers: errors in every shape, accounts, pages, results. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

from enrollment.joining.ade.ports import Account, Assigned, AssignmentError, Device, Op, Page, ProfileStatus, Result, Trouble

E = TypeVar("E", bound=StrEnum)
#: What the documentation calls the default and the most, where the account names no limit.
USUAL_LIMIT = 100
MOST = 1000
MAX_CURSOR = 4096
_SERIAL = re.compile(r"[A-Z0-9]{4,64}")
#: Words of an error's body, looked for in this order: some of them are parts of others (school-services.md section A.3).
_WORDS: tuple[tuple[str, Trouble], ...] = (
    ("t_c_not_signed", Trouble.TERMS),
    ("token_expired", Trouble.TOKEN_EXPIRED),
    ("timestamp_refused", Trouble.CLOCK),
    ("token_rejected", Trouble.TOKEN_REJECTED),
    ("oauth_problem", Trouble.TOKEN_REJECTED),
    ("access_denied", Trouble.DENIED),
    ("expired_cursor", Trouble.CURSOR_EXPIRED),
    ("invalid_cursor", Trouble.CURSOR_INVALID),
    ("exhausted_cursor", Trouble.CURSOR_EXHAUSTED),
    ("cursor_required", Trouble.CURSOR_REQUIRED),
    ("profile_not_found", Trouble.NOT_FOUND),
    ("forbidden", Trouble.SESSION),
    ("unauthorized", Trouble.SESSION),
    ("too_many_requests", Trouble.RETRY),
    ("not_found", Trouble.NOT_FOUND),
    ("config_", Trouble.PROFILE),
    ("flags_invalid", Trouble.PROFILE),
    ("magic_invalid", Trouble.PROFILE),
    ("profile_", Trouble.PROFILE),
    ("device_id_required", Trouble.PROFILE),
)
_STATUS = {
    401: Trouble.SESSION, 403: Trouble.SESSION, 404: Trouble.NOT_FOUND, 405: Trouble.METHOD, 408: Trouble.RETRY, 429: Trouble.RETRY,
}  # fmt: skip


def trouble_of(status: int, body: bytes, *, at_session: bool = False) -> Trouble:
    """What an answer of 400 or more means. The word counts wherever it stands: bare, quoted, or in JSON."""
    if status >= 500 or status == 429:
        return Trouble.RETRY
    text = body[:2000].decode("utf-8", "replace").lower()
    found = next((trouble for word, trouble in _WORDS if word in text), None)
    if status == 405:
        return Trouble.METHOD
    if found is None:
        found = _STATUS.get(status, Trouble.PERMANENT)
    if at_session and found is Trouble.SESSION:
        return Trouble.TOKEN_REJECTED  # there is no session yet that could have ended
    return found


def word_of(body: bytes) -> str:
    """The word itself, for people; nothing else of the body."""
    found = re.search(rb"[A-Za-z][A-Za-z_]{3,47}(?=[\"'\s},]|$)", body[:400].replace(b'"code"', b""))
    return found.group().decode() if found else ""


def json_of(body: bytes) -> dict[str, Any]:
    """The object of a good answer. Raises `AssignmentError`: a service that answers nonsense is asked again later."""
    try:
        said = json.loads(body or b"{}")
    except (ValueError, RecursionError) as error:
        raise AssignmentError(Trouble.RETRY, "the answer is no JSON") from error
    if not isinstance(said, dict):
        raise AssignmentError(Trouble.RETRY, "the answer is no JSON object")
    return said


def account_of(said: Mapping[str, Any]) -> Account:
    """The account, with the page limits that its list of addresses names."""
    urls = said.get("urls")
    listed = [each for each in urls if isinstance(each, dict)] if isinstance(urls, list) else []
    limits = {str(each.get("uri", "")).rstrip("/"): each.get("limit") for each in listed}
    return Account(
        server_uuid=_text(said, "server_uuid", 80) or "",
        server_name=_text(said, "server_name", 160) or "",
        org_name=_text(said, "org_name", 160) or "",
        fetch_limit=_limit(limits.get("/server/devices")),
        sync_limit=_limit(limits.get("/devices/sync")),
        assign_limit=_limit(limits.get("/profile/devices")),
    )


def _limit(said: object) -> int:
    most = said.get("maximum") if isinstance(said, dict) else None
    return min(max(most, 1), MOST) if isinstance(most, int) and not isinstance(most, bool) else USUAL_LIMIT


def page_of(said: Mapping[str, Any]) -> Page:
    """A page. Raises `AssignmentError` when it cannot be gone on from."""
    rows, cursor = said.get("devices"), said.get("cursor")
    if not isinstance(rows, list) or not isinstance(cursor, str) or not 1 <= len(cursor) <= MAX_CURSOR:
        raise AssignmentError(Trouble.RETRY, "a page without devices or cursor")
    devices = [device for row in rows if (device := device_of(row)) is not None]
    return Page(tuple(devices), cursor, said.get("more_to_follow") is True, len(rows) - len(devices))


def device_of(row: object) -> Device | None:
    """One device; None when it has no serial number to be known by."""
    if not isinstance(row, dict):
        return None
    serial = (_text(row, "serial_number", 64) or "").strip().upper()
    if not _SERIAL.fullmatch(serial):
        return None
    return Device(
        serial=serial,
        op=_one_of(Op, row.get("op_type")),
        op_date=_instant(row.get("op_date")),
        model=_text(row, "model", 80),
        description=_text(row, "description", 200),
        color=_text(row, "color", 40),
        asset_tag=_text(row, "asset_tag", 80),
        family=_text(row, "device_family", 40),
        os=_text(row, "os", 24),
        profile_status=_one_of(ProfileStatus, row.get("profile_status")),
        profile_uuid=_text(row, "profile_uuid", 64),
        profile_assigned_at=_instant(row.get("profile_assign_time")),
        profile_pushed_at=_instant(row.get("profile_push_time")),
        assigned_at=_instant(row.get("device_assigned_date")),
        migrate_before=_instant(row.get("mdm_migration_deadline")),
    )


#: What a page may tell of a device, beside who it is and what happened.
TOLD = tuple(field.name for field in fields(Device) if field.name not in ("serial", "op", "op_date"))


def assigned_of(said: Mapping[str, Any]) -> Assigned:
    """Results by serial number. A word that is not known counts as a failure."""
    rows = said.get("devices")
    pairs = rows.items() if isinstance(rows, dict) else ()
    wait = said.get("retry_after_seconds")
    return Assigned(
        {str(serial).upper(): _one_of(Result, word) or Result.FAILED for serial, word in pairs},
        float(wait) if isinstance(wait, int | float) and not isinstance(wait, bool) and 0 <= wait < 1e9 else None,
    )


def _text(row: Mapping[str, Any], key: str, longest: int) -> str | None:
    value = row.get(key)
    return value.replace("\x00", "")[:longest] if isinstance(value, str) else None


def _one_of(kind: type[E], value: Any) -> E | None:
    try:
        return kind(value)
    except ValueError:
        return None


def _instant(value: object) -> datetime | None:
    """An RFC 3339 instant; one without zone is UTC."""
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
