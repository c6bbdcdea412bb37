"""Derives tablets' states from their contact: in use from the first one, absent after ten school days without any.

Run by the scheduler. Absence creates a task for the class; it accuses nobody, and no position is requested for it.
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
from mdm.care.absence_repository import AbsenceRepository
from profiles.schedule.calendar import Calendar
from profiles.schedule.official_calendars import get_official_calendar

#: Longer than any holiday: the search for school days ends there.
_MAX_LOOK_BACK = timedelta(days=120)


def update_absences(work: UnitOfWork) -> int:
    """Change the state of tablets according to their last contact. Returns how many changed; each query is bounded by a batch."""
    repository = AbsenceRepository(work.session)
    moved = 0
    for tablet in repository.list_seen_since_handover():
        moved += _change_state(work, tablet, TabletState.IN_USE, "first contact after the handover")
    for town in repository.list_towns():
        since = compute_absence_cutoff(work.now, town)
        for tablet in repository.list_seen_again(town.id, since):
            moved += _change_state(work, tablet, TabletState.IN_USE, "in contact again")
        for tablet in repository.list_not_seen_since(town.id, since):
            moved += _change_state(work, tablet, TabletState.ABSENT, "no contact for ten school days")
    return moved


def _change_state(work: UnitOfWork, tablet: Tablet, after: TabletState, reason: str) -> bool:
    """Change the state unless a person has changed it since it was read. Returns whether it was changed."""
    before = tablet.state
    if tablets.lock_tablet(work, tablet).state is not before:
        return False
    tablets.change_state(work, SYSTEM, tablet, after, reason)
    return True


def compute_absence_cutoff(now: datetime, town: Town) -> datetime:
    """Return the instant before which a last contact means absence: ten school days back, days off not counted."""
    zone = ZoneInfo(town.time_zone)
    today = now.astimezone(zone).date()
    calendar = get_official_calendar(town.zone, None)
    day, remaining = today, ABSENT_AFTER_SCHOOL_DAYS
    while remaining and today - day < _MAX_LOOK_BACK:
        day -= timedelta(days=1)
        remaining -= is_school_day(calendar, day)
    return datetime.combine(day, time(), zone).astimezone(UTC)


def is_school_day(calendar: Calendar, day: date) -> bool:
    """Return whether pupils of every town are at school: no weekend, no Wednesday, no day off."""
    return day.weekday() not in (2, 5, 6) and not calendar.is_day_off(day) and not calendar.is_public_holiday(day)
