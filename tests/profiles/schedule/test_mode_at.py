"""The mode of a tablet at an instant: known instants, the order of precedence, nights when clocks change."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiles.schedule.day_exceptions import DayOverride, OverrideKind, OverrideScope
from profiles.schedule.guardian_rules import (
    GuardianRestriction,
    GuardianRuleKind,
    RestrictionStatus,
    StatusReason,
    evaluate_restrictions,
    list_hidden_apps,
)
from profiles.schedule.local_time import get_time_zone, to_instant
from profiles.schedule.mode_decision import (
    HORIZON,
    MODES_BY_STRICTNESS,
    AfterSchool,
    ModeInputs,
    ModeReason,
    Span,
    build_quiet_schedule,
    decide_mode,
    find_next_change,
    get_mode_at,
)
from profiles.schedule.modes import Mode
from profiles.schedule.night import DEFAULT_NIGHT, Night
from profiles.schedule.official_calendars import get_official_calendar
from profiles.schedule.place_schedule import ExamHours, Schedule, ScheduleReason
from profiles.schedule.session_rules import (
    BandClosed,
    DurationOutOfRange,
    compute_activity_span,
    compute_session_span,
    extend_span,
    get_warning_time,
)
from profiles.schedule.timetable import EMPTY_WEEK
from tests.profiles.schedule.places import FOUR_DAYS, PARIS, build_schedule, paris_time
from tests.support.sampling import count_examples

WRITTEN = datetime(2026, 9, 1, tzinfo=UTC)


def override(
    first: str, last: str, kind: OverrideKind, scope: OverrideScope = OverrideScope.SCHOOL, **more: object
) -> DayOverride:
    values: dict[str, object] = {"written_at": WRITTEN, **more}
    return DayOverride(date.fromisoformat(first), date.fromisoformat(last), kind, scope, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("at", "mode"),
    [
        ("2026-10-16 10:00", Mode.SCHOOL), ("2026-10-16 17:00", Mode.AFTER_SCHOOL), ("2026-10-17 10:00", Mode.HOLIDAY),
        ("2026-11-02 09:00", Mode.SCHOOL), ("2026-11-11 10:00", Mode.HOME), ("2026-11-18 10:00", Mode.AFTER_SCHOOL),
        ("2026-12-18 20:30", Mode.NIGHT_REST), ("2027-01-04 09:00", Mode.SCHOOL), ("2027-05-07 10:00", Mode.HOLIDAY),
        ("2026-05-15 10:00", Mode.SCHOOL),  # not published as a bridge: a town may add it, see below
        ("2027-03-28 02:30", Mode.NIGHT_REST), ("2027-10-31 02:30", Mode.NIGHT_REST),
        ("2026-11-23 08:19", Mode.AFTER_SCHOOL), ("2026-11-23 08:20", Mode.SCHOOL), ("2026-11-23 11:30", Mode.AFTER_SCHOOL),
        ("2026-11-23 18:30", Mode.HOME), ("2026-11-23 06:59", Mode.NIGHT_REST), ("2026-11-23 07:00", Mode.HOME),
        ("2028-12-25 10:00", Mode.HOME), ("2028-11-06 10:00", Mode.SCHOOL),  # after the published dates: the weekly timetable, public holidays
    ],
)  # fmt: skip
def test_modes_at_known_instants(at: str, mode: Mode) -> None:
    assert get_mode_at(ModeInputs((build_schedule(),)), paris_time(at)) is mode


def test_a_town_can_add_an_unpublished_bridge_day() -> None:
    bridge = override("2026-05-15", "2026-05-15", OverrideKind.NO_SCHOOL, OverrideScope.TOWN)
    assert get_mode_at(ModeInputs((build_schedule(overrides=(bridge,)),)), paris_time("2026-05-15 10:00")) is Mode.HOME


def test_night_rest_lasts_through_both_clock_changes() -> None:
    inputs = ModeInputs((build_schedule(),))
    spring = paris_time("2027-03-27 20:00")
    assert find_next_change(inputs, spring) == paris_time("2027-03-28 07:00") == spring + timedelta(hours=10)
    autumn = paris_time("2027-10-30 20:00")
    assert find_next_change(inputs, autumn) == paris_time("2027-10-31 07:00") == autumn + timedelta(hours=12)
    for minutes in range(0, 13 * 60, 10):
        at = autumn + timedelta(minutes=minutes)
        assert get_mode_at(inputs, at) is (Mode.NIGHT_REST if minutes < 12 * 60 else Mode.HOLIDAY)


@pytest.mark.parametrize("day", [date(2027, 3, 28), date(2027, 10, 31), date(2026, 11, 23)])
def test_later_local_minutes_never_give_an_earlier_instant(day: date) -> None:
    instants = [to_instant(day, minute, PARIS) for minute in range(24 * 60 + 1)]
    assert instants == sorted(instants)
    assert to_instant(date(2027, 3, 28), 150, PARIS) == datetime(2027, 3, 28, 1, tzinfo=UTC)
    assert to_instant(date(2027, 10, 31), 150, PARIS) == datetime(2027, 10, 31, 0, 30, tzinfo=UTC)


def test_a_night_that_begins_in_the_skipped_hour_begins_at_the_clock_change() -> None:
    inputs = ModeInputs((build_schedule(night=Night(150, 420)),))
    assert get_mode_at(inputs, datetime(2027, 3, 28, 0, 59, tzinfo=UTC)) is Mode.HOME
    assert get_mode_at(inputs, datetime(2027, 3, 28, 1, tzinfo=UTC)) is Mode.NIGHT_REST


def test_overseas_schools_use_their_own_time_zone() -> None:
    reunion = build_schedule(zone=ZoneInfo("Indian/Reunion"), calendar=get_official_calendar("C", "974"))
    assert (
        get_mode_at(ModeInputs((reunion,)), datetime(2026, 11, 23, 4, 20, tzinfo=UTC)) is Mode.SCHOOL
    )  # 08:20 there, 05:20 in Paris
    assert get_mode_at(ModeInputs((build_schedule(),)), datetime(2026, 11, 23, 4, 20, tzinfo=UTC)) is Mode.NIGHT_REST
    tahiti = build_schedule(zone=ZoneInfo("Pacific/Tahiti"))
    assert get_mode_at(ModeInputs((tahiti,)), datetime(2026, 11, 24, 3, 0, tzinfo=UTC)) is Mode.AFTER_SCHOOL  # Monday 17:00


def test_without_time_zone_or_timetable_the_strict_fallback_mode_applies() -> None:
    assert get_time_zone("Mars/Olympus") is None
    decision = decide_mode(ModeInputs(()), paris_time("2026-11-28 15:00"))
    assert (decision.mode, decision.winner.reason) == (Mode.SCHOOL, ModeReason.NO_TIMETABLE)
    assert find_next_change(ModeInputs(()), paris_time("2026-11-28 15:00")) is None


def test_the_mode_on_monday_needs_nothing_but_the_timetable() -> None:
    assert get_mode_at(ModeInputs((build_schedule(),)), paris_time("2026-11-23 09:10")) is Mode.SCHOOL


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
def test_each_kind_of_day_exception(kind: OverrideKind, more: dict[str, object], expected: dict[str, Mode]) -> None:
    inputs = ModeInputs((build_schedule(overrides=(override("2027-01-08", "2027-01-08", kind, OverrideScope.SCHOOL, **more),)),))
    assert {time: get_mode_at(inputs, paris_time(f"2027-01-08 {time}")) for time in expected} == expected


def test_a_worked_saturday_and_a_worked_holiday() -> None:
    saturday = override("2027-01-09", "2027-01-09", OverrideKind.SCHOOL_DAY)
    wednesday = override("2027-02-10", "2027-02-10", OverrideKind.SCHOOL_DAY, template_weekday=2)
    inputs = ModeInputs((build_schedule(overrides=(saturday, wednesday)),))
    assert get_mode_at(inputs, paris_time("2027-01-09 09:00")) is Mode.SCHOOL
    assert get_mode_at(inputs, paris_time("2027-02-10 09:00")) is Mode.AFTER_SCHOOL
    assert get_mode_at(inputs, paris_time("2027-02-10 19:00")) is Mode.HOLIDAY


def test_the_narrowest_exception_wins_then_the_last_written() -> None:
    town = override("2027-01-08", "2027-01-08", OverrideKind.CLOSED, OverrideScope.TOWN, written_at=WRITTEN + timedelta(days=9))
    old = override("2027-01-08", "2027-01-08", OverrideKind.EARLY_END, OverrideScope.CLASS, at=600)
    new = override(
        "2027-01-08", "2027-01-08", OverrideKind.EARLY_END, OverrideScope.CLASS, at=660, written_at=WRITTEN + timedelta(days=1)
    )
    for order in ((town, old, new), (new, old, town), (old, town, new)):
        inputs = ModeInputs((build_schedule(overrides=order),))
        assert get_mode_at(inputs, paris_time("2027-01-08 10:30")) is Mode.SCHOOL
        assert get_mode_at(inputs, paris_time("2027-01-08 11:00")) is Mode.HOME


def test_a_trip_may_name_other_hours_for_the_night() -> None:
    trip = override("2027-05-26", "2027-05-28", OverrideKind.TRIP, OverrideScope.CLASS, window=(22 * 60, 6 * 60))
    inputs = ModeInputs((build_schedule(overrides=(trip,)),))
    assert get_mode_at(inputs, paris_time("2027-05-26 21:30")) is Mode.TRIP
    assert get_mode_at(inputs, paris_time("2027-05-27 06:30")) is Mode.TRIP
    assert get_mode_at(inputs, paris_time("2027-05-29 06:30")) is Mode.HOME  # the last night is the trip's too


def test_an_exam_is_stricter_than_school_and_ends() -> None:
    inputs = ModeInputs((build_schedule(exams=(ExamHours(date(2026, 9, 14), 540, 600),)),))
    decision = decide_mode(inputs, paris_time("2026-09-14 09:30"))
    assert (decision.mode, decision.winner.reason) == (Mode.EXAM, ScheduleReason.EXAM)
    assert get_mode_at(inputs, paris_time("2026-09-14 10:00")) is Mode.SCHOOL


def test_order_of_precedence() -> None:
    school = build_schedule()
    at = paris_time("2026-11-23 10:00")
    session = Span(at - timedelta(minutes=5), at + timedelta(minutes=40))
    decision = decide_mode(ModeInputs((school,), device_mode=Mode.LOST, session=session), at)
    assert decision.mode is Mode.LOST
    assert [candidate.mode for candidate in decision.overruled] == [Mode.CLASS_SESSION, Mode.SCHOOL, Mode.HOME]
    assert find_next_change(ModeInputs((school,), device_mode=Mode.LOST), at) is None
    assert get_mode_at(ModeInputs((school,), session=session), at) is Mode.CLASS_SESSION
    assert find_next_change(ModeInputs((school,), session=session), at) == session.ends
    assert get_mode_at(ModeInputs((school,), session=session), session.ends) is Mode.SCHOOL
    early = build_schedule(night=Night(20 * 60, 8 * 60))
    assert get_mode_at(ModeInputs((early,)), paris_time("2026-11-23 07:45")) is Mode.AFTER_SCHOOL  # a band goes before night rest
    assert get_mode_at(ModeInputs((early,), is_staff=True), paris_time("2026-11-23 23:00")) is Mode.HOME


def test_a_pupil_who_goes_home_after_class_is_in_home_mode() -> None:
    at = paris_time("2026-11-23 17:00")
    expected = {AfterSchool.UNKNOWN: Mode.AFTER_SCHOOL, AfterSchool.ATTENDS: Mode.AFTER_SCHOOL, AfterSchool.HOME: Mode.HOME}
    assert {each: get_mode_at(ModeInputs((build_schedule(),), after_school=each), at) for each in AfterSchool} == expected
    activity = Span(at, at + timedelta(minutes=30))
    assert get_mode_at(ModeInputs((build_schedule(),), after_school=AfterSchool.HOME, activity=activity), at) is Mode.AFTER_SCHOOL


def test_two_schools_of_one_pupil() -> None:
    morning = build_schedule(place="A", overrides=(override("2027-01-04", "2027-01-08", OverrideKind.EARLY_END, at=690),))
    other = build_schedule(place="B", exams=(ExamHours(date(2027, 1, 5), 540, 600),))
    inputs = ModeInputs((morning, other))
    decision = decide_mode(inputs, paris_time("2027-01-04 14:00"))
    assert (decision.mode, decision.winner.place) == (Mode.SCHOOL, "B")
    both = decide_mode(inputs, paris_time("2027-01-05 09:30"))
    assert (both.mode, both.winner.place) == (Mode.EXAM, "B")


def test_a_one_off_lock_ends_for_good_when_school_begins() -> None:
    pause = Span(paris_time("2026-11-23 07:10"), paris_time("2026-11-23 12:10"))
    inputs = ModeInputs((build_schedule(),), pauses=(pause,))
    assert get_mode_at(inputs, paris_time("2026-11-23 07:15")) is Mode.NIGHT_REST
    assert (
        get_mode_at(inputs, paris_time("2026-11-23 08:00")) is Mode.NIGHT_REST
    )  # the stricter mode: it is not known where the pupil is
    assert get_mode_at(inputs, paris_time("2026-11-23 09:00")) is Mode.SCHOOL
    assert get_mode_at(inputs, paris_time("2026-11-23 12:00")) is Mode.AFTER_SCHOOL
    attends = ModeInputs((build_schedule(),), pauses=(pause,), after_school=AfterSchool.ATTENDS)
    assert get_mode_at(attends, paris_time("2026-11-23 08:00")) is Mode.AFTER_SCHOOL


def test_guardians_may_lengthen_the_night_and_never_shorten_it() -> None:
    longer = ModeInputs((build_schedule(),), quiet_schedules=(build_quiet_schedule(build_schedule(), 19 * 60, 480),))
    assert get_mode_at(longer, paris_time("2026-11-23 19:30")) is Mode.NIGHT_REST
    assert get_mode_at(longer, paris_time("2026-11-28 07:30")) is Mode.NIGHT_REST
    shorter = ModeInputs((build_schedule(),), quiet_schedules=(build_quiet_schedule(build_schedule(), 22 * 60, 360),))
    assert get_mode_at(shorter, paris_time("2026-11-23 20:00")) is Mode.NIGHT_REST
    assert get_mode_at(shorter, paris_time("2026-11-24 06:30")) is Mode.NIGHT_REST


VIDEO = GuardianRestriction(GuardianRuleKind.HIDE_APP, uuid4(), "org.example.video", window=(18 * 60, 20 * 60))
ACTIVITY = Span(paris_time("2026-11-23 17:00"), paris_time("2026-11-23 18:15"))


@pytest.mark.parametrize(
    ("profile", "activity", "hidden_from", "reason_before"),
    [
        (AfterSchool.UNKNOWN, ACTIVITY, "18:15", StatusReason.ACTIVITY),
        (AfterSchool.UNKNOWN, None, "18:00", StatusReason.OUTSIDE_HOURS),
        (AfterSchool.ATTENDS, None, "18:30", StatusReason.ATTENDS),
        (AfterSchool.HOME, None, "18:00", StatusReason.OUTSIDE_HOURS),
    ],
)
def test_when_a_guardian_hides_an_app(
    profile: AfterSchool, activity: Span | None, hidden_from: str, reason_before: StatusReason
) -> None:
    inputs = ModeInputs((build_schedule(),), after_school=profile, activity=activity)
    moment = paris_time(f"2026-11-23 {hidden_from}")
    assert list_hidden_apps([VIDEO], inputs, moment - timedelta(minutes=1)) == frozenset()
    assert list_hidden_apps([VIDEO], inputs, moment) == {"org.example.video"}
    assert list_hidden_apps([VIDEO], inputs, paris_time("2026-11-23 20:00")) == frozenset()
    assert evaluate_restrictions([VIDEO], inputs, moment - timedelta(minutes=1))[0].reason is reason_before


def test_a_guardian_with_a_courts_priority_decides_alone() -> None:
    prioritised = GuardianRestriction(
        GuardianRuleKind.HIDE_APP, uuid4(), "org.example.video", window=(19 * 60, 20 * 60), priority=True
    )
    evaluations = evaluate_restrictions([VIDEO, prioritised], ModeInputs((build_schedule(),)), paris_time("2026-11-23 18:45"))
    assert [evaluation.status for evaluation in evaluations] == [RestrictionStatus.YIELDS, RestrictionStatus.RESTING]


def test_guardians_rules_are_suspended_in_school_and_apply_again_afterwards() -> None:
    always = GuardianRestriction(GuardianRuleKind.ONLY_LISTED_SITES, uuid4())
    statuses = [
        evaluate_restrictions([always], ModeInputs((build_schedule(),)), paris_time(f"2026-11-23 {time}"))[0].status
        for time in ("08:00", "10:00", "19:00")
    ]
    assert statuses == [RestrictionStatus.ACTIVE, RestrictionStatus.SUSPENDED, RestrictionStatus.ACTIVE]


def test_a_session_ends_with_its_band_and_a_short_grace() -> None:
    school = build_schedule()
    span = compute_session_span(school, paris_time("2026-11-23 16:00"), 90)
    assert span.ends == paris_time("2026-11-23 16:45")
    assert get_warning_time(span) == paris_time("2026-11-23 16:40")
    assert compute_session_span(school, paris_time("2026-11-23 09:00"), 45).ends == paris_time("2026-11-23 09:45")
    for minutes in (14, 91):
        with pytest.raises(DurationOutOfRange):
            compute_session_span(school, paris_time("2026-11-23 09:00"), minutes)
    for outside in ("12:00", "19:00", "08:10"):
        with pytest.raises(BandClosed):
            compute_session_span(school, paris_time(f"2026-11-23 {outside}"), 45)


def test_a_session_is_extended_until_the_end_of_the_band() -> None:
    school = build_schedule()
    first = compute_session_span(school, paris_time("2026-11-23 10:30"), 45)
    longer = extend_span(school, first, paris_time("2026-11-23 11:10"))
    assert longer.ends == paris_time("2026-11-23 11:25")
    full = extend_span(school, longer, paris_time("2026-11-23 11:20"))
    assert full.ends == paris_time("2026-11-23 11:30")
    with pytest.raises(BandClosed):
        extend_span(school, full, paris_time("2026-11-23 11:29"))


def test_an_activity_stays_inside_its_after_school_band() -> None:
    assert compute_activity_span(build_schedule(), paris_time("2026-11-23 17:00"), 120).ends == paris_time("2026-11-23 18:30")
    with pytest.raises(BandClosed):
        compute_activity_span(build_schedule(), paris_time("2026-11-23 10:00"), 60)
    with pytest.raises(DurationOutOfRange):
        compute_activity_span(build_schedule(), paris_time("2026-11-23 17:00"), 20)


def test_every_mode_is_in_the_order_of_strictness() -> None:
    assert set(MODES_BY_STRICTNESS) == set(Mode)
    assert len(MODES_BY_STRICTNESS) == len(Mode)


_ZONES = st.sampled_from(["Europe/Paris", "Indian/Reunion", "America/Cayenne", "Pacific/Noumea", "America/Miquelon"])
#: Around both nights of changing clocks, holidays, and the end of the published dates.
_ANCHORS = st.sampled_from(
    [datetime(2027, 3, 28, tzinfo=UTC), datetime(2027, 10, 31, tzinfo=UTC), datetime(2026, 12, 18, tzinfo=UTC),
     datetime(2028, 8, 30, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC)]
)  # fmt: skip


@st.composite
def _inputs_and_instant(draw: st.DrawFn) -> tuple[ModeInputs, datetime]:
    anchor = draw(_ANCHORS)
    at = anchor + timedelta(minutes=draw(st.integers(-2000, 2000)))

    def span() -> Span:
        starts = at + timedelta(minutes=draw(st.integers(-300, 600)))
        return Span(starts, starts + timedelta(minutes=draw(st.integers(1, 400))))

    def place(name: str) -> Schedule:
        exceptions = tuple(
            DayOverride(day, day + timedelta(days=draw(st.integers(0, 2))), draw(st.sampled_from(OverrideKind)),
                     draw(st.sampled_from(OverrideScope)), WRITTEN, at=draw(st.integers(0, 1440)),
                     window=draw(st.sampled_from([None, (480, 1080)])))
            for day in draw(st.lists(st.dates(anchor.date() - timedelta(days=2), anchor.date() + timedelta(days=3)), max_size=2))
        )  # fmt: skip
        night = draw(st.sampled_from([None, DEFAULT_NIGHT, Night(150, 420), Night(21 * 60, 135), Night(60, 180)]))
        week = draw(st.sampled_from([FOUR_DAYS, EMPTY_WEEK]))
        exams = (ExamHours(anchor.date(), 540, 600),) if draw(st.booleans()) else ()
        return build_schedule(place=name, zone=ZoneInfo(draw(_ZONES)), week=week, night=night, overrides=exceptions, exams=exams)

    schedules = tuple(place(name) for name in "AB"[: draw(st.integers(0, 2))])
    inputs = ModeInputs(
        schedules,
        device_mode=draw(st.sampled_from([None, None, None, Mode.LOST])),
        after_school=draw(st.sampled_from(AfterSchool)),
        is_staff=draw(st.booleans()),
        session=span() if draw(st.booleans()) else None,
        activity=span() if draw(st.booleans()) else None,
        pauses=tuple(span() for _ in range(draw(st.integers(0, 2)))),
        quiet_schedules=tuple(build_quiet_schedule(each, 19 * 60, 480) for each in schedules if draw(st.booleans())),
    )
    return inputs, at


@settings(max_examples=count_examples(300), deadline=None)
@given(_inputs_and_instant(), st.data())
def test_next_change_is_the_first_instant_where_the_mode_differs(
    inputs_and_instant: tuple[ModeInputs, datetime], data: st.DataObject
) -> None:
    inputs, at = inputs_and_instant
    mode, following = get_mode_at(inputs, at), find_next_change(inputs, at)
    until = following or at + HORIZON
    if following is not None:
        assert following > at
        assert get_mode_at(inputs, following) is not mode
        assert get_mode_at(inputs, following - timedelta(microseconds=1)) is mode
    for _ in range(25):
        between = at + data.draw(st.floats(0, 0.999999)) * (until - at)
        assert get_mode_at(inputs, between) is mode


@settings(max_examples=count_examples(100), deadline=None)
@given(_ANCHORS, st.integers(-3000, 3000), _ZONES, st.integers(0, 1439), st.integers(1, 960))
def test_night_rest_is_uninterrupted_on_every_day(anchor: datetime, shift: int, zone: str, starts: int, length: int) -> None:
    place = build_schedule(zone=ZoneInfo(zone), week=EMPTY_WEEK, night=Night(starts, (starts + length) % 1440))
    day = (anchor + timedelta(minutes=shift)).astimezone(ZoneInfo(zone)).date()
    stretches = place.get_segments(day)
    assert [a.ends for a in stretches[:-1]] == [b.starts for b in stretches[1:]]
    assert stretches[0].starts == to_instant(day, 0, ZoneInfo(zone))
    assert stretches[-1].ends == to_instant(day + timedelta(days=1), 0, ZoneInfo(zone))
    assert sum(1 for each in stretches if each.is_night) <= 2
