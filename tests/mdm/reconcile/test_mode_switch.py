"""What the clock alone changes is decided for many tablets at once, and as a full decision of each tablet decides it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, update

from cartable.clock import ManualClock
from cartable.outbox import OutboxRow, Topic
from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.tablets.models import TabletState
from mdm.devices.models import DeclarationStatus, DeclarativeState
from mdm.queue.models import QueuedCommand
from mdm.reconcile import mode_switch
from mdm.reconcile.mode_switch import decide_due_tablets, switch_modes
from mdm.reconcile.service import enqueue_due_checks, reconcile_tablets, reevaluate_due_modes
from mdm.worker.drains import drain
from profiles.effective.models import DeclarationSet
from profiles.policy.kinds import PlaceKind
from profiles.schedule import authoring
from profiles.schedule.guardian_rules import GuardianRuleKind
from profiles.schedule.mode_decision import AfterSchool
from profiles.schedule.models import ClassSession, GuardianRule, PupilAfterSchool, TabletMode
from profiles.schedule.modes import Mode
from profiles.schedule.session_rules import SessionPreset
from tests.mdm.reconcile.declared_town import (
    DeclaredTown,
    confirm_modes,
    create_declared_town,
    describe_tablets,
    prove_declarations,
)
from tests.mdm.reconcile.enrolled_tablet import EnrolledTablet
from tests.profiles.schedule.places import FOUR_DAYS_JSON
from tests.support.concurrency import run_overlapping
from tests.support.installation import install
from tests.support.policy import publish_document
from tests.support.statements import count_statements

#: A Monday of the calendar of the helper, in the school band of the morning.
START = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
NOON = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)


class _RolledBackError(Exception):
    """Ends a unit of work without its commit."""


@pytest.fixture
def installed(runtime: Runtime) -> Runtime:
    """An installation that can sign profiles."""
    install(runtime)
    return runtime


def load_modes(runtime: Runtime, town: DeclaredTown) -> list[Mode]:
    with runtime.open_unit_of_work() as work:
        return [work.session.get_one(TabletMode, tablet_id).mode for tablet_id in town.tablet_ids]


def list_reconcile_jobs(work: UnitOfWork) -> list[UUID]:
    statement = select(OutboxRow.key).where(OutboxRow.topic == Topic.RECONCILE, OutboxRow.not_before <= work.now)
    return sorted(UUID(key) for key in work.session.scalars(statement))


def switch(work: UnitOfWork, town: DeclaredTown) -> int:
    """Change modes as the worker does. Returns how many tablets needed a full decision."""
    switch_modes(work, town.town.id)
    return decide(work)


def decide_in_full(work: UnitOfWork, town: DeclaredTown) -> int:
    decide_due_tablets(work, town.town.id)
    return decide(work)


def decide(work: UnitOfWork) -> int:
    tablet_ids = list_reconcile_jobs(work)
    work.session.execute(delete(OutboxRow).where(OutboxRow.topic == Topic.RECONCILE))
    reconcile_tablets(work, tablet_ids)
    return len(tablet_ids)


def describe_outcome(runtime: Runtime, town: DeclaredTown, act: Callable[[UnitOfWork, DeclaredTown], int]) -> dict[str, Any]:
    """Return what an act would store, and leave the database as it was."""
    outcome: dict[str, Any] = {}
    try:
        with runtime.open_unit_of_work() as work:
            act(work, town)
            outcome = describe_tablets(work, town)
            raise _RolledBackError
    except _RolledBackError:
        return outcome


SPECIALS = (
    "nothing", "attends", "goes home", "guardian rule", "lost", "failed", "renewed", "profile", "class session", "old system", "staff",
)  # fmt: skip


def make_special(work: UnitOfWork, town: DeclaredTown, number: int, special: str) -> None:
    """Let a tablet differ from the others."""
    tablet, pupil = town.tablets[number], town.pupils[number]
    assert pupil is not None
    add, town_id = work.session.add, town.town.id
    state = work.session.get_one(DeclarativeState, town.enrollment_ids[number])
    match special:
        case "attends":
            add(PupilAfterSchool(pupil_id=pupil.id, town_id=town_id, after_school=AfterSchool.ATTENDS))
        case "goes home":
            add(PupilAfterSchool(pupil_id=pupil.id, town_id=town_id, after_school=AfterSchool.HOME))
        case "guardian rule":
            window = {"window_from": 17 * 60, "window_to": 18 * 60}
            add(GuardianRule(town_id=town_id, pupil_id=pupil.id, guardian_id=pupil.id, kind=GuardianRuleKind.HIDE_APP, subject="a.b",
                             written_at=work.now, **window))  # fmt: skip
        case "lost":
            work.session.merge(tablet).state = TabletState.LOST
        case "failed":
            state.status, state.next_check_at = DeclarationStatus.FAILED, work.now + timedelta(minutes=2)
        case "renewed":
            state.repairs = {"x": 1}
        case "class session":
            ends = work.now + timedelta(minutes=50)
            add(ClassSession(town_id=town_id, class_id=town.classes[number % 2].id, starts=work.now, ends=ends, apps=[], sites=[],
                             preset=SessionPreset.FREE))  # fmt: skip
        case "old system":
            work.session.merge(tablet).os_version = "16.7.10"
        case _:
            pass


moves = st.lists(
    st.tuples(st.integers(min_value=20, max_value=40 * 60), st.sets(st.integers(min_value=0, max_value=5))),
    min_size=1,
    max_size=4,
)


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(specials=st.lists(st.sampled_from(SPECIALS), min_size=6, max_size=6), moves=moves)
def test_it_stores_what_full_decisions_store(installed: Runtime, specials: list[str], moves: list[tuple[int, set[int]]]) -> None:
    clock = ManualClock(START)
    runtime = replace(installed, clock=clock)
    with runtime.open_unit_of_work() as work:
        town = create_declared_town(work, len(specials))
    prove_declarations(runtime, town)
    with runtime.open_unit_of_work() as work:
        for number, special in enumerate(specials):
            make_special(work, town, number, special)
        work.session.flush()
        reconcile_tablets(work, town.tablet_ids)
    for minutes, reporting in moves:
        clock.advance(timedelta(minutes=minutes))
        assert describe_outcome(runtime, town, switch) == describe_outcome(runtime, town, decide_in_full)
        with runtime.open_unit_of_work() as work:
            switch(work, town)
            confirm_modes(work, [town.enrollment_ids[number] for number in reporting])


@pytest.fixture
def running(installed: Runtime, clock: ManualClock) -> Runtime:
    """A runtime whose clock shows the morning of a school day."""
    assert clock.now() == START
    return installed


def create_proved_town(runtime: Runtime, count: int = 3) -> DeclaredTown:
    with runtime.open_unit_of_work() as work:
        town = create_declared_town(work, count)
    prove_declarations(runtime, town)
    return town


def count_jobs(runtime: Runtime, topic: Topic) -> int:
    with runtime.open_unit_of_work() as work:
        return len(work.session.scalars(select(OutboxRow.id).where(OutboxRow.topic == topic)).all())


def test_a_town_changes_its_mode_without_full_decisions(running: Runtime, clock: ManualClock) -> None:
    town = create_proved_town(running)
    assert load_modes(running, town) == [Mode.SCHOOL] * 3
    clock.advance(NOON - START)
    with running.open_unit_of_work() as work:
        reevaluate_due_modes(work)
    assert (count_jobs(running, Topic.MODES), count_jobs(running, Topic.RECONCILE)) == (1, 0)
    drain(running, Topic.MODES)
    assert load_modes(running, town) == [Mode.AFTER_SCHOOL] * 3
    assert count_jobs(running, Topic.RECONCILE) == 0
    with running.open_unit_of_work() as work:
        states = work.session.scalars(select(DeclarativeState)).all()
        assert {(state.mode, state.status) for state in states} == {("after_school", DeclarationStatus.WAITING)}
        announced = select(QueuedCommand.enrollment_id).where(QueuedCommand.created_at == work.now)
        assert sorted(work.session.scalars(announced)) == town.enrollment_ids
        reevaluate_due_modes(work)
    assert count_jobs(running, Topic.MODES) == 0, "nothing is due any more"


def test_its_statements_do_not_grow_with_the_town(running: Runtime, clock: ManualClock) -> None:
    towns = [create_proved_town(running, count) for count in (2, 8)]
    clock.advance(NOON - START)
    counts = []
    for town in towns:
        with count_statements(running.engine) as statements, running.open_unit_of_work() as work:
            switch_modes(work, town.town.id)
        counts.append(len(statements))
    assert counts[0] == counts[1] < 25


@pytest.mark.parametrize("special", ["guardian rule", "failed", "renewed", "class session"])
def test_what_is_not_settled_is_decided_in_full(running: Runtime, clock: ManualClock, special: str) -> None:
    town = create_proved_town(running)
    with running.open_unit_of_work() as work:
        make_special(work, town, 1, special)
        reconcile_tablets(work, town.tablet_ids)
    clock.advance(NOON - START)
    with running.open_unit_of_work() as work:
        switch_modes(work, town.town.id)
        assert list_reconcile_jobs(work) == [town.tablet_ids[1]]


def test_another_set_or_an_old_decision_is_decided_in_full(running: Runtime, clock: ManualClock) -> None:
    town = create_proved_town(running)
    with running.open_unit_of_work() as work:
        bases = [work.session.get_one(TabletMode, tablet_id) for tablet_id in town.tablet_ids]
        bases[0].mode_only_basis, bases[1].mode_only_until = "another release", NOON
    clock.advance(NOON - START)
    with running.open_unit_of_work() as work:
        enqueue_due_checks(work)
        assert list_reconcile_jobs(work) == [town.tablet_ids[1]], "an old decision is renewed by itself"
    with running.open_unit_of_work() as work:
        switch_modes(work, town.town.id)
        assert list_reconcile_jobs(work) == sorted(town.tablet_ids[:2])


def test_a_large_town_is_switched_in_parts(running: Runtime, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mode_switch, "TABLETS_PER_RUN", 2)
    town = create_proved_town(running, 5)
    with running.open_unit_of_work() as work:
        work.session.get_one(DeclarativeState, town.enrollment_ids[0]).repairs = {"x": 1}
    clock.advance(NOON - START)
    with running.open_unit_of_work() as work:
        work.enqueue_job(Topic.MODES, town.town.id)
    drain(running, Topic.MODES)
    assert load_modes(running, town).count(Mode.AFTER_SCHOOL) == 4
    with running.open_unit_of_work() as work:
        assert list_reconcile_jobs(work) == [town.tablet_ids[0]]


def test_a_town_that_cannot_be_switched_at_once_is_decided_tablet_by_tablet(running: Runtime, clock: ManualClock) -> None:
    town = create_proved_town(running)
    with running.open_unit_of_work() as work:  # a set that no release can have written
        work.session.execute(update(DeclarationSet).values(items=[{"Kind": "unknown"}]))
    clock.advance(NOON - START)
    with running.open_unit_of_work() as work:
        work.enqueue_job(Topic.MODES, town.town.id)
    drain(running, Topic.MODES)
    assert count_jobs(running, Topic.MODES) == 0
    with running.open_unit_of_work() as work:
        assert list_reconcile_jobs(work) == sorted(town.tablet_ids)


def test_a_full_decision_at_the_same_time_has_the_last_word(running: Runtime, clock: ManualClock) -> None:
    town = create_proved_town(running)
    clock.advance(NOON - START)

    def decide_new_policy(work: UnitOfWork) -> None:
        publish_document(work, town.town.id, PlaceKind.TOWN, "", {"after_school": {"allowCamera": False}})
        reconcile_tablets(work, town.tablet_ids)

    assert run_overlapping(running, decide_new_policy, lambda work: switch_modes(work, town.town.id)) == (None, None)
    with running.open_unit_of_work() as work:
        states = work.session.scalars(select(DeclarativeState)).all()
        [former] = {state.served_set_sha256 for state in states}
        [announced] = {(state.set_sha256, state.mode, state.publication) for state in states}
        assert announced[0] != former
        assert announced[1:] == ("after_school", 2), "announced once, by the full decision"


def test_a_tablet_applies_and_reports_the_mode_of_its_town(runtime: Runtime, clock: ManualClock) -> None:
    tablet = EnrolledTablet(runtime, clock)
    with runtime.open_unit_of_work() as work:
        town_id = tablet.enrollment.town_id
        authoring.save_calendar(work, SYSTEM, town_id, "own", periods=[], public=[], known_until=None)
        authoring.save_timetable(work, SYSTEM, town_id, None, week=FOUR_DAYS_JSON, calendar="own", night=None)
        publish_document(work, town_id, PlaceKind.TOWN, "", {"school": {"allowSafari": False}})
    tablet.prove()
    tablet.report()
    tablet.connect()
    state = tablet.load_state()
    assert (state.mode, state.status, tablet.load_profile()) == ("school", DeclarationStatus.CONFIRMED, None)
    clock.advance(NOON - START)
    with runtime.open_unit_of_work() as work:
        reevaluate_due_modes(work)
    drain(runtime, Topic.MODES)
    assert count_jobs(runtime, Topic.RECONCILE) == 0
    former, known = tablet.tokens[-1], len(tablet.tokens)
    tablet.converse()
    assert len(tablet.tokens) == known + 1
    assert tablet.tokens[-1] != former
    tablet.report()
    state = tablet.load_state()
    assert (state.confirmed_mode, state.status) == ("after_school", DeclarationStatus.CONFIRMED)
