"""Writes the product's own template, filled in. Importing the file again changes nothing. It contains no birth date and no address.

See docs/domain/rosters.md#own-template.
"""

from __future__ import annotations

from enrollment.rosters.exports.snapshot import RosterSnapshot

PUPIL_HEADER = ("school_uai", "class", "level", "last_name", "first_name", "take_home", "inventory_tag")
STAFF_HEADER = ("school_uai", "last_name", "first_name", "email", "class", "kind")


def build_pupil_rows(snapshot: RosterSnapshot) -> list[list[str]]:
    """Return the header and one line for each pupil."""
    rows = [list(PUPIL_HEADER)]
    for each in snapshot.pupils:
        take_home = "oui" if each.take_home else "non"
        label, tag = snapshot.get_class_label(each.class_id), snapshot.tags_by_pupil.get(each.id, "")
        rows.append(
            [snapshot.uai_by_school[each.school_id], label, each.grade.value, each.last_name, each.first_name, take_home, tag]
        )
    return rows


def build_staff_rows(snapshot: RosterSnapshot) -> list[list[str]]:
    """Return the header and one line for each assignment of an adult."""
    rows = [list(STAFF_HEADER)]
    for each in snapshot.assignments:
        adult = snapshot.staff_by_id[each.staff_id]
        label = snapshot.get_class_label(each.class_id)
        rows.append(
            [snapshot.uai_by_school[each.school_id], adult.last_name, adult.first_name, adult.email or "", label, each.kind.value]
        )
    return rows
