"""Endpoints of classes and their pupils. Towns and schools have files of their own."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel

from cartable.paging import paginate
from enrollment.people import service as people
from enrollment.people.models import Pupil
from enrollment.places.models import Grade, SchoolClass
from mdm.api.deps import ActorDep, WorkDep
from mdm.api.paging import PageOut, PageParams

router = APIRouter(tags=["places"])


class SchoolClassOut(BaseModel):
    """A class, with its number of pupils."""

    id: UUID
    school_id: UUID
    school_year: str
    label: str
    pupils: int


class PupilOut(BaseModel):
    """A pupil, with the fewest fields that serve."""

    id: UUID
    school_id: UUID
    class_id: UUID | None
    grade: Grade
    last_name: str
    first_name: str
    take_home: bool


def build_pupil_out(pupil: Pupil) -> PupilOut:
    """Return a pupil for the API. The usage name replaces the birth name when there is one."""
    return PupilOut(
        id=pupil.id,
        school_id=pupil.school_id,
        class_id=pupil.class_id,
        grade=pupil.grade,
        last_name=pupil.usage_name or pupil.last_name,
        first_name=pupil.first_name,
        take_home=pupil.take_home,
    )


@router.get("/classes")
def list_classes(school_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[SchoolClassOut]:
    """List the classes of a school with their numbers of pupils."""
    rows = paginate(people.list_classes(work, actor, school_id), page, lambda row: (row[0].id,))
    return PageOut.of(rows, lambda row: _build_class_out(*row))


@router.get("/classes/{class_id}/pupils")
def list_class_pupils(class_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[PupilOut]:
    """List the pupils of a class, by name.

    The reading is audited.
    """
    return PageOut.of(paginate(people.list_pupils_of_class(work, actor, class_id), page, _identify), build_pupil_out)


@router.get("/pupils")
def search_pupils(
    work: WorkDep, actor: ActorDep, page: PageParams, town_id: UUID, q: str = Query(min_length=2, max_length=64)
) -> PageOut[PupilOut]:
    """Search for pupils of a town by name.

    Each word is the beginning of a word of the names. The search is audited and covers the pupils that the caller may see.
    """
    return PageOut.of(paginate(people.search_pupils(work, actor, {town_id}, q), page, _identify), build_pupil_out)


def _identify(row: Pupil) -> tuple[UUID]:
    return (row.id,)


def _build_class_out(row: SchoolClass, pupils: int) -> SchoolClassOut:
    return SchoolClassOut(id=row.id, school_id=row.school_id, school_year=row.school_year, label=row.label, pupils=pupils)
