"""Endpoints of timetables: the week of a town or of a school."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from cartable.scope import Permission
from mdm.api.deps import ActorDep, WorkDep
from profiles.schedule import authoring
from profiles.schedule.calendar import FOLLOW_ZONE
from profiles.schedule.errors import InvalidSchedule
from profiles.schedule.repository import ScheduleRepository
from profiles.schedule.timetable import format_clock

router = APIRouter(tags=["schedule"])


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


@router.delete("/towns/{town_id}/schools/{school_id}/timetable", status_code=204)
def delete_school_timetable(town_id: UUID, school_id: UUID, work: WorkDep, actor: ActorDep) -> None:
    """Delete the weekly timetable of one school. The town's holds there from now on."""
    authoring.remove_school_timetable(work, actor, town_id, school_id)


def _write_timetable(
    work: WorkDep, actor: ActorDep, town_id: UUID, school_id: UUID | None, body: TimetableModel
) -> TimetableModel:
    week = {day: [band.model_dump(by_alias=True) for band in bands] for day, bands in body.week.items()}
    if (body.night_from is None) != (body.night_to is None):
        raise InvalidSchedule(field="night_to" if body.night_to is None else "night_from", why="missing")
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
