"""Endpoints of the adults of a town: list them, enter one by hand, record that one leaves."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from cartable.paging import paginate
from enrollment.people import staff
from enrollment.people.models import AssignmentKind
from enrollment.people.staff import StaffSummary
from enrollment.tablets import staff_loans
from enrollment.tablets.models import Tablet
from mdm.api.deps import ActorDep, WorkDep
from mdm.api.paging import PageOut, PageParams

router = APIRouter(tags=["people"])


class StaffAssignmentOut(BaseModel):
    """What an adult does in a school today."""

    school_id: UUID
    class_id: UUID | None
    kind: AssignmentKind
    ends_on: date | None


class StaffMemberOut(BaseModel):
    """An adult of a town. Without assignments the person has left; `tablet_id` is then what is still to be given back."""

    id: UUID
    last_name: str
    first_name: str
    has_left: bool
    assignments: list[StaffAssignmentOut]
    tablet_id: UUID | None


class StaffMemberIn(BaseModel):
    """An adult who is entered by hand."""

    school_id: UUID
    last_name: str = Field(max_length=200, examples=["Durand"])
    first_name: str = Field(max_length=200, examples=["Paule"])
    email: str | None = Field(None, max_length=200, pattern=r"^[^@\s]+@[^@\s]+$")
    kind: AssignmentKind = AssignmentKind.MAIN
    last_day: date | None = None


@router.get("/towns/{town_id}/staff")
def list_staff(town_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[StaffMemberOut]:
    """List the adults of a town, by name, each with the tablet on loan."""
    rows = staff.list_staff(work, actor, town_id)
    tablets = staff_loans.list_tablets_of_staff(work, [row.member for row in rows])
    return PageOut.of(paginate(rows, page, lambda row: (row.member.id,)), lambda row: _build_out(row, tablets.get(row.member.id)))


@router.post("/staff", response_model=StaffMemberOut, status_code=201)
def create_staff_member(body: StaffMemberIn, work: WorkDep, actor: ActorDep) -> StaffMemberOut:
    """Enter an adult of a school by hand.

    Teachers come with rosters; this is for agents of the town and for whoever is in no list. The same person again is not entered twice.
    """
    values = body.model_dump()
    member = staff.add_staff_member(work, actor, values.pop("school_id"), **values)
    return _build_out(staff.load_summary(work, member), staff_loans.list_tablets_of_staff(work, [member]).get(member.id))


@router.post("/staff/{staff_id}/departure", response_model=StaffMemberOut)
def record_staff_departure(staff_id: UUID, work: WorkDep, actor: ActorDep) -> StaffMemberOut:
    """Record that an adult leaves today.

    A tablet on loan keeps its loan until it is given back, and is named in the answer.
    """
    member = staff.record_departure(work, actor, staff_id)
    return _build_out(staff.load_summary(work, member), staff_loans.list_tablets_of_staff(work, [member]).get(member.id))


def _build_out(row: StaffSummary, tablet: Tablet | None) -> StaffMemberOut:
    return StaffMemberOut(
        id=row.member.id,
        last_name=row.member.last_name,
        first_name=row.member.first_name,
        has_left=row.has_left,
        assignments=[
            StaffAssignmentOut(school_id=each.school_id, class_id=each.class_id, kind=each.kind, ends_on=each.ends_on)
            for each in row.assignments
        ],
        tablet_id=tablet.id if tablet is not None else None,
    )
