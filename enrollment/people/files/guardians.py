"""A table of guardians: one line each with the children to the right, or one line per child (schools.md section 7.2).

Guardian files hold no identifier: two lines are of one person only when name and contact are the same. Two guardians who are
taken for one would see each other's children; one who is taken for two has only a second letter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from enrollment.people.files.cells import class_label_of, email_of, is_damaged_name, label_key, mobile_of
from enrollment.people.files.columns import Columns
from enrollment.people.files.rows import Child, GuardianRow


@dataclass(frozen=True, slots=True)
class _Line:
    row: GuardianRow
    sameness: frozenset[str]


def guardian_rows(
    lines: Sequence[tuple[int, Sequence[str]]], header_width: int, columns: Columns, *, keep_contacts: bool
) -> list[GuardianRow]:
    """Read the lines and bring together those of one person. Contacts are dropped here unless they are to be kept."""
    read = [_line(number, cells[:header_width], cells, columns, keep_contacts=keep_contacts) for number, cells in lines]
    people: dict[tuple[str, str], list[_Line]] = {}
    for line in read:
        key = (label_key(line.row.last_name), label_key(line.row.first_name))
        known = people.setdefault(key, [])
        twin = next((at for at, other in enumerate(known) if other.sameness & line.sameness), None)
        if twin is None:
            known.append(line)
        else:
            known[twin] = _together(known[twin], line)
    return sorted((line.row for same in people.values() for line in same), key=lambda row: row.line)


def _line(number: int, kept: Sequence[str], whole: Sequence[str], columns: Columns, *, keep_contacts: bool) -> _Line:
    cells = columns.cells(kept)
    last, first = cells.get("usage_name") or cells.get("last_name", ""), cells.get("first_name", "")
    children = tuple(_child(each) for each in columns.children(whole))
    email, mobile = email_of(cells.get("email", "")), mobile_of(cells.get("mobile", ""))
    problems, notes = [], []
    if not last:
        problems.append("no_last_name")
    if is_damaged_name(last) or is_damaged_name(first):
        problems.append("damaged_name")
    if not any(child.last_name or child.usage_name for child in children):
        problems.append("no_child")
    if keep_contacts:
        notes += [why for value, why in ((email, "bad_email"), (mobile, "bad_mobile")) if value is None]
    row = GuardianRow(
        line=number,
        last_name=last,
        first_name=first,
        email=email or "" if keep_contacts else "",
        mobile=mobile or "" if keep_contacts else "",
        children=children,
        school_uai=cells.get("school_uai", ""),
        problems=tuple(problems),
        notes=tuple(notes),
    )
    return _Line(row, frozenset(value for value in (email, mobile) if value))


def _child(cells: dict[str, str]) -> Child:
    return Child(
        last_name=cells.get("child_last_name", ""),
        first_name=cells.get("child_first_name", ""),
        usage_name=cells.get("child_usage_name", ""),
        class_label=class_label_of(cells.get("child_class", "")),
    )


def _together(first: _Line, second: _Line) -> _Line:
    children = dict.fromkeys((*first.row.children, *second.row.children))
    notes = dict.fromkeys((*first.row.notes, *second.row.notes))
    row = replace(
        first.row,
        email=first.row.email or second.row.email,
        mobile=first.row.mobile or second.row.mobile,
        children=tuple(children),
        notes=tuple(notes),
        problems=first.row.problems if first.row.problems == second.row.problems else (),
    )
    return _Line(row, first.sameness | second.sameness)
