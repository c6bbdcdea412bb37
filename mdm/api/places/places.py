"""Towns, schools, classes and their pupils."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from enrollment.people import service as people
from enrollment.people.models import Pupil
from enrollment.places import service
from enrollment.places.models import Level
from mdm.api.deps import ActorDep, WorkDep

router = APIRouter(tags=["places"])


class TownOut(BaseModel):
    """A town of the caller."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    name: str
    slug: str
    zone: str
    time_zone: str


class SchoolIn(BaseModel):
    """A school to enter."""

    town_id: UUID
    uai: str = Field(max_length=20, examples=["0929001J"])
    name: str = Field(min_length=1, max_length=160, examples=["École Jules-Verne"])


class SchoolOut(BaseModel):
    """A school."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    town_id: UUID
    uai: str
    name: str


class ClassOut(BaseModel):
    """A class, with its number of pupils."""

    id: UUID
    school_id: UUID
    school_year: str
    label: str
    pupils: int


class PupilOut(BaseModel):
    """A pupil, with the least that is needed."""

    id: UUID
    school_id: UUID
    class_id: UUID | None
    level: Level
    last_name: str
    first_name: str
    take_home: bool


def pupil_out(pupil: Pupil) -> PupilOut:
    """The usage name is shown when there is one (schools.md section 7.1)."""
    return PupilOut(
        id=pupil.id,
        school_id=pupil.school_id,
        class_id=pupil.class_id,
        level=pupil.level,
        last_name=pupil.usage_name or pupil.last_name,
        first_name=pupil.first_name,
        take_home=pupil.take_home,
    )


@router.get("/towns", response_model=list[TownOut], operation_id="list_towns")
def towns(work: WorkDep, actor: ActorDep) -> object:
    """The towns in which the caller holds a role."""
    return service.towns(work, actor)


@router.get("/schools", response_model=list[SchoolOut], operation_id="list_schools")
def schools(work: WorkDep, actor: ActorDep, town_id: UUID | None = None) -> object:
    """The schools in the caller's reach."""
    return service.schools(work, actor, town_id)


@router.post("/schools", response_model=SchoolOut, status_code=201, operation_id="create_school")
def create_school(body: SchoolIn, work: WorkDep, actor: ActorDep) -> object:
    """Enter a school by its UAI."""
    return service.create_school(work, actor, body.town_id, body.uai, body.name)


@router.get("/classes", response_model=list[ClassOut], operation_id="list_classes")
def classes(school_id: UUID, work: WorkDep, actor: ActorDep) -> list[ClassOut]:
    """The classes of a school."""
    return [
        ClassOut(id=c.id, school_id=c.school_id, school_year=c.school_year, label=c.label, pupils=count)
        for c, count in service.classes(work, actor, school_id)
    ]


@router.get("/classes/{class_id}/pupils", response_model=list[PupilOut], operation_id="list_pupils_of_class")
def pupils(class_id: UUID, work: WorkDep, actor: ActorDep) -> list[PupilOut]:
    """The pupils of a class. The reading is audited."""
    return [pupil_out(pupil) for pupil in people.pupils_of_class(work, actor, class_id)]


@router.get("/pupils", response_model=list[PupilOut], operation_id="find_pupils")
def find(work: WorkDep, actor: ActorDep, town_id: UUID, q: str = Query(min_length=2, max_length=64)) -> list[PupilOut]:
    """Find pupils by name within the caller's reach. The search is audited."""
    return [pupil_out(pupil) for pupil in people.find_pupils(work, actor, town_id, q)]
