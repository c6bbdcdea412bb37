"""Endpoints of calendars: those that a town writes, and the import of the ministry's file."""

from __future__ import annotations

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, File, Form, UploadFile
from pydantic import BaseModel, Field

from cartable.paging import paginate
from cartable.scope import Permission
from cartable.uploads import read_upload
from enrollment.places.zones import HolidayZone
from mdm.api.deps import ActorDep, EarlyActorDep, RuntimeDep, WorkDep
from mdm.api.paging import PageOut, PageParams
from mdm.api.schedule.created import CreatedOut
from profiles.schedule import authoring, calendar_import
from profiles.schedule.ministry_calendar import MAX_BYTES, RowOutcome

router = APIRouter(tags=["schedule"])


MAX_REPORTED_ROWS = 2000


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
    runtime: RuntimeDep,
    actor: EarlyActorDep,
    file: Annotated[UploadFile, File()],
    confirm: Annotated[bool, Form(description="False: a preview that stores nothing.")] = False,
    zone: Annotated[HolidayZone | None, Form(description="The zone of rows that name none.")] = None,
) -> CalendarImportOut:
    """Import the ministry's calendar: a CSV, JSON or iCalendar file.

    The report says of each row what became of it; a bad row loses no other. The zones of the town and of its schools are stored.
    """
    actor.require_permission(Permission.AUTHOR, town_id)
    imported = read_upload(calendar_import.read_calendars, file.file.read(MAX_BYTES + 1), zone)
    with runtime.open_unit_of_work() as work:
        preview = calendar_import.preview_import(work, actor, town_id, imported)
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
