"""Carrying a confirmed plan out, in sets: classes and pupils. What is written was decided at the preview; nothing is matched
here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from cartable.ids import new_id
from cartable.unit_of_work import UnitOfWork
from enrollment.people.files.cells import label_key
from enrollment.people.imports.changes import SPOKEN, WRITTEN, Diff, Subject, class_key
from enrollment.people.imports.ledger import Json, Ledger
from enrollment.people.imports.repository import ImportRepository
from enrollment.people.imports.writing_adults import write_guardians, write_staff
from enrollment.people.imports.writing_groups import write_groups
from enrollment.people.models import Pupil, PupilState
from enrollment.places.models import Level, SchoolClass
from enrollment.rollover.incoming_year import Coming
from enrollment.rollover.models import Decision
from enrollment.rollover.proposals import Proposal

_WRITTEN = {kind.value for kind in WRITTEN}
_SPOKEN = {kind.value for kind in SPOKEN}


@dataclass(frozen=True, slots=True)
class Written:
    """What was done: the notes to undo it, the pupils whose tablet may have to be another, and who each line of the file is."""

    ledger: Ledger
    touched: set[UUID]
    pupils: dict[int, UUID]


def write_plan(work: UnitOfWork, town_id: UUID, year: str, changes: Sequence[Json], coming: Coming | None = None) -> Written:
    """Write everything: pupils first, then the adults who refer to them. `coming`: the passage into the roster's year."""
    ledger = Ledger(passage=coming.rollover.id if coming else None)
    of = {subject: [change for change in changes if change["subject"] == subject.value] for subject in Subject}
    pupils = _Pupils(work, town_id, year, ledger, coming)
    pupils.write(of[Subject.PUPIL])
    written = [change for change in of[Subject.PUPIL] if change["kind"] in _WRITTEN]
    write_groups(work, town_id, year, written, pupils.lines, ledger)
    write_staff(work, town_id, year, of[Subject.STAFF], ledger)
    write_guardians(work, town_id, of[Subject.GUARDIAN], pupils.lines, ledger)
    work.session.flush()
    pupils.repository.follow_pupils(pupils.moved_school)
    return Written(ledger, pupils.touched, pupils.lines)


def proposals(changes: Sequence[Json], pupils: dict[int, UUID]) -> list[Proposal]:
    """The decisions of passage that lines of pupils tell, once it is known who each is."""
    return [
        Proposal(pupils.get(change["line"]), Level(change["row"]["level"]), Decision(change["row"]["passage"]))
        for change in changes
        if change["subject"] == Subject.PUPIL.value and change["kind"] in _SPOKEN and change["row"].get("passage")
    ]


class _Pupils:
    """Writes classes and pupils. `lines` tells which pupil a line of the file became."""

    def __init__(self, work: UnitOfWork, town_id: UUID, year: str, ledger: Ledger, coming: Coming | None) -> None:
        self.work = work
        self.coming = coming
        self.town_id = town_id
        self.year = year
        self.ledger = ledger
        self.repository = ImportRepository(work.session)
        self.touched: set[UUID] = set()
        self.moved_school: set[UUID] = set()
        self.lines: dict[int, UUID] = {}

    def write(self, changes: Sequence[Json]) -> None:
        """Write the pupils' part of a plan."""
        spoken = _SPOKEN if self.coming is not None else _WRITTEN  # of the passage, what stays as expected is told too
        written = [change for change in changes if change["kind"] in spoken]
        arrived: list[Pupil] = []
        classes = self._classes([change for change in changes if change["kind"] in _SPOKEN])
        gone = [UUID(change["target_id"]) for change in changes if change["kind"] == Diff.LEFT_FILE.value]
        known = self.repository.pupils([*gone, *(UUID(change["target_id"]) for change in written if change["target_id"])])
        for change in changes:
            if change["target_id"] and change["line"]:
                self.lines[change["line"]] = UUID(change["target_id"])
        for change in written:
            values = _pupil_values(change, classes)
            if change["kind"] == Diff.NEW.value:
                made = Pupil(**{"id": new_id(), "town_id": self.town_id, "take_home": True, **values})
                self.work.session.add(made)
                self.ledger.made["pupil"].append(str(made.id))
                self.lines[change["line"]] = made.id
                arrived.append(made)
            else:
                self._change(known[UUID(change["target_id"])], values)
        self.work.session.flush()
        if self.coming is not None:
            self.coming.arrived(self.work, arrived)
        for pupil_id in gone:
            if known[pupil_id].state is PupilState.ACTIVE:
                absent = {"state": PupilState.ABSENT_FROM_ROSTER, "absent_since": self.work.now.date()}
                self.ledger.change("pupil", known[pupil_id], absent)

    def _change(self, pupil: Pupil, values: Json) -> None:
        if self.coming is not None:
            values = self.coming.learn(pupil.id, values, self.ledger)
        if "class_id" in values and values["class_id"] is None and pupil.school_id == values["school_id"]:
            del values["class_id"]  # the file does not tell
        before = pupil.school_id, pupil.class_id, pupil.level
        self.ledger.change("pupil", pupil, values)
        if before != (pupil.school_id, pupil.class_id, pupil.level):
            self.touched.add(pupil.id)
        if before[0] != pupil.school_id:
            self.moved_school.add(pupil.id)

    def _classes(self, spoken: Sequence[Json]) -> dict[tuple[str, str], UUID]:
        """The classes that the plan speaks of, by school and key; new ones are made."""
        found: dict[tuple[str, str], UUID] = {}
        known: dict[tuple[str, str], SchoolClass] = {}
        for each in self.repository.classes_of_schools({UUID(change["school_id"]) for change in spoken}, self.year):
            known[str(each.school_id), class_key(each.label, each.onde_id)] = each
        for change in spoken:
            key, row = (change["school_id"], change["class_key"]), change["row"]
            if not change["class_key"] or key in found:
                continue
            if key in known:
                self._learn(known[key], row)
                found[key] = known[key].id
                continue
            label = row["class_label"] or f"Classe {row['onde_class_id']}"
            made = SchoolClass(
                id=new_id(), town_id=self.town_id, school_id=UUID(key[0]), school_year=self.year, label=label,
                onde_id=row["onde_class_id"] or None,
                label_key=f"{label_key(label)} {key[1]}"[:200] if row["onde_class_id"] else label_key(label),
            )  # fmt: skip
            self.work.session.add(made)
            self.ledger.made["class"].append(str(made.id))
            found[key] = made.id
        self.work.session.flush()
        return found

    def _learn(self, known: SchoolClass, row: Json) -> None:
        """A class takes ONDE's number and, when it is known by that, its new label."""
        number = row["onde_class_id"]
        if number and not known.onde_id:
            self.ledger.change("class", known, {"onde_id": number})
        elif number and row["class_label"] and known.label != row["class_label"]:
            key = f"{label_key(row['class_label'])} #{number}"[:200]
            self.ledger.change("class", known, {"label": row["class_label"], "label_key": key})


def _pupil_values(change: Json, classes: dict[tuple[str, str], UUID]) -> Json:
    """What the file tells of a pupil; what it does not tell stays as it is."""
    row, hashes = change["row"], change["hashes"]
    values: Json = {
        "school_id": UUID(change["school_id"]),
        "class_id": classes.get((change["school_id"], change["class_key"])),
        "level": Level(row["level"]),
        "last_name": row["last_name"],
        "first_name": row["first_name"],
        "name_hash": hashes["name"],
        "state": PupilState.ACTIVE,
        "absent_since": None,
    }
    if row["usage_name"] is not None:
        values |= {"usage_name": row["usage_name"] or None, "usage_name_hash": hashes["usage"]}
    if hashes["ine"]:
        values["ine_hash"] = hashes["ine"]
    if hashes["birth"]:
        values["birth_hash"] = hashes["birth"]
    if row["take_home"] is not None:
        values["take_home"] = row["take_home"]
    return values
