"""Verbs of roster exports: each is whole or refused, audited, and remembered by its classes. Never commits."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from hashlib import sha256
from uuid import UUID

from cartable import audit
from cartable.errors import NotFound
from cartable.scope import Actor, Permission
from cartable.spreadsheets import build_workbook
from cartable.unit_of_work import UnitOfWork
from enrollment.people import access
from enrollment.people.models import AccessKind
from enrollment.places.repository import PlaceRepository
from enrollment.places.rules import school_year_of
from enrollment.places.service import get_town_date
from enrollment.rollover.incoming_year import get_summer_freeze
from enrollment.rollover.repository import RolloverRepository
from enrollment.rosters.errors import ExportRefused
from enrollment.rosters.exports import apple, oneroster, own
from enrollment.rosters.exports.archives import write_zip
from enrollment.rosters.exports.repository import ExportRepository
from enrollment.rosters.exports.snapshot import ExportBlocker, RosterSnapshot
from enrollment.rosters.files.archive import unpack_zip
from enrollment.rosters.files.tables import read_csv
from enrollment.rosters.models import RosterExport


class TemplatePart(StrEnum):
    """Of whom a filled-in template speaks."""

    PUPILS = "pupils"
    STAFF = "staff"


class SheetFormat(StrEnum):
    """Forms of a table."""

    CSV = "csv"
    XLSX = "xlsx"


def export_own_template(
    work: UnitOfWork,
    actor: Actor,
    town_id: UUID,
    school_id: UUID | None,
    part: TemplatePart = TemplatePart.PUPILS,
    sheet_format: SheetFormat = SheetFormat.CSV,
) -> bytes:
    """The own template of a town or one school. Raises `Forbidden`, `NotFound`."""
    found = _load_snapshot(work, actor, town_id, school_id, include_absent=False)
    rows = own.build_pupil_rows(found) if part is TemplatePart.PUPILS else own.build_staff_rows(found)
    content = own.write_csv(rows) if sheet_format is SheetFormat.CSV else build_workbook(rows)
    return _record_export(work, actor, town_id, f"own_{part.value}", content, found, school_id)


def export_oneroster(work: UnitOfWork, actor: Actor, town_id: UUID) -> bytes:
    """A bulk OneRoster 1.2 set of the town, zipped. Raises `ExportRefused`."""
    found = _load_snapshot(work, actor, town_id, None, include_absent=False)
    told = [reason for reason in found.find_blockers() if reason.code != "school_without_pupils"]
    if told:
        raise ExportRefused(reasons=[reason.to_json() for reason in told])
    return _record_export(work, actor, town_id, "oneroster", write_zip(oneroster.build_files(found)), found)


def check_apple_export(work: UnitOfWork, actor: Actor, town_id: UUID, template: bytes | None = None) -> list[ExportBlocker]:
    """Why the set for Apple School Manager could not be handed out now; empty when it could."""
    found = _load_snapshot(work, actor, town_id, None, include_absent=True)
    return _find_apple_blockers(work, found, _read_template(found, template))


def export_apple(
    work: UnitOfWork,
    actor: Actor,
    town_id: UUID,
    policy: apple.PasswordPolicy = apple.PasswordPolicy.DEFAULT,
    *,
    accepted: Collection[str] = (),
    template: bytes | None = None,
) -> bytes:
    """The whole set for Apple School Manager, zipped; `accepted` are the reasons that the person has looked at, `template` is
    the zip of Apple's own files, whose columns are followed. Raises `ExportRefused`.
    """
    found = _load_snapshot(work, actor, town_id, None, include_absent=True)
    columns = _read_template(found, template)
    told = [
        reason
        for reason in _find_apple_blockers(work, found, columns)
        if reason.code not in accepted or reason.code not in apple.ACCEPTABLE
    ]
    if told:
        raise ExportRefused(reasons=[reason.to_json() for reason in told])
    content = write_zip(apple.build_files(found, policy, columns))
    return _record_export(work, actor, town_id, "apple", content, found, accepted=sorted(set(accepted) & apple.ACCEPTABLE))


def _load_snapshot(
    work: UnitOfWork, actor: Actor, town_id: UUID, school_id: UUID | None, *, include_absent: bool
) -> RosterSnapshot:
    if school_id is not None:
        school = PlaceRepository(work.session).find_school(actor, school_id)
        if school is None or school.town_id != town_id:
            raise NotFound
    actor.require_permission(Permission.LEAD, town_id, school_id)
    return ExportRepository(work.session).load_snapshot(
        town_id, school_id, get_town_date(work, town_id), include_absent=include_absent
    )


def _find_apple_blockers(work: UnitOfWork, snapshot: RosterSnapshot, template: apple.Template) -> list[ExportBlocker]:
    last = ExportRepository(work.session).find_last_export(snapshot.town.id, "apple")
    same_year = last is not None and school_year_of(last.exported_at.date()) == snapshot.year
    before = list(last.class_ids) if last is not None and same_year else []
    frozen = get_summer_freeze(work, snapshot.town.id).is_active
    return apple.find_blockers(
        snapshot, before, template, frozen=frozen, unconfirmed_schools=_find_unconfirmed_schools(work, snapshot)
    )


def _find_unconfirmed_schools(work: UnitOfWork, snapshot: RosterSnapshot) -> set[UUID]:
    """The schools with pupils that have not confirmed the lists of this year. Only where its passage is still open."""
    repository = RolloverRepository(work.session)
    passage = repository.find_open_into(snapshot.town.id, snapshot.year)
    if passage is None:
        return set()
    said = {
        school_id for school_id, row in repository.get_school_progress(passage.id).items() if row.lists_confirmed_at is not None
    }
    return {pupil.school_id for pupil in snapshot.pupils} - said


def _read_template(snapshot: RosterSnapshot, template: bytes | None) -> apple.Template:
    """The columns of the files in Apple's own template, read by name."""
    if template is None:
        return apple.build_default_template(snapshot)
    entries = unpack_zip(template, lambda name: name.rpartition("/")[2].removesuffix(".csv") in apple.HEADERS)
    headers = {name.rpartition("/")[2].removesuffix(".csv"): read_csv(content) for name, content in entries.items()}
    return {name: table[0] if table else [] for name, table in headers.items()}


def _record_export(
    work: UnitOfWork,
    actor: Actor,
    town_id: UUID,
    export_format: str,
    content: bytes,
    snapshot: RosterSnapshot,
    school_id: UUID | None = None,
    **details: object,
) -> bytes:
    counts = {
        "schools": len(snapshot.schools),
        "classes": len(snapshot.classes),
        "pupils": len(snapshot.pupils),
        "staff": len(snapshot.staff_by_id),
    }
    row = RosterExport(
        town_id=town_id,
        format=export_format,
        file_sha256=sha256(content).hexdigest(),
        class_ids=sorted(str(each) for each in snapshot.classes_by_id),
        counts=counts,
        exported_by=actor.account_id,
        exported_at=work.now,
    )
    work.session.add(row)
    work.session.flush()
    access.record_access(work, actor, snapshot.pupils, AccessKind.ROSTER)
    where = {"school_id": str(school_id)} if school_id else {}
    audit.record_event(
        work, actor, "roster.export", "roster_export", row.id, town_id=town_id, format=export_format, **counts, **where, **details
    )
    return content
