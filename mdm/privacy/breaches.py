"""Breach reports: who is affected and by which fields, as numbers and ids in one sealed report (PRIV-15). Never commits."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from cartable.errors import Invalid, NotFound
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.people.models import AccessKind
from mdm.privacy import dictionary, reports
from mdm.privacy.models import PrivacyReport, ReportKind
from mdm.privacy.repository import PrivacyRepository

#: GDPR, article 33: the authority is notified within 72 hours after the breach became known.
NOTIFY_WITHIN = timedelta(hours=72)
#: The fields of a child that lists and tablet pages show.
_FIELDS_SHOWN_IN_LISTS = {
    "pupil": ["last_name", "first_name", "usage_name", "grade", "school_id", "class_id", "take_home"],
    "loan": ["tablet_id"],
}


def report_breach(
    work: UnitOfWork,
    actor: Actor,
    town_id: UUID,
    known_at: datetime,
    *,
    school_id: UUID | None = None,
    account_id: UUID | None = None,
    since: date | None = None,
    until: date | None = None,
) -> PrivacyReport:
    """Write a breach report: everybody of the town or of `school_id`, or, with `account_id`, the children whose records that account
    read from `since` to `until`. Raises `Forbidden`, `NotFound`, `Invalid`.
    """
    actor.require_permission(Permission.PRIVACY, town_id)
    repository = PrivacyRepository(work.session)
    if known_at > work.now:
        raise Invalid(field="known_at")
    if school_id is not None and not repository.has_school(town_id, school_id):
        raise NotFound(field="school_id")
    kinds: set[AccessKind] | None = None
    if account_id is not None:
        accesses = repository.list_accesses_by(town_id, account_id, since, until)
        pupil_ids, kinds = sorted({access.pupil_id for access in accesses}, key=str), {access.kind for access in accesses}
    else:
        pupil_ids = repository.list_pupil_ids(town_id, school_id)
    content: dict[str, Any] = {
        "known_at": known_at.isoformat(),
        "notify_by": (known_at + NOTIFY_WITHIN).isoformat(),
        "late": work.now > known_at + NOTIFY_WITHIN,
        "scope": {
            "school_id": str(school_id) if school_id else None,
            "account_id": str(account_id) if account_id else None,
            "since": since.isoformat() if since else None,
            "until": until.isoformat() if until else None,
        },
        "pupils": len(pupil_ids),
        "guardians": repository.count_guardians(pupil_ids),
        "staff": repository.count_staff(town_id, school_id) if account_id is None else 0,
        "fields": _list_exposed_fields(kinds),
        "pupil_ids": [str(pupil_id) for pupil_id in pupil_ids],
    }
    return reports.write_report(work, actor, town_id, ReportKind.BREACH, None, content)


def _list_exposed_fields(kinds: AbstractSet[AccessKind] | None) -> dict[str, list[str]]:
    """Return the exposed fields by table: all of them, or those that lists show when no record was opened or taken out."""
    if kinds is not None and not kinds & {AccessKind.RECORD, AccessKind.EXPORT}:
        return _FIELDS_SHOWN_IN_LISTS if kinds else {}
    fields_by_table: dict[str, list[str]] = {}
    for entry in dictionary.list_entries():
        if entry.subject in ("pupil", "guardian") or kinds is None:
            fields_by_table.setdefault(entry.table, []).append(entry.field)
    return fields_by_table
