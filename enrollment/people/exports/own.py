"""The own template, filled in (schools.md section 7.10): read again it changes nothing. No birth date, no address."""

from __future__ import annotations

import csv
import io

from cartable.spreadsheets import escape_formula
from enrollment.people.exports.snapshot import Snapshot

PUPILS = ("school_uai", "class", "level", "last_name", "first_name", "take_home", "inventory_tag")
STAFF = ("school_uai", "last_name", "first_name", "email", "class", "kind")


def pupils(found: Snapshot) -> list[list[str]]:
    """The pupils, one line each, behind the header."""
    rows = [list(PUPILS)]
    for each in found.pupils:
        take_home = "oui" if each.take_home else "non"
        label, tag = found.label_of(each.class_id), found.tags.get(each.id, "")
        rows.append([found.uai[each.school_id], label, each.level.value, each.last_name, each.first_name, take_home, tag])
    return rows


def staff(found: Snapshot) -> list[list[str]]:
    """The adults, one line for each class, behind the header."""
    rows = [list(STAFF)]
    for each in found.assignments:
        adult = found.staff[each.staff_id]
        label = found.label_of(each.class_id)
        rows.append([found.uai[each.school_id], adult.last_name, adult.first_name, adult.email or "", label, each.kind.value])
    return rows


def as_csv(rows: list[list[str]]) -> bytes:
    """For a spreadsheet, and for reading again: UTF-8 with BOM, `;`; cells that would run begin with an apostrophe."""
    out = io.StringIO()
    csv.writer(out, delimiter=";").writerows([escape_formula(cell) for cell in row] for row in rows)
    return out.getvalue().encode("utf-8-sig")
