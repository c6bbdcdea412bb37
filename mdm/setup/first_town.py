"""Makes a town with its first schools, from a list or from a first roster, whose preview it stores. Never commits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from cartable.scope import Actor
from cartable.unit_of_work import UnitOfWork
from enrollment.places.errors import MistypedSchool
from enrollment.places.school_files import SchoolLine
from enrollment.places.schools import SchoolLineOutcome, SchoolLineReport, import_schools
from enrollment.rosters.first_schools import create_schools_of_roster
from enrollment.rosters.imports import previewing
from enrollment.rosters.imports.previewing import RosterFile
from mdm.accounts import operators


@dataclass(frozen=True, slots=True)
class FirstTown:
    """A town that was made: what became of each line of its list of schools, and the preview of its first roster if there was one."""

    town_id: UUID
    lines: list[SchoolLineReport]
    import_id: UUID | None


def create_first_town(
    work: UnitOfWork, actor: Actor, facts: dict[str, Any], school_lines: Sequence[SchoolLine], roster_file: RosterFile | None
) -> FirstTown:
    """Create a town of one's own with its first schools; a roster is previewed, and nothing of it is written to people.

    A roster without school codes is of the one school that the list names. Raises what `operators.create_own_town`, `import_schools` and
    `previewing.store_preview` raise, and `MistypedSchool` when the school beside the roster has a wrong code; the caller's transaction then leaves nothing behind.
    """
    town = operators.create_own_town(work, actor, **facts)
    administrator = operators.add_administrator_role(actor, town.id)
    lines = import_schools(work, administrator, town.id, school_lines)
    if roster_file is None:
        return FirstTown(town.id, lines, None)
    named = create_schools_of_roster(work, administrator, town.id, roster_file.roster)
    listed = [line.uai for line in lines if line.outcome is SchoolLineOutcome.CREATED]
    only_school = listed[0] if len(listed) == 1 and not named else None
    if not named and (mistyped := [line.uai for line in lines if line.outcome is SchoolLineOutcome.INVALID_UAI]):
        raise MistypedSchool(mistyped[0])
    preview = previewing.store_preview(work, administrator, town.id, roster_file, only_school)
    return FirstTown(town.id, lines, preview.id)
