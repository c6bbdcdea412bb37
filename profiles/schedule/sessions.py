"""Starts and ends class sessions, and stores what families decide for one pupil. Activities are in `activities`. Never commits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from cartable import audit, locks
from cartable.errors import NotFound
from cartable.outbox import Topic
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.facts import TabletFacts, load_facts
from enrollment.people.models import Pupil
from enrollment.people.repository import PeopleRepository
from enrollment.places.models import SchoolClass
from enrollment.tablets.repository import TabletRepository
from profiles.catalog.hosts import clean_host
from profiles.schedule.errors import (
    ClassWithoutTablets,
    InvalidDuration,
    InvalidSchedule,
    NoOpenBand,
    ScheduleEntryNotFound,
    SessionRunning,
)
from profiles.schedule.guardian_rules import GuardianRuleKind
from profiles.schedule.mode_decision import AfterSchool, Span
from profiles.schedule.models import ClassSession, GuardianRule, PupilAfterSchool
from profiles.schedule.night import parse_night
from profiles.schedule.place_schedule import Schedule
from profiles.schedule.repository import ScheduleRepository
from profiles.schedule.service import load_schedules
from profiles.schedule.session_rules import (
    BandClosed,
    DurationOutOfRange,
    SessionPreset,
    compute_session_span,
    extend_span,
)
from profiles.schedule.timetable import TimetableFormatError


def start_session(
    work: UnitOfWork,
    actor: Actor,
    town_id: UUID,
    school_id: UUID,
    class_id: UUID,
    *,
    minutes: int,
    preset: SessionPreset,
    apps: Sequence[str],
    sites: Sequence[str],
    take_over: bool = False,
) -> ClassSession:
    """Start a class session. A session of one's own that is still running ends now; with `take_over` another person's does too.

    Raises `Forbidden`, `ClassWithoutTablets`, `InvalidDuration`, `NoOpenBand`, `SessionRunning`, and `ScheduleEntryNotFound` when the class is not of the school.
    """
    actor.require_permission(Permission.TEACH, town_id, school_id, class_id)
    locks.lock_town(work, town_id)
    repository = ScheduleRepository(work.session)
    schedule, facts = _get_class_schedule(work, town_id, class_id)
    if facts.school_id != school_id:
        raise ScheduleEntryNotFound
    try:
        span = compute_session_span(schedule, work.now, minutes)
    except DurationOutOfRange as error:
        raise InvalidDuration(field="minutes") from error
    except BandClosed as error:
        raise NoOpenBand from error
    running = repository.get_running_sessions([class_id], work.now).get(class_id)
    if running is not None:
        if running.started_by != actor.account_id and not take_over:
            raise SessionRunning(until=f"{running.ends.astimezone(schedule.zone):%H:%M}")
        running.ends = work.now
    row = ClassSession(
        town_id=town_id, class_id=class_id, starts=span.starts, ends=span.ends, preset=preset, apps=sorted(set(apps)),
        sites=sorted(set(sites)), started_by=actor.account_id,
    )  # fmt: skip
    audit.record_event(work, actor, "session.start", "class", class_id, town_id=town_id, minutes=minutes, preset=preset.value)
    repository.add(row)
    work.enqueue_selected_jobs(Topic.RECONCILE, TabletRepository(work.session).select_by_class(class_id))
    return row


def extend_session(work: UnitOfWork, actor: Actor, session_id: UUID) -> ClassSession:
    """Extend a session by ten minutes. Raises `ScheduleEntryNotFound`, `NoOpenBand`, `ClassWithoutTablets`."""
    row = _get_running_session(work, actor, session_id)
    schedule, _ = _get_class_schedule(work, row.town_id, row.class_id)
    try:
        span = extend_span(schedule, Span(row.starts, row.ends), work.now)
    except BandClosed as error:
        raise NoOpenBand from error
    audit.record_event(work, actor, "session.extend", "class", row.class_id, town_id=row.town_id)
    row.ends = span.ends
    work.session.flush()
    work.enqueue_selected_jobs(Topic.RECONCILE, TabletRepository(work.session).select_by_class(row.class_id))
    return row


def end_session(work: UnitOfWork, actor: Actor, session_id: UUID) -> None:
    """End a session now. Raises `ScheduleEntryNotFound`."""
    row = _get_running_session(work, actor, session_id)
    audit.record_event(work, actor, "session.end", "class", row.class_id, town_id=row.town_id)
    row.ends = work.now
    work.session.flush()
    work.enqueue_selected_jobs(Topic.RECONCILE, TabletRepository(work.session).select_by_class(row.class_id))


def has_tablets(work: UnitOfWork, class_id: UUID) -> bool:
    """Return whether a tablet is lent in a class: without one, a session concerns nothing."""
    return bool(ScheduleRepository(work.session).find_tablet_of_class(class_id))


def list_running_sessions(work: UnitOfWork, class_ids: Sequence[UUID]) -> dict[UUID, ClassSession]:
    """Return the class session of each class that has not ended."""
    return ScheduleRepository(work.session).get_running_sessions(class_ids, work.now)


def _get_running_session(work: UnitOfWork, actor: Actor, session_id: UUID) -> ClassSession:
    """Return a session that the actor may change. Whoever may start one in a class may extend and end those that run there."""
    row = ScheduleRepository(work.session).get_session(session_id)
    if row is None or row.ends <= work.now:
        raise ScheduleEntryNotFound
    school_class = work.session.get_one(SchoolClass, row.class_id)
    if not actor.has_permission(Permission.TEACH, row.town_id, school_class.school_id, row.class_id):
        raise ScheduleEntryNotFound
    return row


def _get_class_schedule(work: UnitOfWork, town_id: UUID, class_id: UUID) -> tuple[Schedule, TabletFacts]:
    """Return the schedule of a class and the facts of one of its tablets.

    Raises `ClassWithoutTablets`; `NoOpenBand` for a class without a timetable.
    """
    for facts in load_facts(work, ScheduleRepository(work.session).find_tablet_of_class(class_id)).values():
        if facts.town_id == town_id:
            schedule = load_schedules(work, [town_id]).get_schedule(facts)
            if schedule is None:
                raise NoOpenBand
            return schedule, facts
    raise ClassWithoutTablets


def set_after_school(
    work: UnitOfWork, actor: Actor, town_id: UUID, school_id: UUID, pupil_id: UUID, after_school: AfterSchool
) -> None:
    """Save whether a pupil stays at school in after-school bands. Raises `NotFound` for a pupil of another school or town."""
    if not actor.has_permission(Permission.LEAD, town_id, school_id):
        actor.require_permission(Permission.AUTHOR, town_id, school_id)
    _require_pupil(work, actor, town_id, pupil_id, school_id)
    audit.record_event(work, actor, "pupil.after_school", "pupil", pupil_id, town_id=town_id, where=after_school.value)
    row = ScheduleRepository(work.session).get_pupil_after_school(pupil_id)
    if row is None:
        work.session.add(PupilAfterSchool(pupil_id=pupil_id, town_id=town_id, after_school=after_school))
    else:
        row.after_school = after_school
    work.session.flush()
    _reevaluate_pupil(work, pupil_id)


def get_after_school(work: UnitOfWork, pupil_id: UUID) -> AfterSchool:
    """Return where a pupil is after class, as far as the family has said."""
    row = ScheduleRepository(work.session).get_pupil_after_school(pupil_id)
    return row.after_school if row is not None else AfterSchool.UNKNOWN


def list_guardian_rules(work: UnitOfWork, actor: Actor, pupil_id: UUID) -> list[GuardianRule]:
    """Return the rules that guardians asked for and have not withdrawn, to whoever sees the child. Raises `NotFound`."""
    if PeopleRepository(work.session).find_pupil(actor, pupil_id) is None:
        raise NotFound
    return ScheduleRepository(work.session).get_rules_by_pupil([pupil_id]).get(pupil_id, [])


def create_guardian_rule(
    work: UnitOfWork,
    actor: Actor,
    town_id: UUID,
    pupil_id: UUID,
    guardian_id: UUID,
    *,
    kind: GuardianRuleKind,
    subject: str = "",
    window: tuple[str, str] | None = None,
    minutes: int | None = None,
) -> GuardianRule:
    """Create a rule that a guardian asked for; it can only restrict.

    Raises `InvalidSchedule`, and `NotFound` for a pupil of another town, or a guardian of another pupil.
    """
    pupil = _require_pupil(work, actor, town_id, pupil_id)
    actor.require_permission(Permission.CARE, town_id, pupil.school_id)
    if all(guardian.id != guardian_id for guardian, _ in PeopleRepository(work.session).list_guardians(pupil_id)):
        raise NotFound(field="guardian_id")
    if kind is GuardianRuleKind.PAUSE:
        if minutes is None or not 5 <= minutes <= 24 * 60:
            raise InvalidSchedule(field="minutes", why="out_of_range")
    elif kind is GuardianRuleKind.HIDE_APP and not subject:
        raise InvalidSchedule(field="subject", why="missing")
    elif kind is GuardianRuleKind.ONLY_LISTED_SITES and subject:
        host = clean_host(subject)
        if host is None:
            raise InvalidSchedule(field="subject", why="no_host_name")
        subject = host
    try:
        night = None
        if window is not None or kind is GuardianRuleKind.QUIET:
            starts, ends = window or ("", "")
            night = parse_night(starts, ends)
    except TimetableFormatError as error:
        raise InvalidSchedule(field=f"window.{error.field}", why=error.why) from error
    row = GuardianRule(
        town_id=town_id, pupil_id=pupil_id, guardian_id=guardian_id, kind=kind, subject=subject[:155],
        window_from=night.starts if night else None, window_to=night.ends if night else None,
        starts=work.now if minutes else None, ends=work.now + timedelta(minutes=minutes) if minutes else None,
        written_at=work.now,
    )  # fmt: skip
    audit.record_event(work, actor, "guardian_rule.write", "pupil", pupil_id, town_id=town_id, kind=kind.value)
    ScheduleRepository(work.session).add(row)
    _reevaluate_pupil(work, pupil_id)
    return row


def withdraw_guardian_rule(work: UnitOfWork, actor: Actor, rule_id: UUID) -> None:
    """Withdraw a guardian's rule; its row is kept as history. Raises `ScheduleEntryNotFound`."""
    row = ScheduleRepository(work.session).get_guardian_rule(actor, rule_id)
    if row is None or row.withdrawn_at is not None:
        raise ScheduleEntryNotFound
    pupil = _require_pupil(work, actor, row.town_id, row.pupil_id)
    actor.require_permission(Permission.CARE, row.town_id, pupil.school_id)
    audit.record_event(work, actor, "guardian_rule.withdraw", "pupil", row.pupil_id, town_id=row.town_id, kind=row.kind.value)
    row.withdrawn_at = work.now
    work.session.flush()
    _reevaluate_pupil(work, row.pupil_id)


def _require_pupil(work: UnitOfWork, actor: Actor, town_id: UUID, pupil_id: UUID, school_id: UUID | None = None) -> Pupil:
    """Return a pupil of the town, and of the school if one is given. Raises `NotFound`."""
    pupil = PeopleRepository(work.session).find_pupil(actor, pupil_id)
    if pupil is None or pupil.town_id != town_id or school_id not in (None, pupil.school_id):
        raise NotFound(field="pupil_id")
    return pupil


def _reevaluate_pupil(work: UnitOfWork, pupil_id: UUID) -> None:
    repository = TabletRepository(work.session)
    work.enqueue_selected_jobs(Topic.RECONCILE, repository.select_by_ids(repository.list_ids_by_pupils([pupil_id])))
