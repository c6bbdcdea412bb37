"""Pure rule: which status a report gives to announced declarations. What is done about it is decided in `mdm.reconcile`."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from mdm.devices.declaration_rules import DeclarationCheck
from mdm.devices.models import DeclarationStatus

#: How long declarations may be in progress: a tablet without network or with a locked screen needs patience.
PROGRESS_TIMEOUT = timedelta(hours=2)


class CurrentStatus(NamedTuple):
    """The status of announced declarations before a report."""

    status: DeclarationStatus
    since: datetime | None
    confirmed_at: datetime | None


def decide_status(current: CurrentStatus, check: DeclarationCheck, now: datetime) -> dict[str, Any]:
    """Return the columns that a comparison changes: status, problem, confirmation, and when to look again.

    A declaration that is invalid is a failure at the first report, and so is one that was confirmed and is missing. What is not
    yet there or of unknown validity is in progress; after a failure it stays a failure until everything is confirmed.
    """
    is_lost = bool(check.missing) and current.confirmed_at is not None
    confirmed_at = (current.confirmed_at or now) if check.is_confirmed else None
    if check.invalid or is_lost:
        failed = {"confirmed_at": confirmed_at, "problem": check.describe(), **_change(current, DeclarationStatus.FAILED, now)}
        # The first repair is due at once, the others when their time has come.
        return failed if current.status is DeclarationStatus.FAILED else {**failed, "next_check_at": now}
    if check.is_confirmed:
        settled = {"problem": None, "repair_attempts": 0, "next_check_at": None}
        return {"confirmed_at": confirmed_at, **settled, **_change(current, DeclarationStatus.CONFIRMED, now)}
    if current.status is DeclarationStatus.FAILED:
        return {"confirmed_at": None}
    values = {"confirmed_at": None, "problem": check.describe() or None, **_change(current, DeclarationStatus.IN_PROGRESS, now)}
    return values if current.status is DeclarationStatus.IN_PROGRESS else {**values, "next_check_at": now + PROGRESS_TIMEOUT}


def _change(current: CurrentStatus, status: DeclarationStatus, now: datetime) -> dict[str, Any]:
    return {"status": status, "status_since": current.since if current.status is status else now}
