"""Personal data of one child: export, erasure, and the list of accesses to the record (PRIV-08). Never commits."""

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
from enrollment.places import service as places
from enrollment.places.models import School, SchoolClass, Town
from enrollment.safeguards import budget
from enrollment.safeguards.models import IrreversibleAct
from mdm.privacy import dictionary, reports
from mdm.privacy.erasing import erase_identities
from mdm.privacy.errors import LoanStillOpen, PupilAlreadyErased, PupilRecordNotFound
from mdm.privacy.models import PrivacyReport, ReportKind
from mdm.privacy.repository import PrivacyRepository

Json = dict[str, Any]
#: Tables whose rows the export contains under another key.
_EXPORTED_ELSEWHERE = frozenset({"guardian_link", "pupil_group_member"})


def export_child(work: UnitOfWork, actor: Actor, pupil_id: UUID) -> Json:
    """Return everything that is kept about one child, as JSON, and store a report without names as proof.

    Data of other people are left out: guardians appear by name only, since parents may live apart; staff do not appear. Hashes
    and secret codes are left out too. Raises `PupilRecordNotFound`, `PupilAlreadyErased`.
    """
    pupil = _get_pupil(work, actor, pupil_id)
    if pupil.state is PupilState.ERASED:
        raise PupilAlreadyErased
    repository = PrivacyRepository(work.session)
    access.record_access(work, actor, [pupil], AccessKind.EXPORT)
    export: Json = {
        "created_at": work.now.isoformat(),
        "pupil": _keep_exported("pupil", _to_mapping(pupil)),
        "place": _describe_place(work, pupil),
        "guardians": [{"last_name": g.last_name, "first_name": g.first_name} for g in repository.list_guardians(pupil.id)],
        "groups": [{"label": label} for label in repository.list_group_labels(pupil.id)],
        "requests": [
            _keep_exported("privacy_request", _to_mapping(request))
            for request in repository.list_requests_about(pupil.town_id, pupil.id)
        ],
        "tablets": sorted(repository.load_tablet_tags(pupil.id).values()),
        **_list_referencing_rows(repository, pupil.id),
        "losses": _list_losses(repository, pupil.id),
        "readings": [
            {"kind": r.kind.value, "day": r.day.isoformat(), "times": r.access_count}
            for r in _load_accesses(work, actor, pupil.id)
        ],
        "acts": [{"at": e.at.isoformat(), "action": e.action} for e in repository.list_audit_events(pupil.town_id, pupil.id)],
        "purposes": dictionary.list_purposes(),
    }
    digest = sha256(json.dumps(export, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
    counts = {name: len(value) for name, value in export.items() if isinstance(value, list)}
    row = reports.write_report(work, actor, pupil.town_id, ReportKind.EXPORT, pupil.id, {"sections": counts, "sha256": digest})
    return {**export, "report_id": str(row.id)}


def erase_child(work: UnitOfWork, actor: Actor, pupil_id: UUID, reason: str) -> PrivacyReport:
    """Erase what is kept about one child now. The loan history and the audit trail stay, with the pupil's id only. The report
    states what was removed, and what stays until when. `reason` is kept in the audit trail, so it must not contain names.

    Raises `PupilRecordNotFound`, `LoanStillOpen`, `PupilAlreadyErased`, `ReauthenticationRequired`, `BudgetUsedUp`.
    """
    pupil = _get_pupil(work, actor, pupil_id)
    locks.lock_town(work, pupil.town_id)
    work.session.refresh(pupil)
    repository = PrivacyRepository(work.session)
    if pupil.state is PupilState.ERASED:
        raise PupilAlreadyErased
    if repository.has_open_loan(pupil.id):
        raise LoanStillOpen
    actor.require_reauthentication()
    budget.spend_budget(work, actor, pupil.town_id, IrreversibleAct.ERASE_PUPIL)
    removed = erase_identities(work, pupil.town_id, [pupil])
    row_counts = {
        column.table.name: len(repository.list_referencing_rows(column, pupil.id)) for column in list_referencing_columns(Pupil)
    }
    remaining = {
        name: {"rows": count, "rule": dictionary.get_retention_rule(name)} for name, count in row_counts.items() if count
    }
    content = {"reason": reason, "removed": removed, "remaining": remaining, "absent_since": _to_json_value(pupil.absent_since)}
    return reports.write_report(work, actor, pupil.town_id, ReportKind.ERASURE, pupil.id, content)


def list_accesses(work: UnitOfWork, actor: Actor, pupil_id: UUID) -> Sequence[RecordAccess]:
    """List the accesses to a child's record, newest first, also after the erasure. Raises `PupilRecordNotFound`."""
    pupil = _get_pupil(work, actor, pupil_id)
    audit.record_event(work, actor, "privacy.list_accesses", "pupil", pupil.id, town_id=pupil.town_id)
    return _load_accesses(work, actor, pupil.id)


def _load_accesses(work: UnitOfWork, actor: Actor, pupil_id: UUID) -> Sequence[RecordAccess]:
    return PeopleRepository(work.session).list_accesses(actor, pupil_id)


def _get_pupil(work: UnitOfWork, actor: Actor, pupil_id: UUID) -> Pupil:
    pupil = PrivacyRepository(work.session).get_pupil(actor, pupil_id)
    if pupil is None:
        raise PupilRecordNotFound
    actor.require_permission(Permission.PRIVACY, pupil.town_id)
    return pupil


def _describe_place(work: UnitOfWork, pupil: Pupil) -> Json:
    school_class = work.session.get(SchoolClass, pupil.class_id) if pupil.class_id else None
    town, school = work.session.get_one(Town, pupil.town_id), work.session.get_one(School, pupil.school_id)
    return {
        "town": town.name,
        "time_zone": places.get_school_zone(work, school).key,
        "school": school.name,
        "class": school_class.label if school_class else None,
        "school_year": school_class.school_year if school_class else None,
    }


def _list_referencing_rows(repository: PrivacyRepository, pupil_id: UUID) -> Json:
    """Return the rows of every table that references the pupil, by table; tables added later are included."""
    rows_by_table: Json = {}
    for column in list_referencing_columns(Pupil):
        name = column.table.name
        if name not in _EXPORTED_ELSEWHERE:
            rows_by_table[name] = [
                *rows_by_table.get(name, []),
                *(_keep_exported(name, row) for row in repository.list_referencing_rows(column, pupil_id)),
            ]
    return rows_by_table


def _list_losses(repository: PrivacyRepository, pupil_id: UUID) -> list[Json]:
    cases = repository.list_cases_during_loans(pupil_id)
    requests = repository.list_position_requests([case.id for case in cases])
    return [
        {
            **_keep_exported("lost_case", _to_mapping(case)),
            "positions": [
                _keep_exported("position_request", _to_mapping(request)) for request in requests if request.case_id == case.id
            ],
        }
        for case in cases
    ]


def _to_mapping(row: Any) -> Json:
    return {column.name: getattr(row, column.name) for column in row.__table__.columns}


def _keep_exported(table: str, row: Json) -> Json:
    """Return the exported fields of a row: those of other people, hashes and secrets are left out."""
    return {name: _to_json_value(value) for name, value in row.items() if dictionary.is_exported(table, name)}


def _to_json_value(value: object) -> object:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bytes):
        return None
    return str(value) if isinstance(value, UUID) else value
