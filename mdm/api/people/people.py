"""Endpoints of the people of one school: pupils absent from the roster, groups, guardians, substitutes."""

from __future__ import annotations

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from cartable.paging import paginate
from enrollment.people import schools
from enrollment.people.models import GroupKind, Guardian, GuardianLink, TeacherAssignment
from enrollment.places.rules import get_school_year
from enrollment.rosters import absent_pupils
from mdm.api.deps import ActorDep, WorkDep
from mdm.api.paging import PageOut, PageParams
from mdm.api.places.places import PupilOut, build_pupil_out

router = APIRouter(tags=["people"])
PersonName = Annotated[str, Field(min_length=1, max_length=100)]


class AbsentPupilOut(BaseModel):
    """A pupil whom the roster no longer names. The tablet goes on working."""

    pupil: PupilOut
    absent_since: date | None
    tag: str | None = Field(description="The tag of the tablet that the pupil still has.")
    due_back: bool = Field(description="Absent for more than 30 days: ask for the tablet.")


class PupilGroupOut(BaseModel):
    """A group of pupils of several classes, named as in the roster."""

    id: UUID
    kind: GroupKind
    label: str
    pupil_ids: list[UUID]


class GuardianOut(BaseModel):
    """A guardian, without address or contacts."""

    id: UUID
    last_name: str
    first_name: str
    court_order: bool


class CourtOrderIn(BaseModel):
    """Whether a court has decided in favour of this guardian."""

    holds: bool


class SubstituteIn(BaseModel):
    """The substitute of a class's teacher."""

    class_id: UUID
    last_name: PersonName
    first_name: PersonName
    last_day: date | None = Field(None, description="The last day, included; today unless given.")


class SubstituteOut(BaseModel):
    """A substitute and the days of the replacement."""

    id: UUID
    class_id: UUID | None
    last_name: str
    first_name: str
    first_day: date
    last_day: date | None


@router.get("/schools/{school_id}/absent-pupils")
def list_absent_pupils(school_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[AbsentPupilOut]:
    """List the pupils of a school whom the last roster does not name, the longest absent first.

    The reading is audited.
    """
    rows = paginate(absent_pupils.list_absent_pupils(work, actor, school_id), page, lambda row: (row.pupil.id,))
    return PageOut.of(
        rows,
        lambda row: AbsentPupilOut(
            pupil=build_pupil_out(row.pupil), absent_since=row.pupil.absent_since, tag=row.tag, due_back=row.due_back
        ),
    )


@router.get("/schools/{school_id}/groups")
def list_pupil_groups(
    school_id: UUID,
    work: WorkDep,
    actor: ActorDep,
    page: PageParams,
    school_year: str | None = Query(None, pattern=r"^20\d\d-20\d\d$"),
) -> PageOut[PupilGroupOut]:
    """List the groups of pupils of a school, this year's unless another is given.

    Support units are shown to the head and the town's administrator only.
    """
    year = school_year or get_school_year(work.now.date())
    rows = paginate(schools.list_groups(work, actor, school_id, year), page, lambda row: (row[0].id,))
    return PageOut.of(rows, lambda row: PupilGroupOut(id=row[0].id, kind=row[0].kind, label=row[0].label, pupil_ids=row[1]))


@router.get("/pupils/{pupil_id}/guardians")
def list_guardians(pupil_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[GuardianOut]:
    """List the guardians of a pupil.

    For the head and the town's administrator; the reading is audited.
    """
    rows = paginate(schools.list_guardians(work, actor, pupil_id), page, lambda row: (row[0].id,))
    return PageOut.of(rows, lambda row: _build_guardian_out(*row))


@router.put("/pupils/{pupil_id}/guardians/{guardian_id}/court-order", status_code=204)
def set_court_order(pupil_id: UUID, guardian_id: UUID, body: CourtOrderIn, work: WorkDep, actor: ActorDep) -> None:
    """Record whether a court has decided in favour of a guardian."""
    schools.set_court_order(work, actor, pupil_id, guardian_id, in_force=body.holds)


@router.get("/schools/{school_id}/substitutes")
def list_substitutes(school_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[SubstituteOut]:
    """List who replaces a teacher in a school today."""
    rows = paginate(schools.list_substitutes(work, actor, school_id), page, lambda row: (row[0].id,))
    return PageOut.of(rows, lambda row: _build_substitute_out(row[0], row[1].last_name, row[1].first_name))


@router.post("/schools/{school_id}/substitutes", response_model=SubstituteOut, status_code=201)
def create_substitute(school_id: UUID, body: SubstituteIn, work: WorkDep, actor: ActorDep) -> SubstituteOut:
    """Name a substitute for the teacher of a class.

    The replacement is for today or until a day, and ends by itself.
    """
    assignment = schools.add_substitute(work, actor, school_id, body.class_id, body.last_name, body.first_name, body.last_day)
    return _build_substitute_out(assignment, body.last_name, body.first_name)


@router.delete("/substitutes/{assignment_id}", status_code=204)
def end_substitute(assignment_id: UUID, work: WorkDep, actor: ActorDep) -> None:
    """End a replacement now."""
    schools.end_substitute(work, actor, assignment_id)


def _build_guardian_out(guardian: Guardian, link: GuardianLink) -> GuardianOut:
    return GuardianOut(id=guardian.id, last_name=guardian.last_name, first_name=guardian.first_name, court_order=link.court_order)


def _build_substitute_out(row: TeacherAssignment, last_name: str, first_name: str) -> SubstituteOut:
    return SubstituteOut(
        id=row.id,
        class_id=row.class_id,
        last_name=last_name,
        first_name=first_name,
        first_day=row.starts_on,
        last_day=row.ends_on,
    )
