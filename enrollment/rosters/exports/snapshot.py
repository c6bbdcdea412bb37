"""All that an export speaks of: schools, classes of this year, pupils, staff, and the tags of lent tablets. Pure."""

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
    """Why a set cannot be handed out as it is: a stable word, how many, and the first ids."""

    code: str
    count: int
    ids: tuple[str, ...] = ()

    @classmethod
    def from_ids(cls, code: str, ids: Iterable[object]) -> ExportBlocker:
        """A reason about these."""
        listed = sorted(str(each) for each in ids)
        return cls(code, len(listed), tuple(listed[:MAX_IDS]))

    def to_json(self) -> dict[str, Any]:
        """As the API tells it."""
        return {"code": self.code, "count": self.count, "ids": list(self.ids)}


@dataclass
class RosterSnapshot:
    """A town, or one of its schools, as an export sees it."""

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
        """School codes, by id."""
        return {school.id: school.uai for school in self.schools}

    @cached_property
    def pupils_by_class(self) -> dict[UUID, list[Pupil]]:
        """The pupils of each class of this year."""
        found: dict[UUID, list[Pupil]] = defaultdict(list)
        for pupil in self.pupils:
            if pupil.class_id is not None and pupil.class_id in self.classes_by_id:
                found[pupil.class_id].append(pupil)
        return found

    @cached_property
    def assignments_by_class(self) -> dict[UUID, list[TeacherAssignment]]:
        """The assignments of each class of this year, main teachers first."""
        found: dict[UUID, list[TeacherAssignment]] = defaultdict(list)
        for each in sorted(self.assignments, key=lambda each: (each.kind.value != "main", str(each.staff_id))):
            if each.class_id is not None and each.class_id in self.classes_by_id:
                found[each.class_id].append(each)
        return found

    def get_class_label(self, class_id: UUID | None) -> str:
        """The label of a class of this year, else nothing."""
        return self.classes_by_id[class_id].label if class_id in self.classes_by_id and class_id else ""

    def list_grades(self, class_id: UUID) -> list[Grade]:
        """The grades of a class, computed from its pupils (schools.md section 2.3), in their order."""
        return sorted({pupil.grade for pupil in self.pupils_by_class.get(class_id, ())}, key=lambda grade: grade.rank)

    def list_schools_of_staff(self, staff_id: UUID) -> list[UUID]:
        """Where an adult works."""
        return sorted({each.school_id for each in self.assignments if each.staff_id == staff_id}, key=str)

    def find_blockers(self) -> list[ExportBlocker]:
        """What another system would refuse or run, whichever it is."""
        people: list[Pupil | StaffMember] = [*self.pupils, *self.staff_by_id.values()]
        nameless = [each.id for each in people if not (each.first_name and each.last_name)]
        running = [each.id for each in people if is_formula(each.last_name) or is_formula(each.first_name)]
        running += [each.id for each in self.classes if is_formula(each.label)]
        inhabited = {pupil.school_id for pupil in self.pupils}
        empty = [school.id for school in self.schools if school.id not in inhabited]
        found = {"name_missing": nameless, "formula_cell": running, "school_without_pupils": empty}
        return [ExportBlocker.from_ids(code, ids) for code, ids in found.items() if ids]
