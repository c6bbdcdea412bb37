"""Starts and ends activities of the after-school time, and lists the tablets that may take part. Never commits.

See docs/domain/modes.md#class-sessions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from cartable import audit
from cartable.outbox import Topic
from cartable.references import require_in_town
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.facts import load_facts
from enrollment.people import access
from enrollment.people.models import AccessKind
from enrollment.places.models import School
from enrollment.tablets.repository import TabletRepository
from profiles.schedule.errors import InvalidDuration, NoOpenBand, ScheduleEntryNotFound
from profiles.schedule.models import Activity, ActivityTablet
from profiles.schedule.repository import ScheduleRepository
from profiles.schedule.service import load_schedules
from profiles.schedule.session_rules import BandClosed, DurationOutOfRange, compute_activity_span, get_open_band_end
from profiles.schedule.timetable import BandKind


@dataclass(frozen=True, slots=True)
class ActivityTabletSummary:
    """A tablet that may take part in an activity, with the first name of the child who has it, and the activity that it is in."""

    tablet_id: UUID
    tag: str
    first_name: str | None
    activity: Activity | None


@dataclass(frozen=True, slots=True)
class ActivityBoard:
    """What an after-school agent sees of a school. Outside the after-school time `open_until` is None and no tablet is listed."""

    school: School
    open_until: datetime | None
    tablets: Sequence[ActivityTabletSummary]


def start_activity(
    work: UnitOfWork, actor: Actor, town_id: UUID, school_id: UUID, tablet_ids: Sequence[UUID], *, minutes: int
) -> Activity:
    """Start an activity with some tablets of a school; tablets of other schools are ignored.

    Raises `Forbidden`, `NotFound`, `InvalidDuration`, `NoOpenBand`.
    """
    actor.require_permission(Permission.ACTIVITY, town_id, school_id)
    require_in_town(work, School, school_id, town_id, field="school_id")
    facts = [
        tablet for tablet in load_facts(work, tablet_ids).values() if (tablet.town_id, tablet.school_id) == (town_id, school_id)
    ]
    schedule = load_schedules(work, [town_id]).get_schedule(facts[0]) if facts else None
    if schedule is None:
        raise NoOpenBand
    try:
        span = compute_activity_span(schedule, work.now, minutes)
    except DurationOutOfRange as error:
        raise InvalidDuration(field="minutes") from error
    except BandClosed as error:
        raise NoOpenBand from error
    row = Activity(town_id=town_id, school_id=school_id, starts=span.starts, ends=span.ends, started_by=actor.account_id)
    repository = ScheduleRepository(work.session)
    repository.add(row)
    audit.record_event(work, actor, "activity.start", "school", school_id, town_id=town_id, tablets=len(facts), minutes=minutes)
    work.session.add_all(ActivityTablet(activity_id=row.id, tablet_id=tablet.tablet_id) for tablet in facts)
    work.session.flush()
    work.enqueue_selected_jobs(
        Topic.RECONCILE, TabletRepository(work.session).select_by_ids([tablet.tablet_id for tablet in facts])
    )
    return row


def end_activity(work: UnitOfWork, actor: Actor, activity_id: UUID) -> Activity:
    """End an activity now and return it. Whoever may start one in a school may end those that run there. Raises `ScheduleEntryNotFound`."""
    repository = ScheduleRepository(work.session)
    row = repository.get_activity(activity_id)
    if row is None or row.ends <= work.now or not actor.has_permission(Permission.ACTIVITY, row.town_id, row.school_id):
        raise ScheduleEntryNotFound
    audit.record_event(work, actor, "activity.end", "school", row.school_id, town_id=row.town_id)
    row.ends = work.now
    work.session.flush()
    work.enqueue_selected_jobs(Topic.RECONCILE, repository.select_activity_tablets(row.id))
    return row


def load_activity_board(work: UnitOfWork, actor: Actor, school: School) -> ActivityBoard:
    """Return the tablets of a school with first names and running activities, while its after-school time is open (PRIV-18).

    The reading of each child's record is counted. Raises `Forbidden`.
    """
    actor.require_permission(Permission.ACTIVITY, school.town_id, school.id)
    repository = ScheduleRepository(work.session)
    rows = repository.list_activity_candidates(school.id)
    facts = load_facts(work, [tablet.id for tablet, _ in rows[:1]])
    schedule = next((load_schedules(work, [school.town_id]).get_schedule(each) for each in facts.values()), None)
    try:
        open_until = get_open_band_end(schedule, work.now, BandKind.AFTER_SCHOOL) if schedule is not None else None
    except BandClosed:
        open_until = None
    if open_until is None:
        return ActivityBoard(school, None, ())
    access.record_access(work, actor, (pupil for _, pupil in rows if pupil is not None), AccessKind.TABLET)
    running = repository.get_running_activities([tablet.id for tablet, _ in rows], work.now)
    tablets = [
        ActivityTabletSummary(tablet.id, tablet.tag, pupil.first_name if pupil is not None else None, running.get(tablet.id))
        for tablet, pupil in rows
    ]
    return ActivityBoard(school, open_until, tablets)
