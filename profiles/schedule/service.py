"""The mode of tablets now: reads what was said about time, builds each tablet's plan, keeps the mode and the next look.

Rules are in `plan`; what people write is in `authoring`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cartable.unit_of_work import UnitOfWork
from enrollment.facts import TabletFacts
from enrollment.places.models import School, Town
from enrollment.tablets.models import TabletState
from profiles.schedule.calendar import Calendar
from profiles.schedule.day_exceptions import Override, Scope
from profiles.schedule.guardian_rules import Rule, RuleKind, hidden_apps
from profiles.schedule.local_time import day_of, instant_of
from profiles.schedule.mapping import calendar_from, override_from
from profiles.schedule.mode_decision import AfterSchool, Plan, Span, Verdict, next_change, quiet_rhythm, verdict_at
from profiles.schedule.models import Activity, GuardianRule, LessonSession, TabletMode, Timetable
from profiles.schedule.modes import Mode
from profiles.schedule.night import Night
from profiles.schedule.official_calendars import ZONES, library_calendar, region_of
from profiles.schedule.place_schedule import Exam, Rhythm
from profiles.schedule.repository import ModeRepository
from profiles.schedule.timetable import read_week

#: A tablet is looked at again by then, whatever was said.
LOOK_AT_LEAST = timedelta(days=7)
#: A look that came to nothing (a worker died) is repeated after this time.
LOOK_AGAIN = timedelta(minutes=5)
DEVICE_MODES = {
    TabletState.LOST: Mode.LOST,
    TabletState.STOLEN: Mode.LOST,
    TabletState.FOUND: Mode.QUARANTINE,
    TabletState.RETURNED: Mode.QUARANTINE,
    TabletState.STORAGE: Mode.STORAGE,
}


@dataclass(frozen=True, slots=True)
class Timed:
    """What time makes of one tablet: its plan, its mode and reasons now, the apps that guardians hide, the session it is in."""

    plan: Plan
    verdict: Verdict
    hidden: frozenset[str]
    session: LessonSession | None
    next_look: datetime | None

    @property
    def mode(self) -> Mode:
        return self.verdict.mode


@dataclass(slots=True)
class Said:
    """All that was said about time in some towns, read once. Rhythms are made once per class and level."""

    towns: Mapping[UUID, Town]
    schools: Mapping[UUID, School]
    timetables: Mapping[tuple[UUID, UUID | None], Timetable]
    calendars: Mapping[tuple[UUID, str], Calendar]
    overrides: Mapping[UUID, list[tuple[UUID | None, UUID | None, Override]]]
    exams: Mapping[UUID, list[tuple[UUID | None, str | None, Exam]]]
    made: dict[tuple[object, ...], Rhythm | None] = field(default_factory=dict)

    def rhythm(self, facts: TabletFacts) -> Rhythm | None:
        """The rhythm of a tablet's class; None: nobody knows."""
        key = (facts.town_id, facts.school_id, facts.class_id, facts.level)
        if key not in self.made:
            self.made[key] = self._rhythm(facts)
        return self.made[key]

    def _rhythm(self, facts: TabletFacts) -> Rhythm | None:
        town = self.towns[facts.town_id]
        school = self.schools.get(facts.school_id) if facts.school_id else None
        row = self.timetables.get((town.id, facts.school_id)) or self.timetables.get((town.id, None))
        zone = _zone((school and school.time_zone) or town.time_zone)
        if row is None or zone is None:
            return None
        night = None if row.night_from is None or row.night_to is None else Night(row.night_from, row.night_to)
        said = self.overrides.get(town.id, [])
        exams = self.exams.get(town.id, [])
        return Rhythm(
            place=school.name if school else town.name,
            zone=zone,
            week=read_week(row.week),
            calendar=self._calendar(town, school, row.calendar),
            night=night,
            overrides=tuple(o for s, c, o in said if s in (None, facts.school_id) and c in (None, facts.class_id)),
            exams=tuple(e for s, level, e in exams if s in (None, facts.school_id) and level in (None, facts.level)),
        )

    def _calendar(self, town: Town, school: School | None, name: str) -> Calendar:
        own = self.calendars.get((town.id, name))
        if own is not None:
            return own
        zone = name if name in ZONES else (school and school.zone) or town.zone
        return library_calendar(zone if zone in ZONES else "C", region_of(school.uai) if school else None)


def read_said(work: UnitOfWork, town_ids: Iterable[UUID]) -> Said:
    """Read what these towns said about time, in a constant number of queries."""
    repository, ids = ModeRepository(work.session), sorted(set(town_ids), key=str)
    overrides: dict[UUID, list[tuple[UUID | None, UUID | None, Override]]] = {}
    for row in repository.overrides(ids):
        scope = Scope.CLASS if row.class_id else Scope.SCHOOL if row.school_id else Scope.TOWN
        overrides.setdefault(row.town_id, []).append((row.school_id, row.class_id, override_from(row, scope)))
    exams: dict[UUID, list[tuple[UUID | None, str | None, Exam]]] = {}
    for exam in repository.exams(ids):
        exams.setdefault(exam.town_id, []).append((exam.school_id, exam.level, Exam(exam.day, exam.starts, exam.ends)))
    return Said(
        towns=repository.towns(ids),
        schools=repository.schools(ids),
        timetables=repository.timetables(ids),
        calendars={key: calendar_from(row) for key, row in repository.calendars(ids).items()},
        overrides=overrides,
        exams=exams,
    )


def timed(work: UnitOfWork, facts: Iterable[TabletFacts], at: datetime | None = None) -> dict[UUID, Timed]:
    """What time makes of each tablet at an instant (now), in a constant number of queries. Equal plans are computed once."""
    tablets, at = list(facts), at or work.now
    repository = ModeRepository(work.session)
    said = read_said(work, (each.town_id for each in tablets))
    pupils = [each.pupil_id for each in tablets if each.pupil_id]
    attends, rules = repository.after_school(pupils), repository.guardian_rules(pupils)
    sessions = repository.sessions({each.class_id for each in tablets if each.class_id}, at)
    activities = repository.activities([each.tablet_id for each in tablets], at)
    found: dict[UUID, Timed] = {}
    known: dict[tuple[object, ...], Timed] = {}
    for each in tablets:
        rhythm = said.rhythm(each)
        own = rules.get(each.pupil_id, []) if each.pupil_id else []
        after = attends.get(each.pupil_id, AfterSchool.UNKNOWN) if each.pupil_id else AfterSchool.UNKNOWN
        session = sessions.get(each.class_id) if each.class_id else None
        activity = activities.get(each.tablet_id)
        device = DEVICE_MODES.get(each.state)
        key = (id(rhythm), device, after, session and session.id, activity and activity.id, tuple(rule.id for rule in own))
        if key not in known:
            known[key] = _timed(_plan(rhythm, device, after, session, activity, own), own, session, at)
        found[each.tablet_id] = known[key]
    return found


def _plan(
    rhythm: Rhythm | None,
    device: Mode | None,
    after: AfterSchool,
    session: LessonSession | None,
    activity: Activity | None,
    rules: list[GuardianRule],
) -> Plan:
    pauses = (Span(r.starts, r.ends) for r in rules if r.kind is RuleKind.PAUSE and r.starts and r.ends)
    nights = [r for r in rules if r.kind is RuleKind.QUIET and r.window_from is not None and r.window_to is not None]
    return Plan(
        rhythms=() if rhythm is None else (rhythm,),
        device=device,
        after_school=after,
        session=Span(session.starts, session.ends) if session else None,
        activity=Span(activity.starts, activity.ends) if activity else None,
        pauses=tuple(pauses),
        quiet=() if rhythm is None else tuple(quiet_rhythm(rhythm, r.window_from or 0, r.window_to or 0) for r in nights),
    )


def _timed(plan: Plan, rows: list[GuardianRule], session: LessonSession | None, at: datetime) -> Timed:
    rules = [rule_from(row) for row in rows]
    looks = [at + LOOK_AT_LEAST, next_change(plan, at), *(_next_edge(rule, plan, at) for rule in rules)]
    return Timed(
        plan=plan,
        verdict=verdict_at(plan, at),
        hidden=hidden_apps(rules, plan, at),
        session=session if session is not None and session.starts <= at < session.ends else None,
        next_look=min(look for look in looks if look is not None),
    )


def rule_from(row: GuardianRule) -> Rule:
    """A stored rule as the rules of guardians read it."""
    window = None if row.window_from is None or row.window_to is None else (row.window_from, row.window_to)
    span = Span(row.starts, row.ends) if row.starts and row.ends else None
    return Rule(row.kind, row.guardian_id, row.subject, window, span, row.priority)


def _next_edge(rule: Rule, plan: Plan, at: datetime) -> datetime | None:
    """When a rule may begin or end to hold: at its own hours, and where the school day suspends it."""
    if rule.kind in (RuleKind.QUIET, RuleKind.PAUSE) or not plan.rhythms:
        return None
    rhythm = plan.rhythms[0]
    edges = [rhythm.stretch_at(at).ends]
    if rule.window is not None:
        today = day_of(at, rhythm.zone)
        for day in (today, today + timedelta(days=1)):
            edges += [instant_of(day, minute, rhythm.zone) for minute in rule.window]
    if rule.span is not None:
        edges += [rule.span.starts, rule.span.ends]
    return min((edge for edge in edges if edge > at), default=None)


def keep(work: UnitOfWork, facts: Mapping[UUID, TabletFacts], modes: Mapping[UUID, Timed]) -> None:
    """Remember the mode of each tablet and when to look again."""
    repository = ModeRepository(work.session)
    rows = repository.modes(list(modes))
    for tablet_id, each in modes.items():
        row = rows.get(tablet_id)
        if row is None:
            town_id = facts[tablet_id].town_id
            row = TabletMode(tablet_id=tablet_id, town_id=town_id, mode=each.mode, since=work.now, next_look=each.next_look)
            work.session.add(row)
        elif row.mode is not each.mode:
            row.mode, row.since = each.mode, work.now
        row.next_look = each.next_look


def _zone(name: str) -> ZoneInfo | None:
    """The time zone; None when nobody knows it: then the strict mode holds."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return None
