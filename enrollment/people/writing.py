"""Carrying a confirmed plan out, in sets. What is written was decided at the preview; nothing is matched here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from enrollment.people.matching import WRITTEN, Diff
from enrollment.people.models import PupilState
from enrollment.people.reading import label_key
from enrollment.people.repository import PeopleRepository
from enrollment.places.models import Level, SchoolClass
from mdm.kit.ids import new_id
from mdm.kit.work import Work

#: Changes after which the pupil's tablet may have to be something else.
_DECIDES = {Diff.NEW.value, Diff.MOVED_CLASS.value, Diff.CHANGED_LEVEL.value}


def write_plan(work: Work, town_id: UUID, year: str, changes: Sequence[dict[str, Any]]) -> list[UUID]:
    """Write classes and pupils. Returns the pupils whose class or level is another one now."""
    repository = PeopleRepository(work.session)
    written = [change for change in changes if change["kind"] in {kind.value for kind in WRITTEN}]
    classes = _classes(work, repository, town_id, year, written)
    fresh, known, touched = [], [], []
    for change in written:
        values = _values(town_id, change, classes)
        if change["kind"] == Diff.NEW.value:
            fresh.append({"id": new_id(), **values})
        elif change["kind"] != Diff.UNCHANGED.value:
            known.append({"id": UUID(change["pupil_id"]), **values})
            if change["kind"] in _DECIDES:
                touched.append(UUID(change["pupil_id"]))
    repository.add_pupils(fresh)
    repository.change_pupils(known)
    gone = [UUID(change["pupil_id"]) for change in changes if change["kind"] == Diff.LEFT_FILE.value]
    repository.mark_absent(gone, work.now.date())
    return touched


def _classes(
    work: Work, repository: PeopleRepository, town_id: UUID, year: str, written: Sequence[dict[str, Any]]
) -> dict[tuple[str, str], UUID]:
    """The classes that the plan speaks of, by school and key; new ones are made."""
    school_ids = sorted({UUID(change["school_id"]) for change in written})
    found: dict[tuple[str, str], UUID] = {}
    for known in repository.classes_of_schools(school_ids, year):
        found[str(known.school_id), f"#{known.onde_id}" if known.onde_id else label_key(known.label)] = known.id
    for change in written:
        key = (change["school_id"], change["class_key"])
        if not change["class_key"] or key in found:
            continue
        row = change["row"]
        label = row["class_label"] or f"Classe {row['onde_class_id']}"
        made = SchoolClass(
            id=new_id(), town_id=town_id, school_id=UUID(key[0]), school_year=year, label=label, onde_id=row["onde_class_id"] or None,
            label_key=f"{label_key(label)} {key[1]}"[:200] if row["onde_class_id"] else label_key(label),
        )  # fmt: skip
        work.session.add(made)
        found[key] = made.id
    work.session.flush()
    return found


def _values(town_id: UUID, change: dict[str, Any], classes: dict[tuple[str, str], UUID]) -> dict[str, Any]:
    row, hashes = change["row"], change["hashes"]
    return {
        "town_id": town_id,
        "school_id": UUID(change["school_id"]),
        "class_id": classes.get((change["school_id"], change["class_key"])),
        "level": Level(row["level"]),
        "last_name": row["last_name"],
        "usage_name": row["usage_name"] or None,
        "first_name": row["first_name"],
        "name_hash": hashes["name"],
        "usage_name_hash": hashes["usage"],
        "ine_hash": hashes["ine"],
        "birth_hash": hashes["birth"],
        "take_home": row["take_home"],
        "state": PupilState.ACTIVE,
        "absent_since": None,
    }
