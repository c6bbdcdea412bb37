"""Endpoints of schools: create one or a list, rename, set phones, set zones, merge, close."""

from __future__ import annotations

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, File, Form, UploadFile
from pydantic import BaseModel, ConfigDict, Field

from cartable.paging import paginate
from cartable.scope import Permission
from cartable.uploads import read_upload
from enrollment.places import schools, service
from enrollment.places.models import School
from enrollment.places.schools import SchoolLineOutcome
from enrollment.places.zones import HolidayZone
from enrollment.rollover import closing
from mdm.api.deps import ActorDep, EarlyActorDep, RuntimeDep, WorkDep
from mdm.api.paging import PageOut, PageParams
from mdm.places import school_merge
from profiles.schedule import authoring

router = APIRouter(tags=["places"])
MAX_LIST = 2 * 2**20


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
    name: str = Field(max_length=200, examples=["École Jules-Verne"])


class SchoolUpdateIn(BaseModel):
    """What a school is called."""

    name: str = Field(max_length=200, examples=["École Jules-Verne"])


class SchoolPhoneIn(BaseModel):
    """The phone number of a school, shown on the emergency card of its town's tablets. Null: none."""

    phone: str | None = Field(max_length=80, examples=["+33 1 23 45 67 89"])


class SchoolOut(BaseModel):
    """A school."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    town_id: UUID
    uai: str
    name: str
    phone: str | None = Field(description="Shown on the emergency card of the town's tablets.")
    zone: HolidayZone | None = Field(description="Null: that of the town.")
    time_zone: str | None = Field(description="Null: that of the town.")
    closed_on: date | None = Field(description="Null: the school is open.")


class SchoolMergeIn(BaseModel):
    """The school that takes another one in."""

    new_school_id: UUID


class SchoolMergeOut(BaseModel):
    """Two schools, and what moves from the first to the second."""

    model_config = ConfigDict(from_attributes=True)
    old: SchoolOut
    new: SchoolOut
    counts: dict[str, int] = Field(
        description="Numbers of `pupils`, `classes`, `renamed_classes`, `staff`, `tablets`, `carts`, `invitations`, `roles`, `rules`."
    )


class SchoolLineOut(BaseModel):
    """A line of a list of schools and what became of it."""

    model_config = ConfigDict(from_attributes=True)
    line: int
    uai: str
    name: str
    outcome: SchoolLineOutcome


class SchoolImportOut(BaseModel):
    """What became of the lines of a list."""

    lines: list[SchoolLineOut]


@router.get("/schools")
def list_schools(
    work: WorkDep, actor: ActorDep, page: PageParams, town_id: UUID | None = None, include_closed: bool = False
) -> PageOut[SchoolOut]:
    """List the schools that the caller may see."""
    rows = service.list_schools(work, actor, town_id, include_closed=include_closed)
    return PageOut.of(paginate(rows, page, _identify), SchoolOut.model_validate)


@router.post("/schools", response_model=SchoolOut, status_code=201)
def create_school(body: SchoolIn, work: WorkDep, actor: ActorDep) -> object:
    """Create a school.

    It is known by its UAI, the code of the ministry.
    """
    return schools.create_school(work, actor, body.town_id, body.uai, body.name)


@router.post("/schools/import", response_model=SchoolImportOut)
def import_schools(
    town_id: Annotated[UUID, Form()], file: Annotated[UploadFile, File()], runtime: RuntimeDep, actor: EarlyActorDep
) -> SchoolImportOut:
    """Create the schools of a list that do not exist yet.

    The list is the ministry's directory as CSV, or has a code and a name on each line. A second import changes nothing.
    """
    actor.require_permission(Permission.AUTHOR, town_id)
    lines = read_upload(schools.read_schools, file.file.read(MAX_LIST))
    with runtime.open_unit_of_work() as work:
        reports = schools.import_schools(work, actor, town_id, lines)
    return SchoolImportOut(lines=[SchoolLineOut.model_validate(report) for report in reports])


@router.put("/schools/{school_id}", response_model=SchoolOut)
def update_school(school_id: UUID, body: SchoolUpdateIn, work: WorkDep, actor: ActorDep) -> object:
    """Set the name of a school."""
    return schools.rename_school(work, actor, school_id, body.name)


@router.put("/schools/{school_id}/phone", response_model=SchoolOut)
def set_school_phone(school_id: UUID, body: SchoolPhoneIn, work: WorkDep, actor: ActorDep) -> object:
    """Set the phone number of a school.

    The emergency card of the town's tablets shows it.
    """
    return schools.set_phone(work, actor, school_id, body.phone)


@router.post("/schools/{school_id}/close", response_model=SchoolOut)
def close_school(school_id: UUID, work: WorkDep, actor: ActorDep) -> object:
    """Close a school that has neither pupils nor tablets.

    It keeps its history and is offered nowhere. A school that goes on as another one is given its successor first.
    """
    return closing.close_school(work, actor, school_id)


@router.get("/schools/{school_id}/merge", response_model=SchoolMergeOut)
def preview_school_merge(school_id: UUID, new_school_id: UUID, work: WorkDep, actor: ActorDep) -> object:
    """Count what would move to another school of the town."""
    return school_merge.preview_merge(work, actor, school_id, new_school_id)


@router.post("/schools/{school_id}/merge", response_model=SchoolMergeOut)
def merge_schools(school_id: UUID, body: SchoolMergeIn, work: WorkDep, actor: ActorDep) -> object:
    """Move everything that is in a school to another one of its town, and close it.

    It cannot be undone. Needs the password once more. Refused while a change of school year of one of them is not closed.
    """
    return school_merge.merge_schools(work, actor, school_id, body.new_school_id)


@router.post("/schools/{school_id}/open", response_model=SchoolOut)
def open_school(school_id: UUID, work: WorkDep, actor: ActorDep) -> object:
    """Open a closed school again."""
    return closing.open_school(work, actor, school_id)


@router.put("/schools/{school_id}/zones", response_model=SchoolOut)
def set_school_zones(school_id: UUID, body: SchoolZonesIn, work: WorkDep, actor: ActorDep) -> object:
    """Set the holiday zone and the time zone of a school that differs from its town."""
    return authoring.set_school_zones(work, actor, school_id, zone=body.zone, time_zone=body.time_zone)


def _identify(row: School) -> tuple[UUID]:
    return (row.id,)
