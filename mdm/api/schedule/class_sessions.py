"""Endpoints of what a person starts for some minutes: class sessions and after-school activities; and where pupils are after class."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from mdm.api.deps import ActorDep, WorkDep
from mdm.api.schedule.created import CreatedOut
from profiles.effective.lessons import LessonPlan, start_lesson
from profiles.schedule import activities, attendance, sessions
from profiles.schedule.mode_decision import AfterSchool
from profiles.schedule.session_rules import SessionPreset

router = APIRouter(tags=["schedule"])


class ClassSessionIn(BaseModel):
    """A new class session, which ends by itself."""

    town_id: UUID
    school_id: UUID
    class_id: UUID
    minutes: int = 45
    preset: SessionPreset
    apps: list[str] = Field(default=[], max_length=100)
    sites: list[str] = Field(default=[], max_length=100)
    take_over: bool = Field(False, description="End the session of another person that is still running in the class.")


class TimeSpanOut(CreatedOut):
    """When something begins and ends."""

    starts: datetime
    ends: datetime


class ClassAbsences(BaseModel):
    """Who is absent from class today."""

    pupil_ids: list[UUID] = Field(max_length=100)


class ActivityIn(BaseModel):
    """A new after-school activity with some tablets."""

    town_id: UUID
    school_id: UUID
    tablet_ids: list[UUID] = Field(min_length=1, max_length=200)
    minutes: int = 60


class AfterSchoolIn(BaseModel):
    """Where a pupil is after class."""

    town_id: UUID
    school_id: UUID
    where: AfterSchool


@router.post("/class-sessions", response_model=TimeSpanOut, status_code=201)
def start_class_session(body: ClassSessionIn, work: WorkDep, actor: ActorDep) -> object:
    """Start a class session.

    It ends by itself. It may be limited to apps that the class has and to sites that its filter leaves open.
    """
    plan = LessonPlan(body.minutes, body.preset, body.apps, body.sites, body.take_over)
    return start_lesson(work, actor, body.town_id, body.school_id, body.class_id, plan)


@router.post("/class-sessions/{session_id}/extend", response_model=TimeSpanOut)
def extend_class_session(session_id: UUID, work: WorkDep, actor: ActorDep) -> object:
    """Extend a class session by ten minutes."""
    return sessions.extend_session(work, actor, session_id)


@router.delete("/class-sessions/{session_id}", status_code=204)
def end_class_session(session_id: UUID, work: WorkDep, actor: ActorDep) -> None:
    """End a class session now."""
    sessions.end_session(work, actor, session_id)


@router.get("/classes/{class_id}/absences", response_model=ClassAbsences)
def get_class_absences(class_id: UUID, work: WorkDep, actor: ActorDep) -> ClassAbsences:
    """Return the pupils of a class who are absent today."""
    return ClassAbsences(pupil_ids=sorted(attendance.list_absent_pupils(work, actor, class_id), key=str))


@router.put("/classes/{class_id}/absences", status_code=204)
def mark_class_absences(class_id: UUID, body: ClassAbsences, work: WorkDep, actor: ActorDep) -> None:
    """Record that exactly these pupils of a class are absent, until midnight.

    Class sessions leave their tablets alone.
    """
    attendance.mark_absent_pupils(work, actor, class_id, body.pupil_ids)


@router.post("/activities", response_model=TimeSpanOut, status_code=201)
def start_activity(body: ActivityIn, work: WorkDep, actor: ActorDep) -> object:
    """Start an after-school activity with some tablets."""
    return activities.start_activity(work, actor, body.town_id, body.school_id, body.tablet_ids, minutes=body.minutes)


@router.delete("/activities/{activity_id}", status_code=204)
def end_activity(activity_id: UUID, work: WorkDep, actor: ActorDep) -> None:
    """End an after-school activity now."""
    activities.end_activity(work, actor, activity_id)


@router.put("/pupils/{pupil_id}/after-school", status_code=204)
def set_after_school(pupil_id: UUID, body: AfterSchoolIn, work: WorkDep, actor: ActorDep) -> None:
    """Set where a pupil is after class."""
    sessions.set_after_school(work, actor, body.town_id, body.school_id, pupil_id, body.where)
