"""The breach kit: who is touched and by which fields, in one sealed report of numbers and ids (PRIV-15). Never commits."""

from __future__ import annotations

from collections.abc import Collection
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

#: GDPR, article 33: the authority is told within 72 hours of the moment when it is known.
NOTIFY_WITHIN = timedelta(hours=72)
#: What a person who only read lists and tablets has seen of a child.
_SEEN = {"pupil": ["last_name", "first_name", "usage_name", "level", "school_id", "class_id", "take_home"], "loan": ["tablet_id"]}


def report(
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
    """Who is touched: by default everybody of the town or of `school_id`; with `account_id` the children whose records that account has
    read from `since` to `until`. Raises `Forbidden`, `NotFound`, `Invalid`.
    """
    actor.require_permission(Permission.PRIVACY, town_id)
    repository = PrivacyRepository(work.session)
    if known_at > work.now:
        raise Invalid(field="known_at")
    if school_id is not None and not repository.is_school(town_id, school_id):
        raise NotFound(field="school_id")
    kinds: set[AccessKind] | None = None
    if account_id is not None:
        read = repository.read_by(town_id, account_id, since, until)
        pupils, kinds = sorted({row.pupil_id for row in read}, key=str), {row.kind for row in read}
    else:
        pupils = repository.living_pupils(town_id, school_id)
    told: dict[str, Any] = {
        "known_at": known_at.isoformat(),
        "notify_by": (known_at + NOTIFY_WITHIN).isoformat(),
        "late": work.now > known_at + NOTIFY_WITHIN,
        "scope": {
            "school_id": str(school_id) if school_id else None,
            "account_id": str(account_id) if account_id else None,
            "since": since.isoformat() if since else None,
            "until": until.isoformat() if until else None,
        },
        "pupils": len(pupils),
        "guardians": repository.guardians_touched(pupils),
        "staff": repository.staff_of(town_id, school_id) if account_id is None else 0,
        "fields": _fields(kinds),
        "pupil_ids": [str(each) for each in pupils],
    }
    return reports.write(work, actor, town_id, ReportKind.BREACH, None, told)


def _fields(kinds: Collection[AccessKind] | None) -> dict[str, list[str]]:
    """The fields that were within reach, by table: all of them, or what a reader of lists has seen."""
    if kinds is not None and AccessKind.EXPORT not in kinds:
        return _SEEN if kinds else {}
    found: dict[str, list[str]] = {}
    for each in dictionary.entries():
        if each.of in ("pupil", "guardian") or kinds is None:
            found.setdefault(each.table, []).append(each.field)
    return found
