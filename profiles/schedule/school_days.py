"""The calendar of a town, and whether its pupils are at school on a day. For questions about whole towns, not modes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from uuid import UUID

from cartable.unit_of_work import UnitOfWork
from enrollment.places.models import Town
from profiles.schedule.calendar import Calendar
from profiles.schedule.official_calendars import get_official_calendar
from profiles.schedule.repository import ScheduleRepository
from profiles.schedule.service import load_schedules

#: No pupil of a primary school is at school on these weekdays: Wednesday, Saturday, Sunday.
_FREE_WEEKDAYS = (2, 5, 6)


def load_town_calendar(work: UnitOfWork, town_id: UUID) -> tuple[Town, Calendar]:
    """Return a town with the calendar that its timetable follows; without a timetable, that of its zone."""
    data = load_schedules(work, [town_id])
    town = data.towns[town_id]
    return town, data.get_town_calendar(town)


def load_school_days(work: UnitOfWork) -> Callable[[Town, date], bool]:
    """Return a function that answers for every town: by its own or imported calendar, else by the official one of its zone."""
    data = load_schedules(work, ScheduleRepository(work.session).list_towns_with_calendars())
    calendars = {town_id: data.get_town_calendar(town) for town_id, town in data.towns.items()}

    def is_school_day(town: Town, day: date) -> bool:
        calendar: Calendar = calendars.get(town.id) or get_official_calendar(town.zone, None)
        return day.weekday() not in _FREE_WEEKDAYS and not calendar.is_day_off(day) and not calendar.is_public_holiday(day)

    return is_school_day
