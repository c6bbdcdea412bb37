"""Endpoints of towns, schools, classes and their pupils."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from cartable.paging import paginate
from enrollment.people import service as people
from enrollment.people.models import Pupil
from enrollment.places import service
from enrollment.places.models import Grade, School, SchoolClass, Town
from enrollment.places.zones import HolidayZone
from mdm.api.deps import ActorDep, WorkDep
from mdm.api.paging import PageOut, PageParams
from profiles.schedule import authoring

router = APIRouter(tags=["places"])


class TownOut(BaseModel):
    """A town."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    name: str
    slug: str
    zone: HolidayZone
    time_zone: str


class TownZonesIn(BaseModel):
    """Where a town is in the calendar and on the clock."""

    zone: HolidayZone
    time_zone: str | None = Field(
        None, max_length=40, examples=["Indian/Reunion"], description="Without it, that of the holiday zone."
    )


class SchoolZonesIn(BaseModel):
    """Where a school differs from its town. Null: as the town."""

    zone: HolidayZone | None = None
    time_zone: str | None = Field(
        None, max_length=40, examples=["Indian/Reunion"], description="Without it, that of `zone`, else the town's."
    )


class SchoolIn(BaseModel):
    """A new school."""

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
    zone: HolidayZone | None = Field(description="Null: that of the town.")
    time_zone: str | None = Field(description="Null: that of the town.")


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


@router.get("/towns")
def list_towns(work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[TownOut]:
    """List the towns in which the caller has a role."""
    return PageOut.of(paginate(service.list_towns(work, actor), page, _identify), TownOut.model_validate)


@router.put("/towns/{town_id}/zones", response_model=TownOut)
def set_town_zones(town_id: UUID, body: TownZonesIn, work: WorkDep, actor: ActorDep) -> object:
    """Set the holiday zone and the time zone of a town.

    Modes, deadlines and papers follow them at once.
    """
    return authoring.set_town_zones(work, actor, town_id, zone=body.zone, time_zone=body.time_zone)


@router.put("/schools/{school_id}/zones", response_model=SchoolOut)
def set_school_zones(school_id: UUID, body: SchoolZonesIn, work: WorkDep, actor: ActorDep) -> object:
    """Set the holiday zone and the time zone of a school that differs from its town."""
    return authoring.set_school_zones(work, actor, school_id, zone=body.zone, time_zone=body.time_zone)


@router.get("/schools")
def list_schools(work: WorkDep, actor: ActorDep, page: PageParams, town_id: UUID | None = None) -> PageOut[SchoolOut]:
    """List the schools that the caller may see."""
    return PageOut.of(paginate(service.list_schools(work, actor, town_id), page, _identify), SchoolOut.model_validate)


@router.post("/schools", response_model=SchoolOut, status_code=201)
def create_school(body: SchoolIn, work: WorkDep, actor: ActorDep) -> object:
    """Create a school.

    It is known by its UAI, the code of the ministry.
    """
    return service.create_school(work, actor, body.town_id, body.uai, body.name)


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

    The search is audited and covers the pupils that the caller may see.
    """
    return PageOut.of(paginate(people.search_pupils(work, actor, town_id, q), page, _identify), build_pupil_out)


def _identify(row: Town | School | Pupil) -> tuple[UUID]:
    return (row.id,)


def _build_class_out(row: SchoolClass, pupils: int) -> SchoolClassOut:
    return SchoolClassOut(id=row.id, school_id=row.school_id, school_year=row.school_year, label=row.label, pupils=pupils)
