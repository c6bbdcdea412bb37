"""One child's data: all of it handed out, all of it erased, and who has read it (schools.md section 14, PRIV-08). Never commits."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime
from enum import Enum
from hashlib import sha256
from typing import Any
from uuid import UUID

from cartable import audit, locks
from cartable.foreign_keys import list_referencing_columns
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.people import access
from enrollment.people.models import AccessKind, Pupil, PupilState, RecordAccess
from enrollment.people.repository import PeopleRepository
from enrollment.places.models import School, SchoolClass, Town
from mdm.privacy import dictionary, reports
from mdm.privacy.erasing import erase_identities
from mdm.privacy.errors import AlreadyErased, LoanOpen, PupilUnknown
from mdm.privacy.models import PrivacyReport, ReportKind
from mdm.privacy.repository import PrivacyRepository

Json = dict[str, Any]
_TOLD_APART = frozenset({"guardian_link", "pupil_group_member"})


def export(work: UnitOfWork, actor: Actor, pupil_id: UUID) -> Json:
    """Everything that is kept about one child, as JSON. What it proves is kept as a report without names.

    Other people's data stay out: guardians by name alone, since parents may live apart; staff not at all. Hashes and secret
    codes stay out too. Raises `PupilUnknown`, `AlreadyErased`.
    """
    pupil = _pupil(work, actor, pupil_id)
    if pupil.state is PupilState.ERASED:
        raise AlreadyErased
    repository = PrivacyRepository(work.session)
    access.note(work, actor, [pupil], AccessKind.EXPORT)
    told: Json = {
        "made_at": work.now.isoformat(),
        "pupil": _told("pupil", _row(pupil)),
        "place": _place(work, pupil),
        "guardians": [{"last_name": g.last_name, "first_name": g.first_name} for g in repository.guardians_of(pupil.id)],
        "groups": [{"label": label} for label in repository.group_labels(pupil.id)],
        "requests": [_told("privacy_request", _row(each)) for each in repository.rights_about(pupil.town_id, pupil.id)],
        "tablets": sorted(repository.tags_of(pupil.id).values()),
        **_pointing(repository, pupil.id),
        "losses": _losses(repository, pupil.id),
        "readings": [
            {"kind": r.kind.value, "day": r.day.isoformat(), "times": r.times} for r in _accesses(work, actor, pupil.id)
        ],
        "acts": [{"at": e.at.isoformat(), "action": e.action} for e in repository.acts_about(pupil.town_id, pupil.id)],
        "purposes": dictionary.purposes(),
    }
    digest = sha256(json.dumps(told, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
    counts = {name: len(value) for name, value in told.items() if isinstance(value, list)}
    row = reports.write(work, actor, pupil.town_id, ReportKind.EXPORT, pupil.id, {"sections": counts, "sha256": digest})
    return {**told, "report_id": str(row.id)}


def erase(work: UnitOfWork, actor: Actor, pupil_id: UUID, reason: str) -> PrivacyReport:
    """Erase what is kept about one child, now. The loans' history and the audit trail stay, by the child's number alone; the
    report says what was removed and what stays until when. `reason` is kept in the audit trail: no names in it.

    Raises `PupilUnknown`, `LoanOpen`, `AlreadyErased`.
    """
    pupil = _pupil(work, actor, pupil_id)
    locks.lock_town(work, pupil.town_id)
    work.session.refresh(pupil)
    repository = PrivacyRepository(work.session)
    if pupil.state is PupilState.ERASED:
        raise AlreadyErased
    if repository.holds_tablet(pupil.id):
        raise LoanOpen
    removed = erase_identities(work, pupil.town_id, [pupil])
    kept = {column.table.name: len(repository.rows_of(column, pupil.id)) for column in list_referencing_columns(Pupil)}
    stays = {name: {"rows": count, "rule": dictionary.retention_of(name)} for name, count in kept.items() if count}
    content = {"reason": reason, "removed": removed, "stays": stays, "absent_since": _plain(pupil.absent_since)}
    return reports.write(work, actor, pupil.town_id, ReportKind.ERASURE, pupil.id, content)


def accesses(work: UnitOfWork, actor: Actor, pupil_id: UUID) -> Sequence[RecordAccess]:
    """Who has read a child's record, newest first; also of an erased one. Raises `PupilUnknown`."""
    pupil = _pupil(work, actor, pupil_id)
    audit.record_event(work, actor, "privacy.accesses", "pupil", pupil.id, town_id=pupil.town_id)
    return _accesses(work, actor, pupil.id)


def _accesses(work: UnitOfWork, actor: Actor, pupil_id: UUID) -> Sequence[RecordAccess]:
    return PeopleRepository(work.session).accesses(actor, pupil_id)


def _pupil(work: UnitOfWork, actor: Actor, pupil_id: UUID) -> Pupil:
    pupil = PrivacyRepository(work.session).pupil(actor, pupil_id)
    if pupil is None:
        raise PupilUnknown
    actor.require_permission(Permission.PRIVACY, pupil.town_id)
    return pupil


def _place(work: UnitOfWork, pupil: Pupil) -> Json:
    school_class = work.session.get(SchoolClass, pupil.class_id) if pupil.class_id else None
    return {
        "town": work.session.get_one(Town, pupil.town_id).name,
        "school": work.session.get_one(School, pupil.school_id).name,
        "class": school_class.label if school_class else None,
        "school_year": school_class.school_year if school_class else None,
    }


def _pointing(repository: PrivacyRepository, pupil_id: UUID) -> Json:
    """The rows of every table that points at the pupil, those that are not there yet included."""
    found: Json = {}
    for column in list_referencing_columns(Pupil):
        name = column.table.name
        if name not in _TOLD_APART:
            found[name] = [*found.get(name, []), *(_told(name, row) for row in repository.rows_of(column, pupil_id))]
    return found


def _losses(repository: PrivacyRepository, pupil_id: UUID) -> list[Json]:
    cases = repository.cases_during_loans(pupil_id)
    asked = repository.requests_of([case.id for case in cases])
    return [
        {
            **_told("lost_case", _row(case)),
            "positions": [_told("position_request", _row(each)) for each in asked if each.case_id == case.id],
        }
        for case in cases
    ]


def _row(thing: Any) -> Json:
    return {column.name: getattr(thing, column.name) for column in thing.__table__.columns}


def _told(table: str, row: Json) -> Json:
    """What of a row is the child's own; what is another person's, a hash or a secret is left out."""
    return {name: _plain(value) for name, value in row.items() if dictionary.is_exported(table, name)}


def _plain(value: object) -> object:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bytes):
        return None
    return str(value) if isinstance(value, UUID) else value
