"""Writes a confirmed plan: classes and pupils; adults and groups are in `writing_adults` and `writing_groups`. Nothing is matched here:
the plan decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from cartable.ids import new_id
from cartable.unit_of_work import UnitOfWork
from enrollment.people.class_order import compute_class_order
from enrollment.people.models import Pupil, PupilState
from enrollment.people.text import make_label_key
from enrollment.people.undo_log import Json, UndoLog
from enrollment.places.models import Grade, SchoolClass
from enrollment.rollover.incoming_year import IncomingYear
from enrollment.rollover.models import RolloverDecision
from enrollment.rollover.proposals import DecisionProposal
from enrollment.rosters.imports.changes import MATCHED_KINDS, WRITTEN_KINDS, ChangeKind, Subject, build_class_key
from enrollment.rosters.imports.repository import ImportRepository
from enrollment.rosters.imports.writing_adults import write_guardians, write_staff
from enrollment.rosters.imports.writing_groups import write_groups
from enrollment.tablets.loan_repository import LoanRepository

_WRITTEN_VALUES = {kind.value for kind in WRITTEN_KINDS}
_MATCHED_VALUES = {kind.value for kind in MATCHED_KINDS}


@dataclass(frozen=True, slots=True)
class WrittenPlan:
    """The result of writing a plan: the undo log, the pupils whose school, class or grade changed, and the pupil of each line."""

    undo_log: UndoLog
    moved_pupils: set[UUID]
    pupil_by_line: dict[int, UUID]


def write_plan(
    work: UnitOfWork, town_id: UUID, year: str, changes: Sequence[Json], incoming_year: IncomingYear | None = None
) -> WrittenPlan:
    """Write all changes: pupils first, then groups and the adults who refer to them. `incoming_year`: the rollover into the plan's year."""
    undo_log = UndoLog(rollover_id=incoming_year.rollover.id if incoming_year else None)
    by_subject = {subject: [change for change in changes if change["subject"] == subject.value] for subject in Subject}
    pupils = _PupilWriter(work, town_id, year, undo_log, incoming_year)
    pupils.write(by_subject[Subject.PUPIL])
    written = [change for change in by_subject[Subject.PUPIL] if change["kind"] in _WRITTEN_VALUES]
    write_groups(work, town_id, year, written, pupils.pupil_by_line, undo_log)
    write_staff(work, town_id, year, by_subject[Subject.STAFF], undo_log)
    write_guardians(work, town_id, by_subject[Subject.GUARDIAN], pupils.pupil_by_line, undo_log)
    work.session.flush()
    LoanRepository(work.session).move_tablets_to_schools_of_pupils(pupils.pupils_changing_school)
    return WrittenPlan(undo_log, pupils.moved_pupils, pupils.pupil_by_line)


def extract_proposals(changes: Sequence[Json], pupil_by_line: dict[int, UUID]) -> list[DecisionProposal]:
    """Return the rollover decisions that the lines of pupils propose, after the pupils are written."""
    return [
        DecisionProposal(
            pupil_by_line.get(change["line"]),
            Grade(change["row"]["grade"]),
            RolloverDecision(change["row"]["rollover_decision"]),
        )
        for change in changes
        if change["subject"] == Subject.PUPIL.value
        and change["kind"] in _MATCHED_VALUES
        and change["row"].get("rollover_decision")
    ]


class _PupilWriter:
    """Writes classes and pupils. `pupil_by_line`: the pupil whom each line of the file is about."""

    def __init__(self, work: UnitOfWork, town_id: UUID, year: str, undo_log: UndoLog, incoming_year: IncomingYear | None) -> None:
        self.work = work
        self.incoming_year = incoming_year
        self.town_id = town_id
        self.year = year
        self.undo_log = undo_log
        self.repository = ImportRepository(work.session)
        self.moved_pupils: set[UUID] = set()
        self.pupils_changing_school: set[UUID] = set()
        self.pupil_by_line: dict[int, UUID] = {}

    def write(self, changes: Sequence[Json]) -> None:
        """Write the changes of pupils."""
        # A roster of the incoming year also confirms, on the rollover's lines, the pupils who stay as expected.
        kinds = _MATCHED_VALUES if self.incoming_year is not None else _WRITTEN_VALUES
        written = [change for change in changes if change["kind"] in kinds]
        arrivals: list[Pupil] = []
        classes = self._write_classes([change for change in changes if change["kind"] in _MATCHED_VALUES])
        leaver_ids = [UUID(change["target_id"]) for change in changes if change["kind"] == ChangeKind.LEFT_FILE.value]
        target_ids = [UUID(change["target_id"]) for change in written if change["target_id"]]
        known = self.repository.get_pupils([*leaver_ids, *target_ids])
        for change in changes:
            if change["target_id"] and change["line"]:
                self.pupil_by_line[change["line"]] = UUID(change["target_id"])
        for change in written:
            values = _build_pupil_values(change, classes)
            if change["kind"] == ChangeKind.NEW.value:
                pupil = Pupil(**{"id": new_id(), "town_id": self.town_id, "take_home": True, **values})
                self.work.session.add(pupil)
                self.undo_log.created["pupil"].append(str(pupil.id))
                self.pupil_by_line[change["line"]] = pupil.id
                arrivals.append(pupil)
            else:
                self._update_pupil(known[UUID(change["target_id"])], values)
        self.work.session.flush()
        if self.incoming_year is not None:
            self.incoming_year.add_arrivals(self.work, arrivals)
        for pupil_id in leaver_ids:
            if known[pupil_id].state is PupilState.ACTIVE:
                absent = {"state": PupilState.ABSENT_FROM_ROSTER, "absent_since": self.work.now.date()}
                self.undo_log.set_fields("pupil", known[pupil_id], absent)

    def _update_pupil(self, pupil: Pupil, values: Json) -> None:
        if self.incoming_year is not None:
            values = self.incoming_year.record_placement(pupil.id, values, self.undo_log)
        if "class_id" in values and values["class_id"] is None and pupil.school_id == values["school_id"]:
            del values["class_id"]  # the file names no class: the present one stays
        place = pupil.school_id, pupil.class_id, pupil.grade
        self.undo_log.set_fields("pupil", pupil, values)
        if place != (pupil.school_id, pupil.class_id, pupil.grade):
            self.moved_pupils.add(pupil.id)
        if place[0] != pupil.school_id:
            self.pupils_changing_school.add(pupil.id)

    def _write_classes(self, changes: Sequence[Json]) -> dict[tuple[str, str], UUID]:
        """Return the ids of the classes that the changes name, by school and key; missing classes are created."""
        class_ids: dict[tuple[str, str], UUID] = {}
        known: dict[tuple[str, str], SchoolClass] = {}
        for each in self.repository.list_classes_of_schools({UUID(change["school_id"]) for change in changes}, self.year):
            known[str(each.school_id), build_class_key(each.label, each.onde_id)] = each
        for change in changes:
            key, row = (change["school_id"], change["class_key"]), change["row"]
            if not change["class_key"] or key in class_ids:
                continue
            if key in known:
                self._update_class(known[key], row)
                class_ids[key] = known[key].id
                continue
            label = row["class_label"] or f"Classe {row['onde_class_id']}"
            school_class = SchoolClass(
                id=new_id(), town_id=self.town_id, school_id=UUID(key[0]), school_year=self.year, label=label,
                onde_id=row["onde_class_id"] or None,
                label_key=f"{make_label_key(label)} {key[1]}"[:200] if row["onde_class_id"] else make_label_key(label),
                label_order=compute_class_order(label),
            )  # fmt: skip
            self.work.session.add(school_class)
            self.undo_log.created["class"].append(str(school_class.id))
            class_ids[key] = school_class.id
        self.work.session.flush()
        return class_ids

    def _update_class(self, school_class: SchoolClass, row: Json) -> None:
        """Add ONDE's number to a class that was known by its label, or the new label to a class that is known by its number."""
        number, label = row["onde_class_id"], row["class_label"]
        if number and not school_class.onde_id:
            self.undo_log.set_fields("class", school_class, {"onde_id": number})
        elif number and label and school_class.label != label:
            key = f"{make_label_key(label)} #{number}"[:200]
            self.undo_log.set_fields(
                "class", school_class, {"label": label, "label_key": key, "label_order": compute_class_order(label)}
            )


def _build_pupil_values(change: Json, classes: dict[tuple[str, str], UUID]) -> Json:
    """Return the values that the file gives a pupil; fields that the file does not contain are left out."""
    row, hashes = change["row"], change["hashes"]
    values: Json = {
        "school_id": UUID(change["school_id"]),
        "class_id": classes.get((change["school_id"], change["class_key"])),
        "grade": Grade(row["grade"]),
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
