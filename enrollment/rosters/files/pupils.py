"""Parses a line of a table of pupils: an ONDE extraction in any of its variants, or the product's own template.

See docs/domain/rosters.md#onde-pupils.
"""

from __future__ import annotations

from enrollment.rosters.files.cells import (
    has_doubtful_letters,
    is_damaged_name,
    parse_birth_date,
    parse_class_label,
    parse_grade,
    parse_ine,
    parse_labels,
    parse_yes_no,
)
from enrollment.rosters.files.rollover_decision import parse_rollover_decision
from enrollment.rosters.files.rows import DOUBTFUL_LETTERS, PupilRow


def parse_pupil(line: int, cells: dict[str, str]) -> PupilRow:
    """Return a line as a row. A pupil may have no first name; a line without a family name or a grade cannot be imported."""
    last, first = cells.get("last_name", ""), cells.get("first_name", "")
    problems, notes = [], []
    if not last:
        problems.append("no_last_name")
    if is_damaged_name(last) or is_damaged_name(first):
        problems.append("damaged_name")
    grade = parse_grade(cells.get("grade", ""))
    if grade is None:
        problems.append("unknown_grade")
    if any(has_doubtful_letters(name) for name in (last, first, cells.get("usage_name", ""))):
        notes.append(DOUBTFUL_LETTERS)
    if not first:
        notes.append("no_first_name")
    ine, birth = parse_ine(cells.get("ine", "")), parse_birth_date(cells.get("birth_date", ""))
    if ine is None:
        notes.append("bad_ine")
    if birth is None:
        notes.append("bad_birth_date")
    decision_text = cells.get("rollover_decision", "")
    decision = parse_rollover_decision(decision_text, grade) if grade else None
    if decision_text and grade and decision is None:
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
        rollover_decision=decision,
        problems=tuple(problems),
        notes=tuple(notes),
    )
