"""Parses a table of guardians: one line each with the children to the right, or one line per child.

These files contain no identifier, so two lines are merged only when name and a contact are equal. Two guardians merged by mistake would
see each other's children; one guardian read as two only gets a second letter. See docs/domain/rosters.md#onde-guardians.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from enrollment.people.text import make_label_key
from enrollment.rosters.files.cells import has_doubtful_letters, is_damaged_name, parse_class_label, parse_email, parse_mobile
from enrollment.rosters.files.columns import ColumnLayout
from enrollment.rosters.files.rows import DOUBTFUL_LETTERS, ChildReference, GuardianRow


@dataclass(frozen=True, slots=True)
class _ParsedLine:
    row: GuardianRow
    contacts: frozenset[str]


def parse_guardians(
    lines: Sequence[tuple[int, Sequence[str]]], header_width: int, columns: ColumnLayout, *, keep_contacts: bool
) -> list[GuardianRow]:
    """Return one row for each person. Contacts are dropped unless `keep_contacts`."""
    parsed = [_parse_line(number, cells[:header_width], cells, columns, keep_contacts=keep_contacts) for number, cells in lines]
    lines_by_name: dict[tuple[str, str], list[_ParsedLine]] = {}
    for line in parsed:
        key = (make_label_key(line.row.last_name), make_label_key(line.row.first_name))
        namesakes = lines_by_name.setdefault(key, [])
        same_person = next((index for index, other in enumerate(namesakes) if other.contacts & line.contacts), None)
        if same_person is None:
            namesakes.append(line)
        else:
            namesakes[same_person] = _merge_lines(namesakes[same_person], line)
    return sorted((line.row for namesakes in lines_by_name.values() for line in namesakes), key=lambda row: row.line)


def _parse_line(
    number: int, own_cells: Sequence[str], all_cells: Sequence[str], columns: ColumnLayout, *, keep_contacts: bool
) -> _ParsedLine:
    cells = columns.read_cells(own_cells)
    last, first = cells.get("usage_name") or cells.get("last_name", ""), cells.get("first_name", "")
    children = tuple(_parse_child(child) for child in columns.read_children(all_cells))
    email, mobile = parse_email(cells.get("email", "")), parse_mobile(cells.get("mobile", ""))
    problems, notes = [], []
    if has_doubtful_letters(last) or has_doubtful_letters(first):
        notes.append(DOUBTFUL_LETTERS)
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
    return _ParsedLine(row, frozenset(value for value in (email, mobile) if value))


def _parse_child(cells: dict[str, str]) -> ChildReference:
    return ChildReference(
        last_name=cells.get("child_last_name", ""),
        first_name=cells.get("child_first_name", ""),
        usage_name=cells.get("child_usage_name", ""),
        class_label=parse_class_label(cells.get("child_class", "")),
    )


def _merge_lines(first: _ParsedLine, second: _ParsedLine) -> _ParsedLine:
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
    return _ParsedLine(row, first.contacts | second.contacts)
