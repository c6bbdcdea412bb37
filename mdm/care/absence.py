"""What a tablet's contact, or its silence, means for its life: in use from the first one, absent after ten school days without.

Run by the clock, set by set. Absence makes a task for the class, never an accusation, and no position is asked for it.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from enrollment.places.models import Town
from enrollment.tablets import service as tablets
from enrollment.tablets.models import Tablet, TabletState
from enrollment.tablets.rules import ABSENT_AFTER_SCHOOL_DAYS
from mdm.care.absence_repository import ContactRepository
from profiles.schedule.calendar import Calendar
from profiles.schedule.official_calendars import library_calendar

#: Longer than any holiday: before that, nobody counts days.
_LOOK_BACK = timedelta(days=120)


def watch(work: UnitOfWork) -> int:
    """Move the tablets whose contact says that they have moved. Returns how many; the rest waits for the next turn."""
    repository = ContactRepository(work.session)
    moved = 0
    for tablet in repository.heard_since_handover():
        moved += _move(work, tablet, TabletState.IN_USE, "first contact after the handover")
    for town in repository.towns():
        since = silent_since(work.now, town)
        for tablet in repository.heard_again(town.id, since):
            moved += _move(work, tablet, TabletState.IN_USE, "heard again")
        for tablet in repository.silent(town.id, since):
            moved += _move(work, tablet, TabletState.ABSENT, "not heard for ten school days")
    return moved


def _move(work: UnitOfWork, tablet: Tablet, after: TabletState, why: str) -> bool:
    """False when somebody has moved it since it was looked up: what a person says goes first."""
    before = tablet.state
    if tablets.hold(work, tablet).state is not before:
        return False
    tablets.change_state(work, SYSTEM, tablet, after, why)
    return True


def silent_since(now: datetime, town: Town) -> datetime:
    """The instant before which a last contact means absence: ten school days back, days off not counted."""
    zone = ZoneInfo(town.time_zone)
    today = now.astimezone(zone).date()
    calendar = library_calendar(town.zone, None)
    day, left = today, ABSENT_AFTER_SCHOOL_DAYS
    while left and today - day < _LOOK_BACK:
        day -= timedelta(days=1)
        left -= is_school_day(calendar, day)
    return datetime.combine(day, time(), zone).astimezone(UTC)


def is_school_day(calendar: Calendar, day: date) -> bool:
    """Whether pupils are at school in every town: no weekend, no Wednesday, no day off."""
    return day.weekday() not in (2, 5, 6) and not calendar.is_off(day) and not calendar.is_public(day)
