"""A table of pupils: an ONDE extraction in any of its variants, or the own template (schools.md sections 7.1 and 7.10)."""

from __future__ import annotations

from enrollment.people.files.cells import birth_of, class_label_of, ine_of, is_damaged_name, level_of, listed, yes_no
from enrollment.people.files.passage import passage_of
from enrollment.people.files.rows import RosterRow


def pupil_row(line: int, cells: dict[str, str]) -> RosterRow:
    """One line. A pupil may have no first name; without a family name or a level there is nobody to lend a tablet to."""
    last, first = cells.get("last_name", ""), cells.get("first_name", "")
    problems, notes = [], []
    if not last:
        problems.append("no_last_name")
    if is_damaged_name(last) or is_damaged_name(first):
        problems.append("damaged_name")
    level = level_of(cells.get("level", ""))
    if level is None:
        problems.append("unknown_level")
    if not first:
        notes.append("no_first_name")
    ine, birth = ine_of(cells.get("ine", "")), birth_of(cells.get("birth_date", ""))
    if ine is None:
        notes.append("bad_ine")
    if birth is None:
        notes.append("bad_birth_date")
    decision = cells.get("passage", "")
    passage = passage_of(decision, level) if level else None
    if decision and level and passage is None:
        notes.append("passage_unknown")
    return RosterRow(
        line=line,
        last_name=last,
        first_name=first,
        usage_name=cells.get("usage_name"),
        level=level,
        class_label=class_label_of(cells.get("class_label", "")),
        onde_class_id=cells.get("onde_class_id", "")[:32],
        birth_date=birth or "",
        ine=ine or "",
        school_uai=cells.get("school_uai", ""),
        take_home=yes_no(cells.get("take_home", "")),
        inventory_tag=cells.get("inventory_tag", ""),
        groups=listed(cells.get("groups")),
        units=listed(cells.get("units")),
        passage=passage,
        problems=tuple(problems),
        notes=tuple(notes),
    )
