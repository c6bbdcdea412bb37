"""The people and places of an export: schools, classes of this year, pupils, staff, and the tags of tablets on loan. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

from cartable.spreadsheets import is_formula
from enrollment.people.models import Pupil, StaffMember, TeacherAssignment
from enrollment.places.models import Grade, School, SchoolClass, Town

MAX_IDS = 50


@dataclass(frozen=True, slots=True)
class ExportBlocker:
    """Something that blocks an export: a stable code, how many objects are concerned, and the first of their ids."""

    code: str
    count: int
    ids: tuple[str, ...] = ()

    @classmethod
    def from_ids(cls, code: str, ids: Iterable[object]) -> ExportBlocker:
        """Return a blocker that concerns the objects with these ids."""
        sorted_ids = sorted(str(each) for each in ids)
        return cls(code, len(sorted_ids), tuple(sorted_ids[:MAX_IDS]))

    def to_json(self) -> dict[str, Any]:
        """Return the blocker as the API shows it."""
        return {"code": self.code, "count": self.count, "ids": list(self.ids)}


@dataclass
class RosterSnapshot:
    """The data of an export: a town, or one of its schools."""

    town: Town
    year: str
    schools: list[School]
    classes: list[SchoolClass]
    pupils: list[Pupil]
    staff_by_id: dict[UUID, StaffMember]
    assignments: list[TeacherAssignment]
    tags_by_pupil: dict[UUID, str]

    @cached_property
    def classes_by_id(self) -> dict[UUID, SchoolClass]:
        """The classes of this year, by id."""
        return {each.id: each for each in self.classes}

    @cached_property
    def uai_by_school(self) -> dict[UUID, str]:
        """The school codes (UAI), by the schools' ids."""
        return {school.id: school.uai for school in self.schools}

    @cached_property
    def pupils_by_class(self) -> dict[UUID, list[Pupil]]:
        """The pupils of each class of this year."""
        pupils: dict[UUID, list[Pupil]] = defaultdict(list)
        for pupil in self.pupils:
            if pupil.class_id is not None and pupil.class_id in self.classes_by_id:
                pupils[pupil.class_id].append(pupil)
        return pupils

    @cached_property
    def assignments_by_class(self) -> dict[UUID, list[TeacherAssignment]]:
        """The assignments of each class of this year, main teachers first."""
        assignments: dict[UUID, list[TeacherAssignment]] = defaultdict(list)
        for assignment in sorted(self.assignments, key=lambda each: (each.kind.value != "main", str(each.staff_id))):
            if assignment.class_id is not None and assignment.class_id in self.classes_by_id:
                assignments[assignment.class_id].append(assignment)
        return assignments

    def get_class_label(self, class_id: UUID | None) -> str:
        """Return the label of a class of this year; empty for any other."""
        return self.classes_by_id[class_id].label if class_id in self.classes_by_id and class_id else ""

    def list_grades(self, class_id: UUID) -> list[Grade]:
        """Return the grades of a class in their order, computed from its pupils."""
        return sorted({pupil.grade for pupil in self.pupils_by_class.get(class_id, ())}, key=lambda grade: grade.rank)

    def list_schools_of_staff(self, staff_id: UUID) -> list[UUID]:
        """Return the schools in which an adult works."""
        return sorted({each.school_id for each in self.assignments if each.staff_id == staff_id}, key=str)

    def find_blockers(self) -> list[ExportBlocker]:
        """Return what blocks an export to any system: content that the other system would refuse or run as a formula."""
        people: list[Pupil | StaffMember] = [*self.pupils, *self.staff_by_id.values()]
        nameless = [each.id for each in people if not (each.first_name and each.last_name)]
        formulas = [each.id for each in people if is_formula(each.last_name) or is_formula(each.first_name)]
        formulas += [each.id for each in self.classes if is_formula(each.label)]
        schools_with_pupils = {pupil.school_id for pupil in self.pupils}
        empty_schools = [school.id for school in self.schools if school.id not in schools_with_pupils]
        ids_by_code = {"name_missing": nameless, "formula_cell": formulas, "school_without_pupils": empty_schools}
        return [ExportBlocker.from_ids(code, ids) for code, ids in ids_by_code.items() if ids]
