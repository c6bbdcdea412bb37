"""The mode of a tablet at an instant: the vectors of schools.md section 21, who overrides whom, nights when clocks change."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiles.schedule.day_exceptions import Override, OverrideKind, Scope
from profiles.schedule.guardian_rules import Rule, RuleKind, Standing, Why, hidden_apps, standings
from profiles.schedule.local_time import instant_of, zone_of
from profiles.schedule.mode_decision import (
    HORIZON,
    STRICTNESS,
    AfterSchool,
    Plan,
    Reason,
    Span,
    mode_at,
    modes_at,
    next_change,
    quiet_rhythm,
    verdict_at,
)
from profiles.schedule.modes import Mode
from profiles.schedule.night import DEFAULT_NIGHT, Night
from profiles.schedule.official_calendars import library_calendar
from profiles.schedule.place_schedule import Because, Exam, Rhythm
from profiles.schedule.session_rules import BadDuration, NoBand, activity_span, extended, session_span, warns_at
from profiles.schedule.timetable import EMPTY_WEEK
from tests.profiles.schedule.places import FOUR_DAYS, PARIS, paris, rhythm

WRITTEN = datetime(2026, 9, 1, tzinfo=UTC)


def override(first: str, last: str, kind: OverrideKind, scope: Scope = Scope.SCHOOL, **more: object) -> Override:
    values: dict[str, object] = {"written_at": WRITTEN, **more}
    return Override(date.fromisoformat(first), date.fromisoformat(last), kind, scope, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("at", "mode"),
    [
        ("2026-10-16 10:00", Mode.SCHOOL), ("2026-10-16 17:00", Mode.AFTER_SCHOOL), ("2026-10-17 10:00", Mode.HOLIDAY),
        ("2026-11-02 09:00", Mode.SCHOOL), ("2026-11-11 10:00", Mode.HOME), ("2026-11-18 10:00", Mode.AFTER_SCHOOL),
        ("2026-12-18 20:30", Mode.NIGHT_REST), ("2027-01-04 09:00", Mode.SCHOOL), ("2027-05-07 10:00", Mode.HOLIDAY),
        ("2026-05-15 10:00", Mode.SCHOOL),  # not published as a bridge: a town says so itself, see below
        ("2027-03-28 02:30", Mode.NIGHT_REST), ("2027-10-31 02:30", Mode.NIGHT_REST),
        ("2026-11-23 08:19", Mode.AFTER_SCHOOL), ("2026-11-23 08:20", Mode.SCHOOL), ("2026-11-23 11:30", Mode.AFTER_SCHOOL),
        ("2026-11-23 18:30", Mode.HOME), ("2026-11-23 06:59", Mode.NIGHT_REST), ("2026-11-23 07:00", Mode.HOME),
        ("2028-12-25 10:00", Mode.HOME), ("2028-11-06 10:00", Mode.SCHOOL),  # beyond the data: the weekly rhythm, public days
    ],
)  # fmt: skip
def test_the_vectors_of_the_calendar(at: str, mode: Mode) -> None:
    assert mode_at(Plan((rhythm(),)), paris(at)) is mode


def test_a_bridge_that_nobody_published_is_an_exception_of_the_town() -> None:
    bridge = override("2026-05-15", "2026-05-15", OverrideKind.NO_SCHOOL, Scope.TOWN)
    assert mode_at(Plan((rhythm(overrides=(bridge,)),)), paris("2026-05-15 10:00")) is Mode.HOME


def test_the_hour_that_does_not_exist_and_the_hour_that_comes_twice_are_one_night() -> None:
    plan = Plan((rhythm(),))
    spring = paris("2027-03-27 20:00")
    assert next_change(plan, spring) == paris("2027-03-28 07:00") == spring + timedelta(hours=10)
    autumn = paris("2027-10-30 20:00")
    assert next_change(plan, autumn) == paris("2027-10-31 07:00") == autumn + timedelta(hours=12)
    for minutes in range(0, 13 * 60, 10):
        at = autumn + timedelta(minutes=minutes)
        assert mode_at(plan, at) is (Mode.NIGHT_REST if minutes < 12 * 60 else Mode.HOLIDAY)


@pytest.mark.parametrize("day", [date(2027, 3, 28), date(2027, 10, 31), date(2026, 11, 23)])
def test_instants_never_go_back(day: date) -> None:
    instants = [instant_of(day, minute, PARIS) for minute in range(24 * 60 + 1)]
    assert instants == sorted(instants)
    assert instant_of(date(2027, 3, 28), 150, PARIS) == datetime(2027, 3, 28, 1, tzinfo=UTC)
    assert instant_of(date(2027, 10, 31), 150, PARIS) == datetime(2027, 10, 31, 0, 30, tzinfo=UTC)


def test_a_night_that_begins_in_the_missing_hour_begins_when_the_clock_jumps() -> None:
    plan = Plan((rhythm(night=Night(150, 420)),))
    assert mode_at(plan, datetime(2027, 3, 28, 0, 59, tzinfo=UTC)) is Mode.HOME
    assert mode_at(plan, datetime(2027, 3, 28, 1, tzinfo=UTC)) is Mode.NIGHT_REST


def test_overseas_schools_live_by_their_own_clock() -> None:
    reunion = rhythm(zone=ZoneInfo("Indian/Reunion"), calendar=library_calendar("C", "974"))
    assert mode_at(Plan((reunion,)), datetime(2026, 11, 23, 4, 20, tzinfo=UTC)) is Mode.SCHOOL  # 08:20 there, 05:20 in Paris
    assert mode_at(Plan((rhythm(),)), datetime(2026, 11, 23, 4, 20, tzinfo=UTC)) is Mode.NIGHT_REST
    tahiti = rhythm(zone=ZoneInfo("Pacific/Tahiti"))
    assert mode_at(Plan((tahiti,)), datetime(2026, 11, 24, 3, 0, tzinfo=UTC)) is Mode.AFTER_SCHOOL  # Monday 17:00


def test_a_tablet_of_an_unknown_zone_or_without_a_timetable_stays_strict() -> None:
    assert zone_of("Mars/Olympus") is None
    verdict = verdict_at(Plan(()), paris("2026-11-28 15:00"))
    assert (verdict.mode, verdict.winner.reason) == (Mode.SCHOOL, Reason.NO_TIMETABLE)
    assert next_change(Plan(()), paris("2026-11-28 15:00")) is None


def test_offline_from_friday_to_monday_the_timetable_alone_says_school() -> None:
    assert mode_at(Plan((rhythm(),)), paris("2026-11-23 09:10")) is Mode.SCHOOL


@pytest.mark.parametrize(
    ("kind", "more", "expected"),
    [
        (OverrideKind.NO_SCHOOL, {}, {"10:00": Mode.HOME, "17:00": Mode.HOME, "21:00": Mode.NIGHT_REST}),
        (OverrideKind.CLOSED, {"window": (450, 1110)}, {"10:00": Mode.AFTER_SCHOOL, "18:29": Mode.AFTER_SCHOOL, "18:30": Mode.HOME}),
        (OverrideKind.EARLY_END, {"at": 690}, {"09:00": Mode.SCHOOL, "11:30": Mode.HOME, "14:00": Mode.HOME, "17:00": Mode.HOME}),
        (OverrideKind.LATE_START, {"at": 600}, {"08:30": Mode.HOME, "10:00": Mode.SCHOOL, "17:00": Mode.AFTER_SCHOOL}),
        (OverrideKind.TRIP, {}, {"10:00": Mode.TRIP, "17:00": Mode.TRIP, "20:00": Mode.NIGHT_REST, "05:00": Mode.NIGHT_REST}),
    ],
)  # fmt: skip
def test_each_exception_of_a_day(kind: OverrideKind, more: dict[str, object], expected: dict[str, Mode]) -> None:
    plan = Plan((rhythm(overrides=(override("2027-01-08", "2027-01-08", kind, Scope.SCHOOL, **more),)),))
    assert {time: mode_at(plan, paris(f"2027-01-08 {time}")) for time in expected} == expected


def test_a_worked_saturday_and_a_worked_holiday() -> None:
    saturday = override("2027-01-09", "2027-01-09", OverrideKind.SCHOOL_DAY)
    wednesday = override("2027-02-10", "2027-02-10", OverrideKind.SCHOOL_DAY, like=2)
    plan = Plan((rhythm(overrides=(saturday, wednesday)),))
    assert mode_at(plan, paris("2027-01-09 09:00")) is Mode.SCHOOL
    assert mode_at(plan, paris("2027-02-10 09:00")) is Mode.AFTER_SCHOOL
    assert mode_at(plan, paris("2027-02-10 19:00")) is Mode.HOLIDAY


def test_the_narrowest_exception_wins_and_the_last_written_among_equals() -> None:
    town = override("2027-01-08", "2027-01-08", OverrideKind.CLOSED, Scope.TOWN, written_at=WRITTEN + timedelta(days=9))
    old = override("2027-01-08", "2027-01-08", OverrideKind.EARLY_END, Scope.CLASS, at=600)
    new = override(
        "2027-01-08", "2027-01-08", OverrideKind.EARLY_END, Scope.CLASS, at=660, written_at=WRITTEN + timedelta(days=1)
    )
    for order in ((town, old, new), (new, old, town), (old, town, new)):
        plan = Plan((rhythm(overrides=order),))
        assert mode_at(plan, paris("2027-01-08 10:30")) is Mode.SCHOOL
        assert mode_at(plan, paris("2027-01-08 11:00")) is Mode.HOME


def test_a_trip_may_name_other_hours_for_the_night() -> None:
    trip = override("2027-05-26", "2027-05-28", OverrideKind.TRIP, Scope.CLASS, window=(22 * 60, 6 * 60))
    plan = Plan((rhythm(overrides=(trip,)),))
    assert mode_at(plan, paris("2027-05-26 21:30")) is Mode.TRIP
    assert mode_at(plan, paris("2027-05-27 06:30")) is Mode.TRIP
    assert mode_at(plan, paris("2027-05-29 06:30")) is Mode.HOME  # the last night is the trip's too


def test_an_exam_is_stricter_than_school_and_ends() -> None:
    plan = Plan((rhythm(exams=(Exam(date(2026, 9, 14), 540, 600),)),))
    verdict = verdict_at(plan, paris("2026-09-14 09:30"))
    assert (verdict.mode, verdict.winner.reason) == (Mode.EXAM, Because.EXAM)
    assert mode_at(plan, paris("2026-09-14 10:00")) is Mode.SCHOOL


def test_who_overrides_whom() -> None:
    school = rhythm()
    at = paris("2026-11-23 10:00")
    session = Span(at - timedelta(minutes=5), at + timedelta(minutes=40))
    verdict = verdict_at(Plan((school,), device=Mode.LOST, session=session), at)
    assert verdict.mode is Mode.LOST
    assert [claim.mode for claim in verdict.losers] == [Mode.CLASS_SESSION, Mode.SCHOOL, Mode.HOME]
    assert next_change(Plan((school,), device=Mode.LOST), at) is None
    assert mode_at(Plan((school,), session=session), at) is Mode.CLASS_SESSION
    assert next_change(Plan((school,), session=session), at) == session.ends
    assert mode_at(Plan((school,), session=session), session.ends) is Mode.SCHOOL
    early = rhythm(night=Night(20 * 60, 8 * 60))
    assert mode_at(Plan((early,)), paris("2026-11-23 07:45")) is Mode.AFTER_SCHOOL  # a band goes before night rest
    assert mode_at(Plan((early,), staff=True), paris("2026-11-23 23:00")) is Mode.HOME


def test_a_child_known_to_be_at_home_after_class() -> None:
    at = paris("2026-11-23 17:00")
    expected = {AfterSchool.UNKNOWN: Mode.AFTER_SCHOOL, AfterSchool.ATTENDS: Mode.AFTER_SCHOOL, AfterSchool.HOME: Mode.HOME}
    assert {each: mode_at(Plan((rhythm(),), after_school=each), at) for each in AfterSchool} == expected
    activity = Span(at, at + timedelta(minutes=30))
    assert mode_at(Plan((rhythm(),), after_school=AfterSchool.HOME, activity=activity), at) is Mode.AFTER_SCHOOL


def test_two_schools_of_one_pupil() -> None:
    morning = rhythm(place="A", overrides=(override("2027-01-04", "2027-01-08", OverrideKind.EARLY_END, at=690),))
    other = rhythm(place="B", exams=(Exam(date(2027, 1, 5), 540, 600),))
    plan = Plan((morning, other))
    verdict = verdict_at(plan, paris("2027-01-04 14:00"))
    assert (verdict.mode, verdict.winner.place) == (Mode.SCHOOL, "B")
    both = verdict_at(plan, paris("2027-01-05 09:30"))
    assert (both.mode, both.winner.place) == (Mode.EXAM, "B")


def test_a_pause_dies_when_school_begins_and_does_not_come_back() -> None:
    pause = Span(paris("2026-11-23 07:10"), paris("2026-11-23 12:10"))
    plan = Plan((rhythm(),), pauses=(pause,))
    assert mode_at(plan, paris("2026-11-23 07:15")) is Mode.NIGHT_REST
    assert mode_at(plan, paris("2026-11-23 08:00")) is Mode.NIGHT_REST  # the stricter: nobody knows where the child is
    assert mode_at(plan, paris("2026-11-23 09:00")) is Mode.SCHOOL
    assert mode_at(plan, paris("2026-11-23 12:00")) is Mode.AFTER_SCHOOL
    attends = Plan((rhythm(),), pauses=(pause,), after_school=AfterSchool.ATTENDS)
    assert mode_at(attends, paris("2026-11-23 08:00")) is Mode.AFTER_SCHOOL


def test_guardians_may_lengthen_the_night_and_never_shorten_it() -> None:
    longer = Plan((rhythm(),), quiet=(quiet_rhythm(rhythm(), 19 * 60, 480),))
    assert mode_at(longer, paris("2026-11-23 19:30")) is Mode.NIGHT_REST
    assert mode_at(longer, paris("2026-11-28 07:30")) is Mode.NIGHT_REST
    shorter = Plan((rhythm(),), quiet=(quiet_rhythm(rhythm(), 22 * 60, 360),))
    assert mode_at(shorter, paris("2026-11-23 20:00")) is Mode.NIGHT_REST
    assert mode_at(shorter, paris("2026-11-24 06:30")) is Mode.NIGHT_REST


VIDEO = Rule(RuleKind.HIDE_APP, uuid4(), "org.example.video", window=(18 * 60, 20 * 60))
ACTIVITY = Span(paris("2026-11-23 17:00"), paris("2026-11-23 18:15"))


@pytest.mark.parametrize(
    ("profile", "activity", "hidden_from", "reason_before"),
    [
        (AfterSchool.UNKNOWN, ACTIVITY, "18:15", Why.ACTIVITY),
        (AfterSchool.UNKNOWN, None, "18:00", Why.OUTSIDE_HOURS),
        (AfterSchool.ATTENDS, None, "18:30", Why.ATTENDS),
        (AfterSchool.HOME, None, "18:00", Why.OUTSIDE_HOURS),
    ],
)
def test_the_guardians_rule_that_hides_an_app(
    profile: AfterSchool, activity: Span | None, hidden_from: str, reason_before: Why
) -> None:
    plan = Plan((rhythm(),), after_school=profile, activity=activity)
    moment = paris(f"2026-11-23 {hidden_from}")
    assert hidden_apps([VIDEO], plan, moment - timedelta(minutes=1)) == frozenset()
    assert hidden_apps([VIDEO], plan, moment) == {"org.example.video"}
    assert hidden_apps([VIDEO], plan, paris("2026-11-23 20:00")) == frozenset()
    assert standings([VIDEO], plan, moment - timedelta(minutes=1))[0].why is reason_before


def test_a_guardian_with_a_courts_priority_decides_alone() -> None:
    ordered = Rule(RuleKind.HIDE_APP, uuid4(), "org.example.video", window=(19 * 60, 20 * 60), priority=True)
    found = standings([VIDEO, ordered], Plan((rhythm(),)), paris("2026-11-23 18:45"))
    assert [each.standing for each in found] == [Standing.YIELDS, Standing.RESTING]


def test_rules_rest_in_school_and_come_back_as_they_were() -> None:
    always = Rule(RuleKind.ONLY_LISTED_SITES, uuid4())
    seen = [
        standings([always], Plan((rhythm(),)), paris(f"2026-11-23 {time}"))[0].standing for time in ("08:00", "10:00", "19:00")
    ]
    assert seen == [Standing.ACTIVE, Standing.SUSPENDED, Standing.ACTIVE]


def test_a_session_ends_with_its_band_and_a_short_grace() -> None:
    school = rhythm()
    span = session_span(school, paris("2026-11-23 16:00"), 90)
    assert span.ends == paris("2026-11-23 16:45")
    assert warns_at(span) == paris("2026-11-23 16:40")
    assert session_span(school, paris("2026-11-23 09:00"), 45).ends == paris("2026-11-23 09:45")
    for minutes in (14, 91):
        with pytest.raises(BadDuration):
            session_span(school, paris("2026-11-23 09:00"), minutes)
    for outside in ("12:00", "19:00", "08:10"):
        with pytest.raises(NoBand):
            session_span(school, paris(f"2026-11-23 {outside}"), 45)


def test_ten_minutes_more_until_the_end_of_the_band() -> None:
    school = rhythm()
    first = session_span(school, paris("2026-11-23 10:30"), 45)
    longer = extended(school, first, paris("2026-11-23 11:10"))
    assert longer.ends == paris("2026-11-23 11:25")
    full = extended(school, longer, paris("2026-11-23 11:20"))
    assert full.ends == paris("2026-11-23 11:30")
    with pytest.raises(NoBand):
        extended(school, full, paris("2026-11-23 11:29"))


def test_an_activity_stays_inside_its_after_school_band() -> None:
    assert activity_span(rhythm(), paris("2026-11-23 17:00"), 120).ends == paris("2026-11-23 18:30")
    with pytest.raises(NoBand):
        activity_span(rhythm(), paris("2026-11-23 10:00"), 60)
    with pytest.raises(BadDuration):
        activity_span(rhythm(), paris("2026-11-23 17:00"), 20)


def test_every_mode_has_its_place_in_the_order_of_strictness() -> None:
    assert set(STRICTNESS) == set(Mode)
    assert len(STRICTNESS) == len(Mode)


def test_groups_are_answered_at_once() -> None:
    at = paris("2026-11-23 10:00")
    plans = {number: Plan((rhythm(place=str(number)),)) for number in range(3)}
    assert modes_at(plans, at) == dict.fromkeys(range(3), Mode.SCHOOL)


_ZONES = st.sampled_from(["Europe/Paris", "Indian/Reunion", "America/Cayenne", "Pacific/Noumea", "America/Miquelon"])
#: Around both nights of changing clocks, holidays, and the end of the published dates.
_ANCHORS = st.sampled_from(
    [datetime(2027, 3, 28, tzinfo=UTC), datetime(2027, 10, 31, tzinfo=UTC), datetime(2026, 12, 18, tzinfo=UTC),
     datetime(2028, 8, 30, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC)]
)  # fmt: skip


@st.composite
def _plans(draw: st.DrawFn) -> tuple[Plan, datetime]:
    anchor = draw(_ANCHORS)
    at = anchor + timedelta(minutes=draw(st.integers(-2000, 2000)))

    def span() -> Span:
        starts = at + timedelta(minutes=draw(st.integers(-300, 600)))
        return Span(starts, starts + timedelta(minutes=draw(st.integers(1, 400))))

    def place(name: str) -> Rhythm:
        exceptions = tuple(
            Override(day, day + timedelta(days=draw(st.integers(0, 2))), draw(st.sampled_from(OverrideKind)),
                     draw(st.sampled_from(Scope)), WRITTEN, at=draw(st.integers(0, 1440)),
                     window=draw(st.sampled_from([None, (480, 1080)])))
            for day in draw(st.lists(st.dates(anchor.date() - timedelta(days=2), anchor.date() + timedelta(days=3)), max_size=2))
        )  # fmt: skip
        night = draw(st.sampled_from([None, DEFAULT_NIGHT, Night(150, 420), Night(21 * 60, 135), Night(60, 180)]))
        week = draw(st.sampled_from([FOUR_DAYS, EMPTY_WEEK]))
        exams = (Exam(anchor.date(), 540, 600),) if draw(st.booleans()) else ()
        return rhythm(place=name, zone=ZoneInfo(draw(_ZONES)), week=week, night=night, overrides=exceptions, exams=exams)

    rhythms = tuple(place(name) for name in "AB"[: draw(st.integers(0, 2))])
    plan = Plan(
        rhythms,
        device=draw(st.sampled_from([None, None, None, Mode.LOST])),
        after_school=draw(st.sampled_from(AfterSchool)),
        staff=draw(st.booleans()),
        session=span() if draw(st.booleans()) else None,
        activity=span() if draw(st.booleans()) else None,
        pauses=tuple(span() for _ in range(draw(st.integers(0, 2)))),
        quiet=tuple(quiet_rhythm(each, 19 * 60, 480) for each in rhythms if draw(st.booleans())),
    )
    return plan, at


@settings(max_examples=300, deadline=None)
@given(_plans(), st.data())
def test_next_change_is_the_first_instant_where_the_mode_differs(planned: tuple[Plan, datetime], data: st.DataObject) -> None:
    plan, at = planned
    mode, following = mode_at(plan, at), next_change(plan, at)
    until = following or at + HORIZON
    if following is not None:
        assert following > at
        assert mode_at(plan, following) is not mode
        assert mode_at(plan, following - timedelta(microseconds=1)) is mode
    for _ in range(25):
        between = at + data.draw(st.floats(0, 0.999999)) * (until - at)
        assert mode_at(plan, between) is mode


@settings(max_examples=100, deadline=None)
@given(_ANCHORS, st.integers(-3000, 3000), _ZONES, st.integers(0, 1439), st.integers(1, 960))
def test_a_night_is_one_stretch_of_every_day(anchor: datetime, shift: int, zone: str, starts: int, length: int) -> None:
    place = rhythm(zone=ZoneInfo(zone), week=EMPTY_WEEK, night=Night(starts, (starts + length) % 1440))
    day = (anchor + timedelta(minutes=shift)).astimezone(ZoneInfo(zone)).date()
    stretches = place.stretches(day)
    assert [a.ends for a in stretches[:-1]] == [b.starts for b in stretches[1:]]
    assert stretches[0].starts == instant_of(day, 0, ZoneInfo(zone))
    assert stretches[-1].ends == instant_of(day + timedelta(days=1), 0, ZoneInfo(zone))
    assert sum(1 for each in stretches if each.night) <= 2
