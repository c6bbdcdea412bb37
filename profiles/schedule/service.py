"""Evaluates the modes of tablets: loads schedules and builds the inputs of each tablet. What comes of it is saved in `current_modes`.

The rules are in `mode_decision`; changes of schedules are in `authoring` and `sessions`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from cartable.unit_of_work import UnitOfWork
from enrollment.facts import TabletFacts
from enrollment.places.models import Grade, School, Town
from enrollment.places.zones import HolidayZone
from enrollment.tablets.models import TabletState
from profiles.schedule.calendar import FOLLOW_ZONE, RESERVED_NAMES, Calendar, update_calendar
from profiles.schedule.day_exceptions import DayOverride, OverrideScope
from profiles.schedule.guardian_rules import (
    GuardianRestriction,
    GuardianRuleKind,
    GuardianSites,
    find_guardian_sites,
    list_hidden_apps,
)
from profiles.schedule.local_time import get_time_zone, to_instant, to_local_day
from profiles.schedule.mapping import list_periods, to_calendar, to_day_override
from profiles.schedule.mode_decision import (
    AfterSchool,
    ModeDecision,
    ModeInputs,
    Span,
    build_quiet_schedule,
    decide_mode,
    find_next_change,
)
from profiles.schedule.models import Activity, ClassSession, GuardianRule, Timetable, TownCalendar
from profiles.schedule.modes import Mode
from profiles.schedule.night import Night
from profiles.schedule.official_calendars import get_official_calendar, get_region, list_zone_periods
from profiles.schedule.place_schedule import ExamHours, Schedule
from profiles.schedule.repository import ScheduleRepository
from profiles.schedule.timetable import parse_week

#: A tablet is evaluated again after this time at the latest.
MAX_EVALUATION_INTERVAL = timedelta(days=7)
DEVICE_MODES = {
    TabletState.LOST: Mode.LOST,
    TabletState.STOLEN: Mode.LOST,
    TabletState.FOUND: Mode.QUARANTINE,
    TabletState.RETURNED: Mode.QUARANTINE,
    TabletState.STORAGE: Mode.STORAGE,
}


@dataclass(frozen=True, slots=True)
class ModeEvaluation:
    """The result for one tablet: its inputs, the mode and its reasons, what guardians restrict, its class session, and when it must
    be evaluated again.
    """

    inputs: ModeInputs
    decision: ModeDecision
    hidden_apps: frozenset[str]
    session: ClassSession | None
    next_evaluation_at: datetime | None
    guardian_sites: GuardianSites | None = None
    #: Nothing of a person is among the inputs: no session, no activity, no guardian's rule, and the tablet's state imposes nothing.
    depends_on_schedule_only: bool = False

    @property
    def mode(self) -> Mode:
        return self.decision.mode


class PlaceOfSchedule(Protocol):
    """Whose schedule it is: the facts of a tablet, or those that a group of tablets shares."""

    @property
    def town_id(self) -> UUID: ...

    @property
    def school_id(self) -> UUID | None: ...

    @property
    def class_id(self) -> UUID | None: ...

    @property
    def grade(self) -> Grade | None: ...


@dataclass(slots=True)
class ScheduleData:
    """Everything that towns stored about their schedules, loaded once.

    Classes with the same timetable, calendar, exceptions and exams share one `Schedule`, and with it what is computed from it.
    """

    towns: Mapping[UUID, Town]
    schools: Mapping[UUID, School]
    timetables: Mapping[tuple[UUID, UUID | None], Timetable]
    calendars: Mapping[tuple[UUID, str], TownCalendar]
    overrides: Mapping[UUID, list[tuple[UUID | None, UUID | None, DayOverride]]]
    exams: Mapping[UUID, list[tuple[UUID | None, str | None, ExamHours]]]
    _schedules_by_class: dict[tuple[object, ...], Schedule | None] = field(default_factory=dict)
    _schedules: dict[tuple[object, ...], Schedule | None] = field(default_factory=dict)

    def get_schedule(self, facts: PlaceOfSchedule) -> Schedule | None:
        """Return the schedule of a tablet's class; None when there is no timetable or no valid time zone."""
        class_key = (facts.town_id, facts.school_id, facts.class_id, facts.grade)
        if class_key not in self._schedules_by_class:
            overrides, exams = self._list_overrides(facts), self._list_exams(facts)
            key = (facts.town_id, facts.school_id, overrides, exams)
            if key not in self._schedules:
                self._schedules[key] = self._build_schedule(facts, overrides, exams)
            self._schedules_by_class[class_key] = self._schedules[key]
        return self._schedules_by_class[class_key]

    def _list_overrides(self, facts: PlaceOfSchedule) -> tuple[DayOverride, ...]:
        return tuple(
            override
            for school_id, class_id, override in self.overrides.get(facts.town_id, [])
            if school_id in (None, facts.school_id) and class_id in (None, facts.class_id)
        )

    def _list_exams(self, facts: PlaceOfSchedule) -> tuple[ExamHours, ...]:
        return tuple(
            exam
            for school_id, grade, exam in self.exams.get(facts.town_id, [])
            if school_id in (None, facts.school_id) and grade in (None, facts.grade)
        )

    def _build_schedule(
        self, facts: PlaceOfSchedule, overrides: tuple[DayOverride, ...], exams: tuple[ExamHours, ...]
    ) -> Schedule | None:
        town = self.towns[facts.town_id]
        school = self.schools.get(facts.school_id) if facts.school_id else None
        row = self.timetables.get((town.id, facts.school_id)) or self.timetables.get((town.id, None))
        zone = get_time_zone((school and school.time_zone) or town.time_zone)
        if row is None or zone is None:
            return None
        night = None if row.night_from is None or row.night_to is None else Night(row.night_from, row.night_to)
        return Schedule(
            place=school.name if school else town.name,
            zone=zone,
            week=parse_week(row.week),
            calendar=self._get_calendar(town, school, row.calendar),
            night=night,
            overrides=overrides,
            exams=exams,
        )

    def get_town_calendar(self, town: Town) -> Calendar:
        """Return the calendar that a town's timetable follows; without a timetable, that of its zone."""
        row = self.timetables.get((town.id, None))
        return self._get_calendar(town, None, row.calendar if row is not None else FOLLOW_ZONE)

    def _get_calendar(self, town: Town, school: School | None, name: str) -> Calendar:
        """Return the calendar of that name. The calendar of a zone is the official one, updated by the file that the town imported; a
        calendar of the town has the public holidays of the zone as well as its own.
        """
        own_zone = (school and school.zone) or town.zone
        zone = HolidayZone(name) if name in {*HolidayZone} else own_zone
        official = get_official_calendar(zone, get_region(school.uai) if school else None)
        row = self.calendars.get((town.id, zone if name in RESERVED_NAMES else name))
        if row is None:
            return official
        if name in RESERVED_NAMES:
            return update_calendar(official, list_zone_periods(zone), list_periods(row), row.known_until)
        return to_calendar(row, official.public_holidays)


def load_schedules(work: UnitOfWork, town_ids: Iterable[UUID]) -> ScheduleData:
    """Load the schedules of these towns, in a constant number of queries."""
    repository, ids = ScheduleRepository(work.session), sorted(set(town_ids), key=str)
    overrides: dict[UUID, list[tuple[UUID | None, UUID | None, DayOverride]]] = {}
    for row in repository.list_overrides(ids):
        scope = OverrideScope.CLASS if row.class_id else OverrideScope.SCHOOL if row.school_id else OverrideScope.TOWN
        overrides.setdefault(row.town_id, []).append((row.school_id, row.class_id, to_day_override(row, scope)))
    exams: dict[UUID, list[tuple[UUID | None, str | None, ExamHours]]] = {}
    for exam in repository.list_exams(ids):
        exams.setdefault(exam.town_id, []).append((exam.school_id, exam.grade, ExamHours(exam.day, exam.starts, exam.ends)))
    return ScheduleData(
        towns=repository.get_towns(ids),
        schools=repository.get_schools(ids),
        timetables=repository.get_timetables(ids),
        calendars=repository.get_calendars(ids),
        overrides=overrides,
        exams=exams,
    )


def evaluate_modes(work: UnitOfWork, facts: Iterable[TabletFacts], at: datetime | None = None) -> dict[UUID, ModeEvaluation]:
    """Evaluate the mode of each tablet at `at` (default: now), in a constant number of queries.

    Tablets with equal inputs share one evaluation.
    """
    tablets, at = list(facts), at or work.now
    repository = ScheduleRepository(work.session)
    schedule_data = load_schedules(work, (tablet.town_id for tablet in tablets))
    pupil_ids = [tablet.pupil_id for tablet in tablets if tablet.pupil_id]
    after_school_by_pupil = repository.get_after_school_by_pupil(pupil_ids)
    rules_by_pupil = repository.get_rules_by_pupil(pupil_ids)
    sessions = repository.get_running_sessions({tablet.class_id for tablet in tablets if tablet.class_id}, at)
    absent_pupils = repository.find_absent_pupils(pupil_ids, at) if sessions else frozenset()
    activities = repository.get_running_activities([tablet.tablet_id for tablet in tablets], at)
    evaluations: dict[UUID, ModeEvaluation] = {}
    evaluations_by_key: dict[tuple[object, ...], ModeEvaluation] = {}
    for tablet in tablets:
        schedule = schedule_data.get_schedule(tablet)
        rules = rules_by_pupil.get(tablet.pupil_id, []) if tablet.pupil_id else []
        after_school = AfterSchool.UNKNOWN
        if tablet.pupil_id:
            after_school = after_school_by_pupil.get(tablet.pupil_id, AfterSchool.UNKNOWN)
        session = sessions.get(tablet.class_id) if tablet.class_id and tablet.pupil_id not in absent_pupils else None
        activity = activities.get(tablet.tablet_id)
        device_mode = DEVICE_MODES.get(tablet.state)
        rule_ids = tuple(rule.id for rule in rules)
        is_staff = tablet.staff_id is not None
        key = (id(schedule), device_mode, after_school, session and session.id, activity and activity.id, rule_ids, is_staff)
        if key not in evaluations_by_key:
            inputs = replace(_build_inputs(schedule, device_mode, after_school, session, activity, rules), is_staff=is_staff)
            evaluations_by_key[key] = _evaluate(inputs, rules, session, at)
        evaluations[tablet.tablet_id] = evaluations_by_key[key]
    return evaluations


def evaluate_schedule(schedule: Schedule | None, after_school: AfterSchool, at: datetime, *, is_staff: bool) -> ModeEvaluation:
    """Return the evaluation of a tablet whose mode depends on its schedule only."""
    return _evaluate(replace(_build_inputs(schedule, None, after_school, None, None, []), is_staff=is_staff), [], None, at)


def _build_inputs(
    schedule: Schedule | None,
    device_mode: Mode | None,
    after_school: AfterSchool,
    session: ClassSession | None,
    activity: Activity | None,
    rules: list[GuardianRule],
) -> ModeInputs:
    pauses = (Span(rule.starts, rule.ends) for rule in rules if rule.kind is GuardianRuleKind.PAUSE and rule.starts and rule.ends)
    nights = [
        (rule.window_from, rule.window_to)
        for rule in rules
        if rule.kind is GuardianRuleKind.QUIET and rule.window_from is not None and rule.window_to is not None
    ]
    return ModeInputs(
        schedules=() if schedule is None else (schedule,),
        device_mode=device_mode,
        after_school=after_school,
        session=Span(session.starts, session.ends) if session else None,
        activity=Span(activity.starts, activity.ends) if activity else None,
        pauses=tuple(pauses),
        quiet_schedules=() if schedule is None else tuple(build_quiet_schedule(schedule, *night) for night in nights),
    )


def _evaluate(inputs: ModeInputs, rows: list[GuardianRule], session: ClassSession | None, at: datetime) -> ModeEvaluation:
    restrictions = [to_restriction(row) for row in rows]
    changes = [
        at + MAX_EVALUATION_INTERVAL,
        find_next_change(inputs, at),
        *(_next_rule_edge(restriction, inputs, at) for restriction in restrictions),
    ]
    return ModeEvaluation(
        inputs=inputs,
        decision=decide_mode(inputs, at),
        hidden_apps=list_hidden_apps(restrictions, inputs, at),
        session=session if session is not None and session.starts <= at < session.ends else None,
        next_evaluation_at=min(change for change in changes if change is not None),
        guardian_sites=find_guardian_sites(restrictions, rows[0].pupil_id, inputs, at) if rows else None,
        depends_on_schedule_only=not rows and session is None and inputs.activity is None and inputs.device_mode is None,
    )


def to_restriction(row: GuardianRule) -> GuardianRestriction:
    """Convert a stored rule to the value that `guardian_rules` reads."""
    window = None if row.window_from is None or row.window_to is None else (row.window_from, row.window_to)
    span = Span(row.starts, row.ends) if row.starts and row.ends else None
    return GuardianRestriction(row.kind, row.guardian_id, row.subject, window, span, row.priority)


def _next_rule_edge(restriction: GuardianRestriction, inputs: ModeInputs, at: datetime) -> datetime | None:
    """Return when a rule may next start or stop applying: at its own hours, or where the school day suspends it."""
    if restriction.kind in (GuardianRuleKind.QUIET, GuardianRuleKind.PAUSE) or not inputs.schedules:
        return None
    schedule = inputs.schedules[0]
    edges = [schedule.get_segment_at(at).ends]
    if restriction.window is not None:
        today = to_local_day(at, schedule.zone)
        for day in (today, today + timedelta(days=1)):
            edges += [to_instant(day, minute, schedule.zone) for minute in restriction.window]
    if restriction.span is not None:
        edges += [restriction.span.starts, restriction.span.ends]
    return min((edge for edge in edges if edge > at), default=None)
