"""A town's hours as a file: what is exported and applied again changes nothing, what differs is saved, hostile files name their line."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from cartable.clock import ManualClock
from cartable.i18n import ENGLISH
from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.places.models import Grade
from mdm.cli.hours_yaml import build_hours, read_hours
from mdm.cli.policy_yaml import write_policy
from profiles.effective.hours_files import DayEntry, HoursChange, TownHours, apply_hours, export_hours, plan_hours
from profiles.policy.errors import BadPolicyFile
from profiles.schedule import authoring
from profiles.schedule.calendar import FOLLOW_ZONE
from profiles.schedule.day_exceptions import OverrideKind
from profiles.schedule.repository import ScheduleRepository
from tests.profiles.policy.places import PolicyTown

WEEK = {"mon": [{"kind": "school", "from": "08:30", "to": "11:30", "label": "matin"}]}
HEAD = "format: cartable-policy-1\ntown: ville\n"


@pytest.fixture
def town(runtime: Runtime) -> PolicyTown:
    with runtime.open_unit_of_work() as work:
        place = PolicyTown(work)
        town_id, school_id = place.town.id, place.school.id
        authoring.save_timetable(work, SYSTEM, town_id, None, week=WEEK, calendar=FOLLOW_ZONE, night=("20:00", "07:00"))
        authoring.save_timetable(work, SYSTEM, town_id, school_id, week={"tue": WEEK["mon"]}, calendar=FOLLOW_ZONE, night=None)
        common: dict[str, Any] = {"school_id": school_id, "class_id": None}
        authoring.create_override(
            work, SYSTEM, town_id, **common, first=date(2026, 12, 4), last=date(2026, 12, 4), kind=OverrideKind.EARLY_END, at="11:30",
            label="réunion",
        )  # fmt: skip
        authoring.create_override(
            work, SYSTEM, town_id, school_id=None, class_id=place.classes[0].id, first=date(2026, 12, 7), last=date(2026, 12, 9),
            kind=OverrideKind.TRIP, window=("21:00", "07:00"),
        )  # fmt: skip
        authoring.create_override(
            work, SYSTEM, town_id, school_id=None, class_id=None, first=date(2026, 12, 12), last=date(2026, 12, 12),
            kind=OverrideKind.SCHOOL_DAY, template_weekday=0,
        )  # fmt: skip
        authoring.create_override(
            work,
            SYSTEM,
            town_id,
            school_id=None,
            class_id=None,
            first=date(2026, 9, 1),
            last=date(2026, 9, 1),
            kind=OverrideKind.CLOSED,
        )
        authoring.create_exam(
            work, SYSTEM, town_id, school_id=school_id, grade=Grade.CE2, day=date(2026, 12, 1), starts="09:00", ends="10:30"
        )
        return place


def write(work: UnitOfWork, town: PolicyTown) -> bytes:
    """The file of the town's hours."""
    hours = build_hours(export_hours(work, SYSTEM, town.town.id), {town.school.uai: "École: “Jules” # Verne"})
    return write_policy(town.town.slug, [], ENGLISH, hours=hours).encode()


def test_what_is_exported_and_applied_again_changes_nothing(runtime: Runtime, town: PolicyTown) -> None:
    with runtime.open_unit_of_work() as work:
        exported = export_hours(work, SYSTEM, town.town.id)
        data = write(work, town)
        assert read_hours(data) == exported
        assert b"2026-09-01" not in data, "what is over is history"
        assert apply_hours(work, SYSTEM, town.town.id, read_hours(data)) == []


def test_a_plan_counts_tablets_and_applying_does_what_it_says(runtime: Runtime, town: PolicyTown) -> None:
    with runtime.open_unit_of_work() as work:
        text = write(work, town).decode()
        text = text.replace("kind: early_end", "kind: late_start").replace("20:00", "21:00").replace("grade: CE2", "grade: CM2")
        hours = read_hours(text.encode())
        with work.session.begin_nested() as trial:
            planned = plan_hours(work, SYSTEM, town.town.id, hours)
            trial.rollback()
        assert [(each.verb, each.tablets) for each in planned] == [
            ("save", 6), ("withdraw", 6), ("add", 6), ("withdraw", 6), ("add", 6),
        ]  # fmt: skip
        assert apply_hours(work, SYSTEM, town.town.id, hours) == planned
        assert apply_hours(work, SYSTEM, town.town.id, hours) == []
        row = ScheduleRepository(work.session).get_timetable(town.town.id, None)
        assert row is not None
        assert (row.night_from, row.week) == (21 * 60, WEEK)


def test_a_file_without_single_days_leaves_them(runtime: Runtime, town: PolicyTown, clock: ManualClock) -> None:
    with runtime.open_unit_of_work() as work:
        assert apply_hours(work, SYSTEM, town.town.id, TownHours()) == []
        assert apply_hours(work, SYSTEM, town.town.id, read_hours((HEAD + "hours: []\n").encode())) == []
        only = TownHours(days=(DayEntry(date(2026, 12, 24), date(2026, 12, 24), OverrideKind.CLOSED),))
        changes = apply_hours(work, SYSTEM, town.town.id, only)
        assert [each.verb for each in changes] == ["withdraw"] * 3 + ["add"]
        assert changes[-1] == HoursChange("add", "closed 2026-12-24 – 2026-12-24", 6)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("hours:\n- {calendar: zone, week: [1]}\n", 4),
        ("hours:\n- {calendar: zone, week: {mon: [{kind: school, from: '9', to: '10:00'}]}}\n", 4),
        ("hours:\n- {calendar: zone, night: '20:00'}\n", 4),
        ("hours:\n- {school: 0000000X, calendar: zone}\n", 4),
        ("hours:\n- {calendar: none-such}\n", 4),
        ("exceptions:\n- {first: 2026-12-01, last: '2026-13-01', kind: closed}\n", 4),
        ("exceptions:\n- {first: 2026-12-01, last: 2026-12-01, kind: party}\n", 4),
        ("exceptions:\n- {first: 2026-12-01, last: 2026-12-01, kind: closed, class: none}\n", 4),
        ("exceptions:\n- {first: 2026-12-01, last: 2026-12-01, kind: school_day, weekday: lundi}\n", 4),
        ("exams:\n- {day: 2026-12-01, starts: '10:00', ends: '09:00'}\n", 4),
        ("exams:\n- {day: 2026-12-01, starts: '10:00', ends: '11:00', grade: 6e}\n", 4),
        ("exams:\n- {day: 2026-12-01, starts: '10:00', ends: '11:00', colour: red}\n", 4),
    ],
)
def test_a_wrong_entry_is_refused_with_its_line(runtime: Runtime, town: PolicyTown, text: str, line: int) -> None:
    with runtime.open_unit_of_work() as work, pytest.raises(BadPolicyFile) as refusal:
        apply_hours(work, SYSTEM, town.town.id, read_hours((HEAD + text).encode()))
    assert refusal.value.details["line"] == line
