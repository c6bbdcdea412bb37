"""Endpoints of schedules: timetables, calendars, day exceptions, exams, class sessions, activities, guardians' rules."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, File, Form, UploadFile
from pydantic import BaseModel, ConfigDict, Field

from cartable.paging import paginate
from cartable.scope import Permission
from enrollment.places.models import Grade
from enrollment.places.zones import HolidayZone
from mdm.api.deps import ActorDep, WorkDep
from mdm.api.paging import PageOut, PageParams
from profiles.schedule import authoring, calendar_import, sessions
from profiles.schedule.calendar import FOLLOW_ZONE
from profiles.schedule.day_exceptions import OverrideKind
from profiles.schedule.guardian_rules import GuardianRuleKind
from profiles.schedule.ministry_calendar import MAX_BYTES, RowOutcome
from profiles.schedule.mode_decision import AfterSchool
from profiles.schedule.repository import ScheduleRepository
from profiles.schedule.session_rules import SessionPreset
from profiles.schedule.timetable import format_clock

router = APIRouter(tags=["schedule"])
MAX_REPORTED_ROWS = 2000
_Time = Field(pattern=r"^\d\d:\d\d$", examples=["20:00"])


class BandModel(BaseModel):
    """A part of a day, in local time."""

    model_config = ConfigDict(populate_by_name=True)
    kind: str = Field(examples=["school"])
    starts: str = Field(alias="from", examples=["08:20"])
    ends: str = Field(alias="to", examples=["11:30"])
    label: str = Field("", max_length=80)


class TimetableModel(BaseModel):
    """The week of a town or a school: bands by day ("mon" to "sun"), the calendar, and the night."""

    week: dict[str, list[BandModel]] = Field(max_length=7)
    calendar: str = Field(
        FOLLOW_ZONE,
        max_length=80,
        description="`zone`: that of the school's or the town's holiday zone. Else a holiday zone, or the name of a calendar of the town.",
    )
    night_from: str | None = _Time
    night_to: str | None = _Time


class PeriodModel(BaseModel):
    """Days without school, first and last included."""

    first: date
    last: date
    name: str = Field("", max_length=80)


class CalendarModel(BaseModel):
    """A calendar of a town."""

    periods: list[PeriodModel] = Field(max_length=200)
    public: list[date] = Field(default=[], max_length=400)
    known_until: date | None = None


class CalendarOut(CalendarModel):
    """A calendar that a town has written or imported. `public` is added to the official public holidays."""

    name: str


class ZoneImportOut(BaseModel):
    """What a file says of one zone."""

    zone: HolidayZone
    periods: list[PeriodModel]
    known_until: date | None
    used: bool = Field(description="The town or one of its schools is in this zone; only these are stored.")
    summer_is_open: bool = Field(description="The file has no return after a summer, which therefore ends with the school year.")


class RowReportOut(BaseModel):
    """What became of one row of a file."""

    line: int
    description: str
    outcome: RowOutcome


class CalendarImportOut(BaseModel):
    """The report of an import."""

    stored: bool
    zones: list[ZoneImportOut]
    rows: list[RowReportOut] = Field(description="At most the first 2000.")
    bad_rows: int = Field(description="Rows that could not be read.")


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


class CreatedOut(BaseModel):
    """The id of what was created."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID


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


class ClassSessionIn(BaseModel):
    """A new class session, which ends by itself."""

    town_id: UUID
    school_id: UUID
    class_id: UUID
    minutes: int = 45
    preset: SessionPreset
    apps: list[str] = Field(default=[], max_length=100)
    sites: list[str] = Field(default=[], max_length=100)


class TimeSpanOut(CreatedOut):
    """When something begins and ends."""

    starts: datetime
    ends: datetime


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


class GuardianRuleIn(BaseModel):
    """A rule that a guardian asked for. It can only forbid more."""

    town_id: UUID
    guardian_id: UUID
    kind: GuardianRuleKind
    subject: str = Field("", max_length=155)
    window: tuple[str, str] | None = None
    minutes: int | None = None


@router.put("/towns/{town_id}/timetable", response_model=TimetableModel)
def set_town_timetable(town_id: UUID, body: TimetableModel, work: WorkDep, actor: ActorDep) -> Any:
    """Set the weekly timetable of a town.

    It holds for every school that has none of its own.
    """
    return _write_timetable(work, actor, town_id, None, body)


@router.get("/towns/{town_id}/timetable", response_model=TimetableModel | None)
def get_town_timetable(town_id: UUID, work: WorkDep, actor: ActorDep) -> Any:
    """Get the weekly timetable of a town."""
    return _read_timetable(work, actor, town_id, None)


@router.put("/towns/{town_id}/schools/{school_id}/timetable", response_model=TimetableModel)
def set_school_timetable(town_id: UUID, school_id: UUID, body: TimetableModel, work: WorkDep, actor: ActorDep) -> Any:
    """Set the weekly timetable of one school."""
    return _write_timetable(work, actor, town_id, school_id, body)


@router.get("/towns/{town_id}/schools/{school_id}/timetable", response_model=TimetableModel | None)
def get_school_timetable(town_id: UUID, school_id: UUID, work: WorkDep, actor: ActorDep) -> Any:
    """Get the weekly timetable of one school.

    It is null when the town's holds.
    """
    return _read_timetable(work, actor, town_id, school_id)


def _write_timetable(
    work: WorkDep, actor: ActorDep, town_id: UUID, school_id: UUID | None, body: TimetableModel
) -> TimetableModel:
    week = {day: [band.model_dump(by_alias=True) for band in bands] for day, bands in body.week.items()}
    night = (body.night_from, body.night_to) if body.night_from and body.night_to else None
    authoring.save_timetable(work, actor, town_id, school_id, week=week, calendar=body.calendar, night=night)
    return body


def _read_timetable(work: WorkDep, actor: ActorDep, town_id: UUID, school_id: UUID | None) -> TimetableModel | None:
    actor.require_permission(Permission.SEE, town_id, school_id)
    row = ScheduleRepository(work.session).get_timetable(town_id, school_id)
    if row is None:
        return None
    return TimetableModel(
        week=row.week,
        calendar=row.calendar,
        night_from=None if row.night_from is None else format_clock(row.night_from),
        night_to=None if row.night_to is None else format_clock(row.night_to),
    )


@router.put("/towns/{town_id}/calendars/{name}", response_model=CreatedOut)
def set_calendar(town_id: UUID, name: str, body: CalendarModel, work: WorkDep, actor: ActorDep) -> object:
    """Set a calendar of a town."""
    periods = [(period.first, period.last, period.name) for period in body.periods]
    return authoring.save_calendar(work, actor, town_id, name, periods=periods, public=body.public, known_until=body.known_until)


@router.get("/towns/{town_id}/calendars")
def list_calendars(town_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[CalendarOut]:
    """List the calendars that a town has written or imported."""
    rows = paginate(authoring.list_calendars(work, actor, town_id), page, lambda view: (view.name,))
    return PageOut.of(rows, _build_calendar_out)


@router.get("/towns/{town_id}/calendars/{name}")
def get_calendar(town_id: UUID, name: str, work: WorkDep, actor: ActorDep) -> CalendarOut:
    """Get one calendar that a town has written or imported."""
    return _build_calendar_out(authoring.get_calendar(work, actor, town_id, name))


def _build_calendar_out(view: authoring.CalendarView) -> CalendarOut:
    periods = [PeriodModel(first=period.first, last=period.last, name=period.name) for period in view.periods]
    return CalendarOut(name=view.name, periods=periods, public=view.public_holidays, known_until=view.known_until)


@router.post("/towns/{town_id}/calendar-imports")
def import_calendar(
    town_id: UUID,
    work: WorkDep,
    actor: ActorDep,
    file: Annotated[UploadFile, File()],
    confirm: Annotated[bool, Form(description="False: a preview that stores nothing.")] = False,
    zone: Annotated[HolidayZone | None, Form(description="The zone of rows that name none.")] = None,
) -> CalendarImportOut:
    """Import the ministry's calendar: a CSV, JSON or iCalendar file.

    The report says of each row what became of it; a bad row loses no other. The zones of the town and of its schools are stored.
    """
    preview = calendar_import.preview_import(work, actor, town_id, file.file.read(MAX_BYTES + 1), zone)
    if confirm:
        calendar_import.save_imported_periods(work, actor, town_id, preview.get_used_periods())
    return CalendarImportOut(
        stored=confirm,
        zones=[
            ZoneImportOut(
                zone=each.zone,
                periods=[PeriodModel(first=period.first, last=period.last, name=period.name) for period in each.periods],
                known_until=each.known_until,
                used=each.is_used,
                summer_is_open=each.summer_is_open,
            )
            for each in preview.zones
        ],
        rows=[
            RowReportOut(line=row.line, description=row.description, outcome=row.outcome)
            for row in preview.rows[:MAX_REPORTED_ROWS]
        ],
        bad_rows=len(preview.list_bad_rows()),
    )


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


@router.post("/class-sessions", response_model=TimeSpanOut, status_code=201)
def start_class_session(body: ClassSessionIn, work: WorkDep, actor: ActorDep) -> object:
    """Start a class session.

    It ends by itself.
    """
    return sessions.start_session(work, actor, **body.model_dump())


@router.post("/class-sessions/{session_id}/extend", response_model=TimeSpanOut)
def extend_class_session(session_id: UUID, work: WorkDep, actor: ActorDep) -> object:
    """Extend a class session by ten minutes."""
    return sessions.extend_session(work, actor, session_id)


@router.delete("/class-sessions/{session_id}", status_code=204)
def end_class_session(session_id: UUID, work: WorkDep, actor: ActorDep) -> None:
    """End a class session now."""
    sessions.end_session(work, actor, session_id)


@router.post("/activities", response_model=TimeSpanOut, status_code=201)
def start_activity(body: ActivityIn, work: WorkDep, actor: ActorDep) -> object:
    """Start an after-school activity with some tablets."""
    return sessions.start_activity(work, actor, body.town_id, body.school_id, body.tablet_ids, minutes=body.minutes)


@router.put("/pupils/{pupil_id}/after-school", status_code=204)
def set_after_school(pupil_id: UUID, body: AfterSchoolIn, work: WorkDep, actor: ActorDep) -> None:
    """Set where a pupil is after class."""
    sessions.set_after_school(work, actor, body.town_id, body.school_id, pupil_id, body.where)


@router.post("/pupils/{pupil_id}/guardian-rules", response_model=CreatedOut, status_code=201)
def create_guardian_rule(pupil_id: UUID, body: GuardianRuleIn, work: WorkDep, actor: ActorDep) -> object:
    """Create a rule that a guardian asked for.

    It can only forbid more.
    """
    values = body.model_dump(exclude={"town_id", "guardian_id"})
    return sessions.create_guardian_rule(work, actor, body.town_id, pupil_id, body.guardian_id, **values)


@router.delete("/guardian-rules/{rule_id}", status_code=204)
def delete_guardian_rule(rule_id: UUID, work: WorkDep, actor: ActorDep) -> None:
    """Delete a guardian's rule."""
    sessions.withdraw_guardian_rule(work, actor, rule_id)
