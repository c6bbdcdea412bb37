"""Creates the schools whose codes a roster names, for a town that has none yet. The roster is planned and written in `imports`.

See docs/domain/schools.md#lists-of-schools. Never commits.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from cartable.scope import Actor
from cartable.unit_of_work import UnitOfWork
from enrollment.places.rules import check_uai
from enrollment.places.school_files import SchoolLine
from enrollment.places.schools import SchoolLineReport, import_schools
from enrollment.rosters.files.rows import GuardianRow, PupilRow, Roster, StaffRow


def create_schools_of_roster(work: UnitOfWork, actor: Actor, town_id: UUID, roster: Roster) -> list[SchoolLineReport]:
    """Create the schools that a roster names and that do not exist yet. A roster knows codes alone, so a code is the first name.

    A code that is not valid, or is another town's, makes no school: the preview of the roster shows its lines as of an unknown school.
    Raises `Forbidden`, `TooManySchools`.
    """
    return import_schools(work, actor, town_id, list_schools_of_roster(roster))


def list_schools_of_roster(roster: Roster) -> Sequence[SchoolLine]:
    """Return each valid school code of a roster once, with the line that names it first."""
    line_by_uai: dict[str, int] = {}
    rows: list[PupilRow | GuardianRow | StaffRow] = [*roster.rows, *roster.guardians, *roster.staff]
    for row in rows:
        code, fault = check_uai(row.school_uai)
        if fault is None:
            line_by_uai.setdefault(code, row.line)
    return [SchoolLine(line, code, "") for code, line in line_by_uai.items()]
