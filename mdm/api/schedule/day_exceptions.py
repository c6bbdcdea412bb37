"""Endpoints of what holds for some days only: day exceptions and exams."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from cartable.paging import paginate
from cartable.scope import Permission
from enrollment.places.models import Grade
from mdm.api.deps import ActorDep, WorkDep
from mdm.api.paging import PageOut, PageParams
from mdm.api.schedule.created import CreatedOut
from profiles.schedule import authoring
from profiles.schedule.day_exceptions import OverrideKind
from profiles.schedule.models import ExamDay
from profiles.schedule.repository import ScheduleRepository
from profiles.schedule.timetable import format_clock

router = APIRouter(tags=["schedule"])


_Time = Field(pattern=r"^\d\d:\d\d$", examples=["20:00"])


class DayExceptionIn(BaseModel):
    """An exception for some days, of a town, a school or a class."""

    school_id: UUID | None = None
    class_id: UUID | None = None
    first: date
    last: date
    kind: OverrideKind
    at: str | None = None
    window: tuple[str, str] | None = None
    template_weekday: int | None = None
    label: str = Field("", max_length=120)


class DayExceptionOut(CreatedOut):
    """An exception for some days."""

    school_id: UUID | None
    class_id: UUID | None
    first: date
    last: date
    kind: OverrideKind
    label: str


class ExamIn(BaseModel):
    """The time of an exam."""

    school_id: UUID | None = None
    grade: Grade | None = None
    day: date
    starts: str = _Time
    ends: str = _Time


class ExamOut(ExamIn):
    """An exam."""

    id: UUID


@router.post("/towns/{town_id}/day-exceptions", response_model=DayExceptionOut, status_code=201)
def create_day_exception(town_id: UUID, body: DayExceptionIn, work: WorkDep, actor: ActorDep) -> object:
    """Create an exception for some days: no school, a worked Saturday, an early end or a trip.

    It goes before the timetable.
    """
    return authoring.create_override(work, actor, town_id, **body.model_dump())


@router.get("/towns/{town_id}/day-exceptions")
def list_day_exceptions(town_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[DayExceptionOut]:
    """List the day exceptions of a town."""
    actor.require_permission(Permission.SEE, town_id)
    rows = paginate(ScheduleRepository(work.session).list_overrides([town_id]), page, lambda row: (row.id,))
    return PageOut.of(rows, DayExceptionOut.model_validate)


@router.delete("/day-exceptions/{exception_id}", status_code=204)
def delete_day_exception(exception_id: UUID, work: WorkDep, actor: ActorDep) -> None:
    """Delete a day exception."""
    authoring.withdraw_override(work, actor, exception_id)


@router.post("/towns/{town_id}/exams", response_model=CreatedOut, status_code=201)
def create_exam(town_id: UUID, body: ExamIn, work: WorkDep, actor: ActorDep) -> object:
    """Announce an exam, during which tablets are in exam mode."""
    return authoring.create_exam(work, actor, town_id, **body.model_dump())


@router.get("/towns/{town_id}/exams")
def list_exams(town_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[ExamOut]:
    """List the exams of a town."""
    rows = paginate(authoring.list_exams(work, actor, town_id), page, lambda row: (row.id,))
    return PageOut.of(rows, _build_exam_out)


@router.delete("/exams/{exam_id}", status_code=204)
def delete_exam(exam_id: UUID, work: WorkDep, actor: ActorDep) -> None:
    """Delete an exam. A running one ends now."""
    authoring.delete_exam(work, actor, exam_id)


def _build_exam_out(row: ExamDay) -> ExamOut:
    return ExamOut(
        id=row.id,
        school_id=row.school_id,
        grade=row.grade,
        day=row.day,
        starts=format_clock(row.starts),
        ends=format_clock(row.ends),
    )
