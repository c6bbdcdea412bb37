"""What begins and ends within a day: class sessions, activities, and what families say of one child. Never commits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from cartable import audit
from cartable.errors import NotFound
from cartable.outbox import Topic
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.facts import TabletFacts, facts_for
from enrollment.people.repository import PeopleRepository
from enrollment.tablets.repository import TabletRepository
from profiles.schedule.errors import BadLength, BadRhythm, NoOpenBand, SessionNotFound
from profiles.schedule.guardian_rules import RuleKind
from profiles.schedule.mode_decision import AfterSchool, Span
from profiles.schedule.models import Activity, ActivityTablet, GuardianRule, LessonSession, PupilRhythm
from profiles.schedule.night import read_night
from profiles.schedule.place_schedule import Rhythm
from profiles.schedule.repository import ModeRepository
from profiles.schedule.service import read_said
from profiles.schedule.session_rules import BadDuration, NoBand, Preset, activity_span, extended, session_span
from profiles.schedule.timetable import BadTimetable


def start_session(
    work: UnitOfWork,
    actor: Actor,
    town_id: UUID,
    school_id: UUID,
    class_id: UUID,
    *,
    minutes: int,
    preset: Preset,
    apps: Sequence[str],
    sites: Sequence[str],
) -> LessonSession:
    """Begin a class session; one that runs ends first. Raises `BadLength`, `NoOpenBand`."""
    actor.require_permission(Permission.CARE, town_id, school_id)
    repository = ModeRepository(work.session)
    rhythm, facts = _rhythm_of_class(work, town_id, class_id)
    if facts.school_id != school_id:
        raise SessionNotFound
    try:
        span = session_span(rhythm, work.now, minutes)
    except BadDuration as error:
        raise BadLength(field="minutes") from error
    except NoBand as error:
        raise NoOpenBand from error
    running = repository.sessions([class_id], work.now).get(class_id)
    if running is not None:
        running.ends = work.now
    row = LessonSession(
        town_id=town_id, class_id=class_id, starts=span.starts, ends=span.ends, preset=preset, apps=sorted(set(apps)),
        sites=sorted(set(sites)), started_by=actor.account_id,
    )  # fmt: skip
    audit.record_event(work, actor, "session.start", "class", class_id, town_id=town_id, minutes=minutes, preset=preset.value)
    repository.add(row)
    work.enqueue_selected_jobs(Topic.DECIDE, TabletRepository(work.session).of_class(class_id))
    return row


def extend_session(work: UnitOfWork, actor: Actor, session_id: UUID) -> LessonSession:
    """Ten minutes more. Raises `SessionNotFound`, `NoOpenBand`."""
    row, rhythm = _running(work, actor, session_id)
    try:
        span = extended(rhythm, Span(row.starts, row.ends), work.now)
    except NoBand as error:
        raise NoOpenBand from error
    audit.record_event(work, actor, "session.extend", "class", row.class_id, town_id=row.town_id)
    row.ends = span.ends
    work.session.flush()
    work.enqueue_selected_jobs(Topic.DECIDE, TabletRepository(work.session).of_class(row.class_id))
    return row


def end_session(work: UnitOfWork, actor: Actor, session_id: UUID) -> None:
    """End a session now. Raises `SessionNotFound`."""
    row, _ = _running(work, actor, session_id)
    audit.record_event(work, actor, "session.end", "class", row.class_id, town_id=row.town_id)
    row.ends = work.now
    work.session.flush()
    work.enqueue_selected_jobs(Topic.DECIDE, TabletRepository(work.session).of_class(row.class_id))


def _running(work: UnitOfWork, actor: Actor, session_id: UUID) -> tuple[LessonSession, Rhythm]:
    row = ModeRepository(work.session).lesson(actor, session_id)
    if row is None or row.ends <= work.now:
        raise SessionNotFound
    rhythm, facts = _rhythm_of_class(work, row.town_id, row.class_id)
    actor.require_permission(Permission.CARE, row.town_id, facts.school_id)
    return row, rhythm


def _rhythm_of_class(work: UnitOfWork, town_id: UUID, class_id: UUID) -> tuple[Rhythm, TabletFacts]:
    """The rhythm of a class, as its tablets have it. Raises `NoOpenBand` for a class without tablets or timetable."""
    for facts in facts_for(work, ModeRepository(work.session).one_of_class(class_id)).values():
        rhythm = read_said(work, [town_id]).rhythm(facts) if facts.town_id == town_id else None
        if rhythm is not None:
            return rhythm, facts
    raise NoOpenBand


def start_activity(
    work: UnitOfWork, actor: Actor, town_id: UUID, school_id: UUID, tablet_ids: Sequence[UUID], *, minutes: int
) -> Activity:
    """Begin an activity with some tablets of a school. Raises `BadLength`, `NoOpenBand`."""
    actor.require_permission(Permission.CARE, town_id, school_id)
    facts = [each for each in facts_for(work, tablet_ids).values() if (each.town_id, each.school_id) == (town_id, school_id)]
    rhythm = read_said(work, [town_id]).rhythm(facts[0]) if facts else None
    if rhythm is None:
        raise NoOpenBand
    try:
        span = activity_span(rhythm, work.now, minutes)
    except BadDuration as error:
        raise BadLength(field="minutes") from error
    except NoBand as error:
        raise NoOpenBand from error
    row = Activity(town_id=town_id, school_id=school_id, starts=span.starts, ends=span.ends, started_by=actor.account_id)
    repository = ModeRepository(work.session)
    repository.add(row)
    audit.record_event(work, actor, "activity.start", "school", school_id, town_id=town_id, tablets=len(facts), minutes=minutes)
    work.session.add_all(ActivityTablet(activity_id=row.id, tablet_id=each.tablet_id) for each in facts)
    work.session.flush()
    work.enqueue_selected_jobs(Topic.DECIDE, TabletRepository(work.session).among([each.tablet_id for each in facts]))
    return row


def set_after_school(work: UnitOfWork, actor: Actor, town_id: UUID, school_id: UUID, pupil_id: UUID, where: AfterSchool) -> None:
    """Note where a pupil is in after-school bands. Raises `NotFound` for a pupil of elsewhere."""
    actor.require_permission(Permission.AUTHOR, town_id, school_id)
    _require_pupil(work, actor, town_id, pupil_id, school_id)
    audit.record_event(work, actor, "pupil.after_school", "pupil", pupil_id, town_id=town_id, where=where.value)
    row = ModeRepository(work.session).pupil_rhythm(pupil_id)
    if row is None:
        work.session.add(PupilRhythm(pupil_id=pupil_id, town_id=town_id, after_school=where))
    else:
        row.after_school = where
    work.session.flush()
    _look_pupil(work, pupil_id)


def write_guardian_rule(
    work: UnitOfWork,
    actor: Actor,
    town_id: UUID,
    pupil_id: UUID,
    guardian_id: UUID,
    *,
    kind: RuleKind,
    subject: str = "",
    window: tuple[str, str] | None = None,
    minutes: int | None = None,
) -> GuardianRule:
    """Add a rule that a guardian asked for; it can only tighten. Raises `BadRhythm`, `NotFound` for a pupil of elsewhere."""
    actor.require_permission(Permission.CARE, town_id)
    _require_pupil(work, actor, town_id, pupil_id)
    if kind is RuleKind.PAUSE:
        if minutes is None or not 5 <= minutes <= 24 * 60:
            raise BadRhythm(field="minutes", why="out_of_range")
    elif kind is RuleKind.HIDE_APP and not subject:
        raise BadRhythm(field="subject", why="missing")
    try:
        hours = None
        if window is not None or kind is RuleKind.QUIET:
            given = window or ("", "")
            night = read_night(*given)
            hours = (night.starts, night.ends)
    except BadTimetable as error:
        raise BadRhythm(field=f"window.{error.field}", why=error.why) from error
    row = GuardianRule(
        town_id=town_id, pupil_id=pupil_id, guardian_id=guardian_id, kind=kind, subject=subject[:155],
        window_from=hours[0] if hours else None, window_to=hours[1] if hours else None,
        starts=work.now if minutes else None, ends=work.now + timedelta(minutes=minutes) if minutes else None,
        written_at=work.now,
    )  # fmt: skip
    audit.record_event(work, actor, "guardian_rule.write", "pupil", pupil_id, town_id=town_id, kind=kind.value)
    ModeRepository(work.session).add(row)
    _look_pupil(work, pupil_id)
    return row


def withdraw_guardian_rule(work: UnitOfWork, actor: Actor, rule_id: UUID) -> None:
    """Take a rule back; it stays as history. Raises `SessionNotFound`."""
    row = ModeRepository(work.session).guardian_rule(actor, rule_id)
    if row is None or row.withdrawn_at is not None:
        raise SessionNotFound
    actor.require_permission(Permission.CARE, row.town_id)
    audit.record_event(work, actor, "guardian_rule.withdraw", "pupil", row.pupil_id, town_id=row.town_id, kind=row.kind.value)
    row.withdrawn_at = work.now
    work.session.flush()
    _look_pupil(work, row.pupil_id)


def _require_pupil(work: UnitOfWork, actor: Actor, town_id: UUID, pupil_id: UUID, school_id: UUID | None = None) -> None:
    """The caller names the town, whose right was checked: the pupil must be one of it."""
    pupil = PeopleRepository(work.session).pupil(actor, pupil_id)
    if pupil is None or pupil.town_id != town_id or school_id not in (None, pupil.school_id):
        raise NotFound(field="pupil_id")


def _look_pupil(work: UnitOfWork, pupil_id: UUID) -> None:
    repository = TabletRepository(work.session)
    work.enqueue_selected_jobs(Topic.DECIDE, repository.among(repository.of_pupils([pupil_id])))
