"""Derives tablets' states from their contact: in use from the first one, absent after ten school days without any.

Run by the scheduler. Absence creates a task for the class; it accuses nobody, and no position is requested for it.
See docs/domain/custody.md#absence.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ScalarSelect

from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from enrollment.places.models import Town
from enrollment.tablets import service
from enrollment.tablets.absence_repository import AbsenceRepository
from enrollment.tablets.models import Tablet, TabletState
from enrollment.tablets.ports import IsSchoolDay
from enrollment.tablets.rules import ABSENT_AFTER_SCHOOL_DAYS

#: Longer than any holiday: the search for school days ends there.
_MAX_LOOK_BACK = timedelta(days=120)


def update_contacts(work: UnitOfWork, last_contact: ScalarSelect[datetime], is_school_day: IsSchoolDay) -> int:
    """Set the tablets in use that came into contact: those handed over, and absent ones. Returns how many changed.

    `last_contact`: a scalar subquery for the last contact of a `Tablet`. Each list is one statement, bounded by a batch.
    """
    repository = AbsenceRepository(work.session, last_contact)
    moved = 0
    for tablet in repository.list_seen_since_handover():
        moved += _change_state(work, tablet, TabletState.IN_USE, "first contact after the handover")
    for tablet in repository.list_seen_again(_group_towns_by_cutoff(work, repository, is_school_day)):
        moved += _change_state(work, tablet, TabletState.IN_USE, "in contact again")
    return moved


def update_absences(work: UnitOfWork, last_contact: ScalarSelect[datetime], is_school_day: IsSchoolDay) -> int:
    """Set the tablets absent that have been in no contact for ten school days. Returns how many changed.

    One statement reads the fleet, whatever the number of towns: their cutoffs differ by calendar and time zone only.
    """
    repository = AbsenceRepository(work.session, last_contact)
    moved = 0
    for tablet in repository.list_not_seen(_group_towns_by_cutoff(work, repository, is_school_day)):
        moved += _change_state(work, tablet, TabletState.ABSENT, "no contact for ten school days")
    return moved


def _group_towns_by_cutoff(
    work: UnitOfWork, repository: AbsenceRepository, is_school_day: IsSchoolDay
) -> dict[datetime, list[UUID]]:
    towns_by_cutoff: dict[datetime, list[UUID]] = {}
    for town in repository.list_towns():
        towns_by_cutoff.setdefault(compute_absence_cutoff(work.now, town, is_school_day), []).append(town.id)
    return towns_by_cutoff


def _change_state(work: UnitOfWork, tablet: Tablet, after: TabletState, reason: str) -> bool:
    """Change the state unless a person has changed it since it was read. Returns whether it was changed."""
    before = tablet.state
    if service.lock_tablet(work, tablet).state is not before:
        return False
    service.change_state(work, SYSTEM, tablet, after, reason)
    return True


def compute_absence_cutoff(now: datetime, town: Town, is_school_day: IsSchoolDay) -> datetime:
    """Return the instant before which a last contact means absence: ten school days back, days off not counted."""
    zone = ZoneInfo(town.time_zone)
    today = now.astimezone(zone).date()
    day, remaining = today, ABSENT_AFTER_SCHOOL_DAYS
    while remaining and today - day < _MAX_LOOK_BACK:
        day -= timedelta(days=1)
        remaining -= is_school_day(town, day)
    return datetime.combine(day, time(), zone).astimezone(UTC)
