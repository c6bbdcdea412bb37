"""Previews of roster imports: read a file and store the plan of what it would change. Confirming it is in `service`. Never commits."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from uuid import UUID

from cartable import audit
from cartable.errors import Invalid
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.places.rules import get_first_day_of_year, get_next_school_year, get_school_year
from enrollment.places.service import get_town_date, get_town_zone
from enrollment.rollover import incoming_year
from enrollment.rosters.errors import (
    SchoolRequired,
)
from enrollment.rosters.files.columns import FileKind
from enrollment.rosters.files.rows import DOUBTFUL_LETTERS, Roster
from enrollment.rosters.files.validity import ReferenceDay
from enrollment.rosters.imports import mapping
from enrollment.rosters.imports.changes import ChangeKind, Subject
from enrollment.rosters.imports.planning import ImportPlan, build_plan
from enrollment.rosters.models import ImportState, RosterImport, RosterImportSchool
from enrollment.rosters.reading import OverridesByKind, read_roster


def preview_import(
    work: UnitOfWork,
    actor: Actor,
    town_id: UUID,
    content: bytes,
    school_uai: str | None = None,
    *,
    kind: FileKind | None = None,
    keep_contacts: bool = False,
    only_classes: bool = False,
    year: str | None = None,
) -> RosterImport:
    """Read a roster file and store the plan of what it would change.

    `school_uai`: required from an actor who does not administer the whole town. `keep_contacts`: keep guardians' e-mail and mobile, which
    the guardians' portal needs. `only_classes`: the file covers some classes only, so pupils of other classes have not left. `year`: the
    school year of the file; by default the present one, during the summer freeze the incoming one.

    Raises `Forbidden`, `UnreadableRoster`, `SchoolRequired`, `NotFound` for a school of another town, `Invalid` for another year.

    It reads the file inside the unit of work. While tablets are served, callers take the three steps themselves, and read outside.
    """
    options = prepare_reading(work, actor, town_id, school_uai, kind=kind, keep_contacts=keep_contacts, year=year)
    file = read_file(content, options)
    return store_preview(work, actor, town_id, file, school_uai, only_classes=only_classes)


@dataclass(frozen=True, slots=True)
class ReadingOptions:
    """How a roster file is to be read: what the database says about it."""

    year: str
    reference: ReferenceDay
    kind: FileKind | None
    overrides: OverridesByKind
    keep_contacts: bool


@dataclass(frozen=True, slots=True)
class RosterFile:
    """A roster file that was read, for a school year. Its bytes are not kept."""

    year: str
    roster: Roster
    sha256: str


def prepare_reading(
    work: UnitOfWork,
    actor: Actor,
    town_id: UUID,
    school_uai: str | None,
    *,
    kind: FileKind | None = None,
    keep_contacts: bool = False,
    year: str | None = None,
) -> ReadingOptions:
    """Return how a roster file of the town is to be read; parameters as for `preview_import`. Raises `Forbidden`, `Invalid`."""
    mapping.require_roster_permission(actor, town_id)
    resolved_year = _resolve_year(work, town_id, year)
    reference = _get_reference_day(work, town_id, resolved_year)
    return ReadingOptions(resolved_year, reference, kind, mapping.load_overrides(work, town_id, school_uai), keep_contacts)


def read_file(content: bytes, options: ReadingOptions) -> RosterFile:
    """Read a roster file; it needs no database. Raises `UnreadableRoster`."""
    roster = read_roster(
        content, reference=options.reference, kind=options.kind, overrides=options.overrides, keep_contacts=options.keep_contacts
    )
    return RosterFile(options.year, roster, sha256(content).hexdigest())


def store_preview(
    work: UnitOfWork, actor: Actor, town_id: UUID, file: RosterFile, school_uai: str | None, *, only_classes: bool = False
) -> RosterImport:
    """Store the plan of what a file would change. Raises what `preview_import` raises."""
    mapping.require_roster_permission(actor, town_id)
    roster, year = file.roster, file.year
    if incoming_year.is_future_year(work, town_id, year):
        incoming_year.prepare_rollover(work, actor, town_id, year)
    plan = build_plan(work, town_id, roster, school_uai, only_classes=only_classes, year=year)
    for school_id in plan.schools:
        actor.require_permission(Permission.ROSTER, town_id, school_id)
    if len(plan.schools) > 1 and not actor.has_permission(Permission.AUTHOR, town_id):
        raise SchoolRequired(field="school_uai")
    row = RosterImport(
        town_id=town_id,
        school_id=plan.schools[0] if len(plan.schools) == 1 else None,
        format=roster.format,
        state=ImportState.PREVIEWED,
        file_sha256=file.sha256,
        counts=_count_changes(plan, roster),
        warnings=_list_warnings(roster),
        needs_second_person=plan.needs_second_person,
        plan=_dump_plan(plan),
        uploaded_by=actor.account_id,
        uploader_trusted_from=actor.trusted_from,
        uploaded_at=work.now,
    )
    work.session.add(row)
    work.session.flush()
    work.session.add_all(RosterImportSchool(town_id=town_id, import_id=row.id, school_id=each) for each in plan.schools)
    work.session.flush()
    audit.record_event(work, actor, "roster.preview", "roster_import", row.id, town_id=town_id, lines=len(plan.changes))
    return row


def _dump_plan(plan: ImportPlan) -> str:
    return json.dumps(
        {
            "year": plan.year,
            "roster_revision": plan.roster_revision,
            "changes": [change.to_json() for change in plan.changes],
        },
        ensure_ascii=False,
    )


def _resolve_year(work: UnitOfWork, town_id: UUID, requested_year: str | None) -> str:
    """Return the year of a roster, the present or the following one. Raises `Invalid`."""
    year = requested_year or incoming_year.get_summer_freeze(work, town_id).roster_year
    present = get_school_year(get_town_date(work, town_id))
    if year not in (present, get_next_school_year(present)):
        raise Invalid(field="year")
    return year


def _get_reference_day(work: UnitOfWork, town_id: UUID, year: str) -> ReferenceDay:
    """Return today in the town, or the first day of a school year that has not begun."""
    today, first_day = get_town_date(work, town_id), get_first_day_of_year(year)
    return ReferenceDay(max(today, first_day), get_town_zone(work, town_id))


def _count_changes(plan: ImportPlan, roster: Roster) -> dict[str, Any]:
    """Count the changes by kind, in total and for each kind of person. `frozen`: nobody will be removed."""
    counts = {subject: Counter(c.kind.value for c in plan.changes if c.subject is subject) for subject in Subject}
    total: Counter[str] = sum(counts.values(), Counter())
    return {
        **{kind.value: total[kind.value] for kind in ChangeKind},
        "by_subject": {
            subject.value: {kind.value: count[kind.value] for kind in ChangeKind} for subject, count in counts.items() if count
        },
        "year": plan.year,
        "frozen": plan.removals_frozen,
        "skipped": roster.skipped,
        "ignored": roster.ignored,
    }


def _list_warnings(roster: Roster) -> list[dict[str, Any]]:
    """Return what a person should know of the file as a whole before confirming."""
    warnings: list[dict[str, Any]] = []
    if roster.guessed_encoding is not None:
        warnings.append({"code": "encoding_guessed", "encoding": roster.guessed_encoding.value})
    if doubtful := roster.count_doubtful_names():
        warnings.append({"code": DOUBTFUL_LETTERS, "count": doubtful})
    warnings += [{"code": "unknown_role", "role": role, "count": count} for role, count in sorted(roster.unknown_roles.items())]
    return warnings
