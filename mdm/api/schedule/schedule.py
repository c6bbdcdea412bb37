"""Time: timetables, calendars, exceptions, evaluations, class sessions, activities, guardians' rules."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from cartable.scope import Permission
from enrollment.places.models import Level
from mdm.api.deps import ActorDep, WorkDep
from profiles.schedule import authoring, sessions
from profiles.schedule.day_exceptions import OverrideKind
from profiles.schedule.guardian_rules import RuleKind
from profiles.schedule.mode_decision import AfterSchool
from profiles.schedule.repository import ModeRepository
from profiles.schedule.session_rules import Preset
from profiles.schedule.timetable import clock_text

router = APIRouter(tags=["rhythm"])
_Time = Field(pattern=r"^\d\d:\d\d$", examples=["20:00"])


class BandModel(BaseModel):
    """A stretch of a day, on the local clock."""

    model_config = ConfigDict(populate_by_name=True)
    kind: str = Field(examples=["school"])
    starts: str = Field(alias="from", examples=["08:20"])
    ends: str = Field(alias="to", examples=["11:30"])
    label: str = Field("", max_length=80)


class TimetableModel(BaseModel):
    """The week of a town or a school: bands by day ("mon" to "sun"), the calendar, and the night."""

    week: dict[str, list[BandModel]] = Field(max_length=7)
    calendar: str = Field("C", max_length=80, description="Zone A, B or C, or the name of a calendar of the town.")
    night_from: str | None = _Time
    night_to: str | None = _Time


class PeriodModel(BaseModel):
    """Days off, both ends included."""

    first: date
    last: date
    name: str = Field("", max_length=80)


class CalendarModel(BaseModel):
    """A calendar that the town keeps itself."""

    periods: list[PeriodModel] = Field(max_length=200)
    public: list[date] = Field(default=[], max_length=400)
    known_until: date | None = None


class OverrideIn(BaseModel):
    """What is said of single days, for a town, a school or a class."""

    school_id: UUID | None = None
    class_id: UUID | None = None
    first: date
    last: date
    kind: OverrideKind
    at: str | None = None
    window: tuple[str, str] | None = None
    like: int | None = None
    label: str = Field("", max_length=120)


class Made(BaseModel):
    """What was written, by its id."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID


class OverrideOut(Made):
    """An exception."""

    school_id: UUID | None
    class_id: UUID | None
    first: date
    last: date
    kind: OverrideKind
    label: str


class ExamIn(BaseModel):
    """An evaluation."""

    school_id: UUID | None = None
    level: Level | None = None
    day: date
    starts: str = _Time
    ends: str = _Time


class SessionIn(BaseModel):
    """A class session to begin; it ends by itself."""

    town_id: UUID
    school_id: UUID
    class_id: UUID
    minutes: int = 45
    preset: Preset
    apps: list[str] = Field(default=[], max_length=100)
    sites: list[str] = Field(default=[], max_length=100)


class SpanOut(Made):
    """From when to when."""

    starts: datetime
    ends: datetime


class ActivityIn(BaseModel):
    """An after-school activity to begin with some tablets."""

    town_id: UUID
    school_id: UUID
    tablet_ids: list[UUID] = Field(min_length=1, max_length=200)
    minutes: int = 60


class AfterSchoolIn(BaseModel):
    """Where a pupil is after class."""

    town_id: UUID
    school_id: UUID
    where: AfterSchool


class GuardianRuleIn(BaseModel):
    """A rule that a guardian asked for. It can only take something away."""

    town_id: UUID
    guardian_id: UUID
    kind: RuleKind
    subject: str = Field("", max_length=155)
    window: tuple[str, str] | None = None
    minutes: int | None = None


@router.put("/towns/{town_id}/timetable", response_model=TimetableModel, operation_id="put_town_timetable")
def put_town(town_id: UUID, body: TimetableModel, work: WorkDep, actor: ActorDep) -> Any:
    """The week of a town, for every school that has none of its own."""
    return _write(work, actor, town_id, None, body)


@router.get("/towns/{town_id}/timetable", response_model=TimetableModel | None, operation_id="get_town_timetable")
def get_town(town_id: UUID, work: WorkDep, actor: ActorDep) -> Any:
    """The week of a town."""
    return _read(work, actor, town_id, None)


@router.put("/towns/{town_id}/schools/{school_id}/timetable", response_model=TimetableModel, operation_id="put_school_timetable")
def put_school(town_id: UUID, school_id: UUID, body: TimetableModel, work: WorkDep, actor: ActorDep) -> Any:
    """The week of one school."""
    return _write(work, actor, town_id, school_id, body)


@router.get(
    "/towns/{town_id}/schools/{school_id}/timetable", response_model=TimetableModel | None, operation_id="get_school_timetable"
)
def get_school(town_id: UUID, school_id: UUID, work: WorkDep, actor: ActorDep) -> Any:
    """The week of one school; nothing when the town's holds."""
    return _read(work, actor, town_id, school_id)


def _write(work: WorkDep, actor: ActorDep, town_id: UUID, school_id: UUID | None, body: TimetableModel) -> TimetableModel:
    week = {day: [band.model_dump(by_alias=True) for band in bands] for day, bands in body.week.items()}
    night = (body.night_from, body.night_to) if body.night_from and body.night_to else None
    authoring.write_timetable(work, actor, town_id, school_id, week=week, calendar=body.calendar, night=night)
    return body


def _read(work: WorkDep, actor: ActorDep, town_id: UUID, school_id: UUID | None) -> TimetableModel | None:
    actor.require_permission(Permission.SEE, town_id, school_id)
    row = ModeRepository(work.session).timetable(town_id, school_id)
    if row is None:
        return None
    return TimetableModel(
        week=row.week,
        calendar=row.calendar,
        night_from=None if row.night_from is None else clock_text(row.night_from),
        night_to=None if row.night_to is None else clock_text(row.night_to),
    )


@router.put("/towns/{town_id}/calendars/{name}", response_model=Made, operation_id="put_calendar")
def put_calendar(town_id: UUID, name: str, body: CalendarModel, work: WorkDep, actor: ActorDep) -> object:
    """A calendar of the town's own."""
    periods = [(period.first, period.last, period.name) for period in body.periods]
    return authoring.write_calendar(work, actor, town_id, name, periods=periods, public=body.public, known_until=body.known_until)


@router.post("/towns/{town_id}/exceptions", response_model=OverrideOut, status_code=201, operation_id="create_exception")
def create_override(town_id: UUID, body: OverrideIn, work: WorkDep, actor: ActorDep) -> object:
    """No school, a worked Saturday, an early end, a trip: for these days it goes before the week."""
    return authoring.write_override(work, actor, town_id, **body.model_dump())


@router.get("/towns/{town_id}/exceptions", response_model=list[OverrideOut], operation_id="list_exceptions")
def overrides(town_id: UUID, work: WorkDep, actor: ActorDep) -> object:
    """The exceptions that hold."""
    actor.require_permission(Permission.SEE, town_id)
    return ModeRepository(work.session).overrides([town_id])


@router.delete("/exceptions/{override_id}", status_code=204, operation_id="withdraw_exception")
def withdraw(override_id: UUID, work: WorkDep, actor: ActorDep) -> None:
    """Take an exception back."""
    authoring.withdraw_override(work, actor, override_id)


@router.post("/towns/{town_id}/evaluations", response_model=Made, status_code=201, operation_id="create_evaluation")
def create_exam(town_id: UUID, body: ExamIn, work: WorkDep, actor: ActorDep) -> object:
    """Announce an evaluation."""
    return authoring.write_exam(work, actor, town_id, **body.model_dump())


@router.post("/class-sessions", response_model=SpanOut, status_code=201, operation_id="start_class_session")
def start_session(body: SessionIn, work: WorkDep, actor: ActorDep) -> object:
    """Begin a class session."""
    return sessions.start_session(work, actor, **body.model_dump())


@router.post("/class-sessions/{session_id}/extend", response_model=SpanOut, operation_id="extend_class_session")
def extend_session(session_id: UUID, work: WorkDep, actor: ActorDep) -> object:
    """Ten minutes more."""
    return sessions.extend_session(work, actor, session_id)


@router.delete("/class-sessions/{session_id}", status_code=204, operation_id="end_class_session")
def end_session(session_id: UUID, work: WorkDep, actor: ActorDep) -> None:
    """End a class session now."""
    sessions.end_session(work, actor, session_id)


@router.post("/activities", response_model=SpanOut, status_code=201, operation_id="start_activity")
def start_activity(body: ActivityIn, work: WorkDep, actor: ActorDep) -> object:
    """Begin an after-school activity."""
    return sessions.start_activity(work, actor, body.town_id, body.school_id, body.tablet_ids, minutes=body.minutes)


@router.put("/pupils/{pupil_id}/after-school", status_code=204, operation_id="set_after_school")
def after_school(pupil_id: UUID, body: AfterSchoolIn, work: WorkDep, actor: ActorDep) -> None:
    """Note where a pupil is after class."""
    sessions.set_after_school(work, actor, body.town_id, body.school_id, pupil_id, body.where)


@router.post("/pupils/{pupil_id}/guardian-rules", response_model=Made, status_code=201, operation_id="create_guardian_rule")
def guardian_rule(pupil_id: UUID, body: GuardianRuleIn, work: WorkDep, actor: ActorDep) -> object:
    """Add a guardian's rule."""
    given = body.model_dump(exclude={"town_id", "guardian_id"})
    return sessions.write_guardian_rule(work, actor, body.town_id, pupil_id, body.guardian_id, **given)


@router.delete("/guardian-rules/{rule_id}", status_code=204, operation_id="withdraw_guardian_rule")
def withdraw_rule(rule_id: UUID, work: WorkDep, actor: ActorDep) -> None:
    """Take a guardian's rule back."""
    sessions.withdraw_guardian_rule(work, actor, rule_id)
