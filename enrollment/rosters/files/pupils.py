"""A table of pupils: an ONDE extraction in any of its variants, or the own template (schools.md sections 7.1 and 7.10)."""

from __future__ import annotations

from enrollment.rosters.files.cells import (
    is_damaged_name,
    parse_birth_date,
    parse_class_label,
    parse_grade,
    parse_ine,
    parse_labels,
    parse_yes_no,
)
from enrollment.rosters.files.rollover_decision import parse_rollover_decision
from enrollment.rosters.files.rows import PupilRow


def parse_pupil(line: int, cells: dict[str, str]) -> PupilRow:
    """One line. A pupil may have no first name; without a family name or a grade there is nobody to lend a tablet to."""
    last, first = cells.get("last_name", ""), cells.get("first_name", "")
    problems, notes = [], []
    if not last:
        problems.append("no_last_name")
    if is_damaged_name(last) or is_damaged_name(first):
        problems.append("damaged_name")
    grade = parse_grade(cells.get("grade", ""))
    if grade is None:
        problems.append("unknown_grade")
    if not first:
        notes.append("no_first_name")
    ine, birth = parse_ine(cells.get("ine", "")), parse_birth_date(cells.get("birth_date", ""))
    if ine is None:
        notes.append("bad_ine")
    if birth is None:
        notes.append("bad_birth_date")
    decision = cells.get("rollover_decision", "")
    passage = parse_rollover_decision(decision, grade) if grade else None
    if decision and grade and passage is None:
        notes.append("rollover_decision_unknown")
    return PupilRow(
        line=line,
        last_name=last,
        first_name=first,
        usage_name=cells.get("usage_name"),
        grade=grade,
        class_label=parse_class_label(cells.get("class_label", "")),
        onde_class_id=cells.get("onde_class_id", "")[:32],
        birth_date=birth or "",
        ine=ine or "",
        school_uai=cells.get("school_uai", ""),
        take_home=parse_yes_no(cells.get("take_home", "")),
        inventory_tag=cells.get("inventory_tag", ""),
        groups=parse_labels(cells.get("groups")),
        units=parse_labels(cells.get("units")),
        rollover_decision=passage,
        problems=tuple(problems),
        notes=tuple(notes),
    )
