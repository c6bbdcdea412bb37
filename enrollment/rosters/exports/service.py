"""Roster exports. An export is complete or refused; it is audited and recorded with its classes. Never commits."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from hashlib import sha256
from uuid import UUID

from cartable import audit
from cartable.errors import NotFound
from cartable.scope import Actor, Permission
from cartable.spreadsheets import build_csv, build_workbook
from cartable.unit_of_work import UnitOfWork
from enrollment.people import access
from enrollment.people.models import AccessKind
from enrollment.places.repository import PlaceRepository
from enrollment.places.rules import get_school_year
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
    """Whom a filled-in template lists."""

    PUPILS = "pupils"
    STAFF = "staff"


class SheetFormat(StrEnum):
    """File formats of a table."""

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
    """Return the product's own template, filled in for a town or one school. Raises `Forbidden`, `NotFound`."""
    snapshot = _load_snapshot(work, actor, town_id, school_id, include_absent=False)
    rows = own.build_pupil_rows(snapshot) if part is TemplatePart.PUPILS else own.build_staff_rows(snapshot)
    content = build_csv(rows) if sheet_format is SheetFormat.CSV else build_workbook(rows)
    return _record_export(work, actor, town_id, f"own_{part.value}", content, snapshot, school_id)


def export_oneroster(work: UnitOfWork, actor: Actor, town_id: UUID) -> bytes:
    """Return a zipped bulk set of OneRoster 1.2 files of a town. Raises `Forbidden`, `ExportRefused`."""
    snapshot = _load_snapshot(work, actor, town_id, None, include_absent=False)
    blockers = [blocker for blocker in snapshot.find_blockers() if blocker.code != "school_without_pupils"]
    if blockers:
        raise ExportRefused(reasons=[blocker.to_json() for blocker in blockers])
    return _record_export(work, actor, town_id, "oneroster", write_zip(oneroster.build_files(snapshot)), snapshot)


def check_apple_export(work: UnitOfWork, actor: Actor, town_id: UUID) -> list[ExportBlocker]:
    """Return what blocks an export to Apple School Manager now; empty when nothing does. Raises `Forbidden`."""
    snapshot = _load_snapshot(work, actor, town_id, None, include_absent=True)
    return _find_apple_blockers(work, snapshot, apple.build_default_template(snapshot))


def export_apple(
    work: UnitOfWork,
    actor: Actor,
    town_id: UUID,
    policy: apple.PasswordPolicy = apple.PasswordPolicy.DEFAULT,
    *,
    accepted: Collection[str] = (),
    template: apple.Template | None = None,
) -> bytes:
    """Return the zipped files for Apple School Manager. `accepted`: the codes of blockers that the person has checked. `template`: what
    `read_template` has read. Raises `Forbidden`, `ExportRefused`.
    """
    snapshot = _load_snapshot(work, actor, town_id, None, include_absent=True)
    columns = template if template is not None else apple.build_default_template(snapshot)
    accepted_codes = set(accepted) & apple.ACCEPTABLE
    blockers = [blocker for blocker in _find_apple_blockers(work, snapshot, columns) if blocker.code not in accepted_codes]
    if blockers:
        raise ExportRefused(reasons=[blocker.to_json() for blocker in blockers])
    content = write_zip(apple.build_files(snapshot, policy, columns))
    return _record_export(work, actor, town_id, "apple", content, snapshot, accepted=sorted(accepted_codes))


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
    is_of_this_year = last is not None and get_school_year(last.exported_at.date()) == snapshot.year
    previous_class_ids = list(last.class_ids) if last is not None and is_of_this_year else []
    return apple.find_blockers(
        snapshot,
        previous_class_ids,
        template,
        frozen=get_summer_freeze(work, snapshot.town.id).is_active,
        unconfirmed_schools=_find_unconfirmed_schools(work, snapshot),
    )


def _find_unconfirmed_schools(work: UnitOfWork, snapshot: RosterSnapshot) -> set[UUID]:
    """Return the schools with pupils whose head has not confirmed this year's class lists; empty once the rollover is closed."""
    repository = RolloverRepository(work.session)
    rollover = repository.find_open_into(snapshot.town.id, snapshot.year)
    if rollover is None:
        return set()
    progress = repository.get_school_progress(rollover.id)
    confirmed = {school_id for school_id, row in progress.items() if row.lists_confirmed_at is not None}
    return {pupil.school_id for pupil in snapshot.pupils} - confirmed


def read_template(template: bytes) -> apple.Template:
    """Return the columns of a zip of Apple's own files by file name; it needs no database. Raises `UnreadableRoster`."""
    entries = unpack_zip(template, lambda name: name.rpartition("/")[2].removesuffix(".csv") in apple.HEADERS)
    headers = {name.rpartition("/")[2].removesuffix(".csv"): read_csv(content).lines for name, content in entries.items()}
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
        class_ids=sorted(str(class_id) for class_id in snapshot.classes_by_id),
        counts=counts,
        exported_by=actor.account_id,
        exported_at=work.now,
    )
    work.session.add(row)
    work.session.flush()
    access.record_access(work, actor, snapshot.pupils, AccessKind.ROSTER)
    school = {"school_id": str(school_id)} if school_id else {}
    audit.record_event(
        work,
        actor,
        "roster.export",
        "roster_export",
        row.id,
        town_id=town_id,
        format=export_format,
        **counts,
        **school,
        **details,
    )
    return content
