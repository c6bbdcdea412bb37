"""The people of one school: who the roster no longer names, groups, guardians, substitutes of the day."""

from __future__ import annotations

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from enrollment.people import schools
from enrollment.people.models import GroupKind
from enrollment.places.rules import school_year_of
from mdm.api.deps import ActorDep, WorkDep
from mdm.api.places.places import PupilOut, pupil_out

router = APIRouter(tags=["people"])
Name = Annotated[str, Field(min_length=1, max_length=100)]


class AbsentOut(BaseModel):
    """A pupil whom the roster no longer names. The tablet goes on."""

    pupil: PupilOut
    absent_since: date | None
    tag: str | None = Field(description="The tablet that is still out.")
    due_back: bool = Field(description="Absent for more than 30 days: ask for the tablet.")


class GroupOut(BaseModel):
    """A group of pupils across classes, as the roster names it."""

    id: UUID
    kind: GroupKind
    label: str
    pupil_ids: list[UUID]


class GuardianOut(BaseModel):
    """A guardian: never an address, no contact."""

    id: UUID
    last_name: str
    first_name: str
    court_order: bool


class CourtOrderIn(BaseModel):
    """Whether a court has decided in favour of this guardian."""

    holds: bool


class SubstituteIn(BaseModel):
    """Who replaces a teacher."""

    class_id: UUID
    last_name: Name
    first_name: Name
    last_day: date | None = Field(None, description="Counts until its midnight; today when nothing is said.")


class SubstituteOut(BaseModel):
    """A replacement."""

    id: UUID
    class_id: UUID | None
    last_name: str
    first_name: str
    first_day: date
    last_day: date | None


@router.get("/schools/{school_id}/absent", response_model=list[AbsentOut], operation_id="list_absent_pupils")
def absent(school_id: UUID, work: WorkDep, actor: ActorDep) -> list[AbsentOut]:
    """The pupils whom the last roster does not name, the longest absent first. Reading it is audited."""
    return [
        AbsentOut(pupil=pupil_out(each.pupil), absent_since=each.pupil.absent_since, tag=each.tag, due_back=each.due_back)
        for each in schools.absent(work, actor, school_id)
    ]


@router.get("/schools/{school_id}/groups", response_model=list[GroupOut], operation_id="list_pupil_groups")
def groups(
    school_id: UUID, work: WorkDep, actor: ActorDep, school_year: str | None = Query(None, pattern=r"^20\d\d-20\d\d$")
) -> list[GroupOut]:
    """The groups of a school this year; support units only for the head and the town's administrator."""
    year = school_year or school_year_of(work.now.date())
    return [
        GroupOut(id=group.id, kind=group.kind, label=group.label, pupil_ids=ids)
        for group, ids in schools.groups(work, actor, school_id, year)
    ]


@router.get("/pupils/{pupil_id}/guardians", response_model=list[GuardianOut], operation_id="list_guardians")
def guardians(pupil_id: UUID, work: WorkDep, actor: ActorDep) -> list[GuardianOut]:
    """A pupil's guardians, for the head and the town's administrator. Reading it is audited."""
    return [
        GuardianOut(id=each.id, last_name=each.last_name, first_name=each.first_name, court_order=link.court_order)
        for each, link in schools.guardians(work, actor, pupil_id)
    ]


@router.put("/pupils/{pupil_id}/guardians/{guardian_id}/court-order", status_code=204, operation_id="set_court_order")
def set_court_order(pupil_id: UUID, guardian_id: UUID, body: CourtOrderIn, work: WorkDep, actor: ActorDep) -> None:
    """Note that a court has decided, or that it no longer holds."""
    schools.set_court_order(work, actor, pupil_id, guardian_id, holds=body.holds)


@router.get("/schools/{school_id}/substitutes", response_model=list[SubstituteOut], operation_id="list_substitutes")
def substitutes(school_id: UUID, work: WorkDep, actor: ActorDep) -> list[SubstituteOut]:
    """Who replaces a teacher in a school today."""
    return [
        SubstituteOut(id=held.id, class_id=held.class_id, last_name=member.last_name, first_name=member.first_name,
                      first_day=held.starts_on, last_day=held.ends_on)
        for held, member in schools.substitutes(work, actor, school_id)
    ]  # fmt: skip


@router.post("/schools/{school_id}/substitutes", response_model=SubstituteOut, status_code=201, operation_id="name_substitute")
def name_substitute(school_id: UUID, body: SubstituteIn, work: WorkDep, actor: ActorDep) -> SubstituteOut:
    """Name who replaces a teacher, for today or until a day. It ends by itself."""
    made = schools.name_substitute(work, actor, school_id, body.class_id, body.last_name, body.first_name, body.last_day)
    return SubstituteOut(
        id=made.id, class_id=made.class_id, last_name=body.last_name, first_name=body.first_name, first_day=made.starts_on,
        last_day=made.ends_on,
    )  # fmt: skip


@router.delete("/substitutes/{assignment_id}", status_code=204, operation_id="end_substitute")
def end_substitute(assignment_id: UUID, work: WorkDep, actor: ActorDep) -> None:
    """End a replacement now."""
    schools.end_substitute(work, actor, assignment_id)
