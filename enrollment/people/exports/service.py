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
from enrollment.people.errors import ExportRefused
from enrollment.people.exports import apple, oneroster, own
from enrollment.people.exports.archives import zipped
from enrollment.people.exports.repository import ExportRepository
from enrollment.people.exports.snapshot import Reason, Snapshot
from enrollment.people.files.archive import unpack
from enrollment.people.files.tables import csv_table
from enrollment.people.models import AccessKind, RosterExport
from enrollment.places.repository import PlaceRepository
from enrollment.places.rules import school_year_of
from enrollment.rollover.incoming_year import turn_of
from enrollment.rollover.repository import YearRepository
from enrollment.rollover.service import today


class OwnPart(StrEnum):
    """Of whom a filled-in template speaks."""

    PUPILS = "pupils"
    STAFF = "staff"


class SheetForm(StrEnum):
    """Forms of a table."""

    CSV = "csv"
    XLSX = "xlsx"


def export_own(
    work: UnitOfWork,
    actor: Actor,
    town_id: UUID,
    school_id: UUID | None,
    part: OwnPart = OwnPart.PUPILS,
    form: SheetForm = SheetForm.CSV,
) -> bytes:
    """The own template of a town or one school. Raises `Forbidden`, `NotFound`."""
    found = _snapshot(work, actor, town_id, school_id, absent=False)
    rows = own.pupils(found) if part is OwnPart.PUPILS else own.staff(found)
    content = own.as_csv(rows) if form is SheetForm.CSV else build_workbook(rows)
    return _handed_out(work, actor, town_id, f"own_{part.value}", content, found, school_id)


def export_oneroster(work: UnitOfWork, actor: Actor, town_id: UUID) -> bytes:
    """A bulk OneRoster 1.2 set of the town, zipped. Raises `ExportRefused`."""
    found = _snapshot(work, actor, town_id, None, absent=False)
    told = [reason for reason in found.faults() if reason.code != "school_without_pupils"]
    if told:
        raise ExportRefused(reasons=[reason.to_json() for reason in told])
    return _handed_out(work, actor, town_id, "oneroster", zipped(oneroster.files(found)), found)


def check_apple(work: UnitOfWork, actor: Actor, town_id: UUID, template: bytes | None = None) -> list[Reason]:
    """Why the set for Apple School Manager could not be handed out now; empty when it could."""
    found = _snapshot(work, actor, town_id, None, absent=True)
    return _reasons(work, found, _template(found, template))


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
    found = _snapshot(work, actor, town_id, None, absent=True)
    columns = _template(found, template)
    told = [
        reason for reason in _reasons(work, found, columns) if reason.code not in accepted or reason.code not in apple.ACCEPTABLE
    ]
    if told:
        raise ExportRefused(reasons=[reason.to_json() for reason in told])
    content = zipped(apple.files(found, policy, columns))
    return _handed_out(work, actor, town_id, "apple", content, found, accepted=sorted(set(accepted) & apple.ACCEPTABLE))


def _snapshot(work: UnitOfWork, actor: Actor, town_id: UUID, school_id: UUID | None, *, absent: bool) -> Snapshot:
    if school_id is not None:
        school = PlaceRepository(work.session).school(actor, school_id)
        if school is None or school.town_id != town_id:
            raise NotFound
    actor.require_permission(Permission.LEAD, town_id, school_id)
    return ExportRepository(work.session).snapshot(town_id, school_id, today(work, town_id), absent=absent)


def _reasons(work: UnitOfWork, found: Snapshot, template: apple.Template) -> list[Reason]:
    last = ExportRepository(work.session).last(found.town.id, "apple")
    same_year = last is not None and school_year_of(last.made_at.date()) == found.year
    before = list(last.class_ids) if last is not None and same_year else []
    frozen = turn_of(work, found.town.id).frozen
    return apple.reasons(found, before, template, frozen=frozen, unconfirmed=_unconfirmed(work, found))


def _unconfirmed(work: UnitOfWork, found: Snapshot) -> set[UUID]:
    """The schools with pupils that have not confirmed the lists of this year. Only where its passage is still open."""
    repository = YearRepository(work.session)
    passage = repository.open_into(found.town.id, found.year)
    if passage is None:
        return set()
    said = {school_id for school_id, row in repository.schools(passage.id).items() if row.listed_at is not None}
    return {pupil.school_id for pupil in found.pupils} - said


def _template(found: Snapshot, template: bytes | None) -> apple.Template:
    """The columns of the files in Apple's own template, read by name."""
    if template is None:
        return apple.default_template(found)
    entries = unpack(template, lambda name: name.rpartition("/")[2].removesuffix(".csv") in apple.HEADERS)
    headers = {name.rpartition("/")[2].removesuffix(".csv"): csv_table(content) for name, content in entries.items()}
    return {name: table[0] if table else [] for name, table in headers.items()}


def _handed_out(
    work: UnitOfWork,
    actor: Actor,
    town_id: UUID,
    form: str,
    content: bytes,
    found: Snapshot,
    school_id: UUID | None = None,
    **more: object,
) -> bytes:
    counts = {
        "schools": len(found.schools),
        "classes": len(found.classes),
        "pupils": len(found.pupils),
        "staff": len(found.staff),
    }
    row = RosterExport(
        town_id=town_id,
        format=form,
        file_sha256=sha256(content).hexdigest(),
        class_ids=sorted(str(each) for each in found.of_year),
        counts=counts,
        made_by=actor.account_id,
        made_at=work.now,
    )
    work.session.add(row)
    work.session.flush()
    access.note(work, actor, found.pupils, AccessKind.ROSTER)
    where = {"school_id": str(school_id)} if school_id else {}
    audit.record_event(
        work, actor, "roster.export", "roster_export", row.id, town_id=town_id, format=form, **counts, **where, **more
    )
    return content
