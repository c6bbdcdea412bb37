"""One budget for everything that cannot be taken back: what one stolen session can do at worst, whichever way it goes."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from cartable.alarms import Alarm, AlarmKind
from cartable.clock import ManualClock
from cartable.errors import DomainError, Forbidden, Invalid, NotFound, NotTrustedYet, ReauthenticationRequired, SamePerson
from cartable.scope import SYSTEM, Actor, Role, RoleAssignment
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.places.models import Grade, Town
from enrollment.rollover import drafting
from enrollment.rollover import service as rollovers
from enrollment.rollover.models import RolloverDecision
from enrollment.safeguards import budget, extensions, stop_switch
from enrollment.safeguards.errors import BudgetExtensionEnded, BudgetUsedUp, DestructiveCommandsStopped
from enrollment.safeguards.models import BudgetEntry, BudgetExtension
from enrollment.safeguards.models import IrreversibleAct as Act
from enrollment.safeguards.rules import (
    COSTS,
    EXTENSION_DELAY,
    QUARTERS,
    BudgetLimit,
    Limits,
    Spending,
    count_remaining_tablets,
    find_exceeded_limit,
)
from enrollment.tablets import inventory
from enrollment.tablets.models import Tablet, TabletState
from tests.support.concurrency import run_at_once
from tests.support.world import TownFactory, create_actor


@pytest.fixture
def town(runtime: Runtime) -> Town:
    with runtime.open_unit_of_work() as work:
        return TownFactory(work).create_town()


def _count_spendable(work: UnitOfWork, actor: Actor, town: Town, act: Act) -> int:
    """Spend until it is refused."""
    for number in range(1000):
        try:
            budget.spend_budget(work, actor, town.id, act)
        except BudgetUsedUp:
            return number
    raise AssertionError("no limit")


def _count_remaining(work: UnitOfWork, actor: Actor, town: Town) -> int:
    state = budget.get_budget(work, actor, town.id)
    return count_remaining_tablets(state.limits, state.spending)


def _list_alarms(work: UnitOfWork) -> list[AlarmKind]:
    return list(work.session.scalars(select(Alarm.kind).order_by(Alarm.raised_at, Alarm.kind)))


@pytest.mark.parametrize("act", Act)
def test_every_act_has_an_end_within_the_hour(runtime: Runtime, town: Town, act: Act) -> None:
    with runtime.open_unit_of_work() as work:
        expected = 5 * QUARTERS // COSTS[act]
        assert _count_spendable(work, create_actor(Role.TOWN_ADMIN, town), town, act) == expected


def test_the_acts_draw_on_one_budget(runtime: Runtime, town: Town) -> None:
    with runtime.open_unit_of_work() as work:
        actor = create_actor(Role.TOWN_ADMIN, town)
        for act in (Act.ERASE, Act.RETIRE, Act.DISPOSE, Act.ERASE_PUPIL):
            budget.spend_budget(work, actor, town.id, act)
        budget.spend_budget(work, actor, town.id, Act.LEAVER, 4)
        for act in Act:
            with pytest.raises(BudgetUsedUp):
                budget.spend_budget(work, actor, town.id, act)


def test_a_person_has_a_day_and_the_town_has_one_too(runtime: Runtime, clock: ManualClock, town: Town) -> None:
    spent = []
    people = [create_actor(Role.TOWN_ADMIN, town) for _ in range(4)]
    for _ in range(6):
        with runtime.open_unit_of_work() as work:
            spent.append([_count_spendable(work, person, town, Act.ERASE) for person in people])
        clock.advance(timedelta(hours=1, minutes=1))
    by_person = [sum(hour[index] for hour in spent) for index in range(4)]
    assert max(by_person) <= 20
    assert sum(by_person) == 50, "puppets share the budget of the town"
    clock.advance(timedelta(days=1))
    with runtime.open_unit_of_work() as work:
        assert _count_spendable(work, people[0], town, Act.ERASE) == 5


def test_one_person_has_one_budget_in_all_towns_and_the_server_none(runtime: Runtime, town: Town) -> None:
    with runtime.open_unit_of_work() as work:
        actor, other = create_actor(Role.TECHNICIAN, town), TownFactory(work).create_town()
        for _ in range(3):
            budget.spend_budget(work, actor, town.id, Act.ERASE)
        assert _count_spendable(work, actor, other, Act.ERASE) == 2
        budget.spend_budget(work, create_actor(Role.TOWN_ADMIN, other), other.id, Act.ERASE)
        for _ in range(60):
            budget.spend_budget(work, SYSTEM, town.id, Act.ERASE)


def _spend_at_once(runtime: Runtime, requests: list[tuple[Actor, Town]]) -> int:
    """Erase one tablet per request, each in a session of its own, and return how many were within the budget."""
    acts = [partial(budget.spend_budget, actor=actor, town_id=town.id, act=Act.ERASE) for actor, town in requests]
    return len(requests) - len(run_at_once(runtime, *acts))


def test_one_person_in_two_towns_at_once_does_not_exceed_the_budget(runtime: Runtime, town: Town) -> None:
    with runtime.open_unit_of_work() as work:
        other = TownFactory(work).create_town()
    actor = create_actor(Role.TECHNICIAN, town)
    assert _spend_at_once(runtime, [(actor, town if number % 2 else other) for number in range(9)]) == 5


def test_requests_at_once_do_not_exceed_the_budget(runtime: Runtime, town: Town) -> None:
    actor = create_actor(Role.TOWN_ADMIN, town)
    assert _spend_at_once(runtime, [(actor, town)] * 9) == 5
    with runtime.open_unit_of_work() as work:
        assert work.session.scalar(select(func.count()).select_from(BudgetEntry)) == 5
        assert _list_alarms(work) == [AlarmKind.BUDGET_EXCEEDED, AlarmKind.BUDGET_USED_UP]


def test_the_act_that_uses_the_budget_up_raises_an_alarm(runtime: Runtime, town: Town) -> None:
    actor = create_actor(Role.TECHNICIAN, town)
    with runtime.open_unit_of_work() as work:
        budget.spend_budget(work, actor, town.id, Act.RETIRE, 4)
        assert _list_alarms(work) == []
        budget.spend_budget(work, actor, town.id, Act.RETIRE)
    with runtime.open_unit_of_work() as work:
        [alarm] = work.session.scalars(select(Alarm)).all()
        assert (alarm.kind, alarm.town_id) == (AlarmKind.BUDGET_USED_UP, town.id)
        assert (alarm.details["limit"], alarm.details["account"]) == ("person_per_hour", str(actor.account_id))


def test_an_attempt_beyond_the_budget_changes_nothing_and_raises_an_alarm(
    runtime: Runtime, clock: ManualClock, town: Town
) -> None:
    actor = create_actor(Role.TOWN_ADMIN, town)

    def attempt() -> None:
        with runtime.open_unit_of_work() as work:
            budget.spend_budget(work, actor, town.id, Act.ERASE, 4000)

    for _ in range(3):
        with pytest.raises(BudgetUsedUp):
            attempt()
    with runtime.open_unit_of_work() as work:
        assert work.session.scalars(select(BudgetEntry)).all() == []
        [alarm] = work.session.scalars(select(Alarm)).all()
        assert (alarm.kind, alarm.details["count"], alarm.details["act"]) == (AlarmKind.BUDGET_EXCEEDED, 4000, "erase")
    clock.advance(timedelta(minutes=11))
    with pytest.raises(BudgetUsedUp):
        attempt()
    with runtime.open_unit_of_work() as work:
        assert len(_list_alarms(work)) == 2, "who goes on is told of again"


def test_a_technician_retires_no_fleet(runtime: Runtime, town: Town) -> None:
    """27 of 27 tablets were unenrolled in two seconds by return, retirement, disposal."""
    with runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        tablets = [world.create_tablet(town) for _ in range(27)]
        for tablet in tablets:
            tablet.state = TabletState.RETURNED
        technician = create_actor(Role.TECHNICIAN, town)
        for tablet in tablets:
            try:
                inventory.retire_tablet(work, technician, tablet, "for nothing")
                inventory.dispose_of_tablet(
                    work, technician, tablet, wipe_proof="none", waste_slip="none", unenroll=lambda _work, _id: None
                )
            except BudgetUsedUp:
                continue
        states = [work.session.get_one(Tablet, tablet.id).state for tablet in tablets]
        assert (states.count(TabletState.DISPOSED), states.count(TabletState.RETIRED)) == (2, 1)


def test_two_people_extend_the_budget_after_a_delay_and_anybody_cancels(runtime: Runtime, clock: ManualClock, town: Town) -> None:
    technician, admin, helpdesk = (create_actor(role, town) for role in (Role.TECHNICIAN, Role.TOWN_ADMIN, Role.HELPDESK))
    with runtime.open_unit_of_work() as work:
        _count_spendable(work, technician, town, Act.RETIRE)
        extension = extensions.request_extension(work, technician, town.id, 30, "thirty broken tablets")
        with pytest.raises((SamePerson, Forbidden)):
            extensions.approve_extension(work, technician, extension.id)
        extensions.approve_extension(work, admin, extension.id)
        with pytest.raises(BudgetUsedUp):
            budget.spend_budget(work, technician, town.id, Act.RETIRE)
    clock.advance(EXTENSION_DELAY)
    with runtime.open_unit_of_work() as work:
        assert _count_spendable(work, technician, town, Act.RETIRE) == 30
        assert _count_spendable(work, admin, town, Act.RETIRE) == 5, "the extension is for the person who asked"
        second = extensions.request_extension(work, technician, town.id, 10, "ten more of them")
        extensions.cancel_extension(work, helpdesk, second.id)
        with pytest.raises(BudgetExtensionEnded):
            extensions.approve_extension(work, admin, second.id)
        extensions.cancel_extension(work, helpdesk, extension.id)
    with runtime.open_unit_of_work() as work, pytest.raises(BudgetUsedUp):
        budget.spend_budget(work, technician, town.id, Act.LEAVER)


def test_two_people_approve_an_extension_at_once_and_one_of_them_has_approved_it(runtime: Runtime, town: Town) -> None:
    first, second = (create_actor(Role.TOWN_ADMIN, town) for _ in range(2))
    with runtime.open_unit_of_work() as work:
        extension_id = extensions.request_extension(work, create_actor(Role.TECHNICIAN, town), town.id, 30, "thirty tablets").id
    acts = [partial(extensions.approve_extension, actor=each, extension_id=extension_id) for each in (first, second)]
    assert run_at_once(runtime, *acts) == []
    with runtime.open_unit_of_work() as work:
        extension = work.session.get_one(BudgetExtension, extension_id)
        assert extension.approved_by in (first.account_id, second.account_id)
        assert _list_alarms(work).count(AlarmKind.BUDGET_EXTENSION_APPROVED) == 1


def test_an_extension_approved_and_cancelled_at_once_gives_no_budget(runtime: Runtime, clock: ManualClock, town: Town) -> None:
    technician, admin, helpdesk = (create_actor(role, town) for role in (Role.TECHNICIAN, Role.TOWN_ADMIN, Role.HELPDESK))
    with runtime.open_unit_of_work() as work:
        extension_id = extensions.request_extension(work, technician, town.id, 30, "thirty tablets").id
    refusals = run_at_once(
        runtime,
        partial(extensions.approve_extension, actor=admin, extension_id=extension_id),
        partial(extensions.cancel_extension, actor=helpdesk, extension_id=extension_id),
    )
    assert {type(each) for each in refusals} <= {BudgetExtensionEnded}
    clock.advance(EXTENSION_DELAY)
    with runtime.open_unit_of_work() as work:
        assert _count_spendable(work, technician, town, Act.RETIRE) == 5


def test_an_extension_needs_known_people_of_the_town_and_the_password(runtime: Runtime, town: Town) -> None:
    with runtime.open_unit_of_work() as work:
        roles = (RoleAssignment(Role.TOWN_ADMIN, town.id),)
        thief = Actor(uuid4(), "thief", roles, reauthenticated=False)
        puppet = Actor(uuid4(), "puppet", roles, trusted_from=work.now + timedelta(hours=5))
        stranger = create_actor(Role.TOWN_ADMIN, TownFactory(work).create_town())
        refusals: list[tuple[Actor, type[DomainError]]] = [(thief, ReauthenticationRequired), (puppet, NotTrustedYet)]
        not_permitted: tuple[Actor, type[DomainError]] = (stranger, Forbidden)
        for actor, error in [*refusals, not_permitted]:
            with pytest.raises(error):
                extensions.request_extension(work, actor, town.id, 100, "for nothing")
        extension = extensions.request_extension(work, create_actor(Role.TOWN_ADMIN, town), town.id, 100, "end of the programme")
        by_stranger: tuple[Actor, type[DomainError]] = (stranger, NotFound)
        for actor, error in [*refusals, by_stranger]:
            with pytest.raises(error):
                extensions.approve_extension(work, actor, extension.id)
        assert _list_alarms(work) == [AlarmKind.BUDGET_EXTENSION_REQUESTED]


def test_the_operator_sets_the_limits_of_a_town(runtime: Runtime, town: Town) -> None:
    with runtime.open_unit_of_work() as work:
        budget.set_limits(work, town.id, Limits(person_per_hour=2, person_per_day=3, town_per_day=4))
        actor = create_actor(Role.TOWN_ADMIN, town)
        assert _count_remaining(work, actor, town) == 2
        assert _count_spendable(work, actor, town, Act.ERASE) == 2
        assert _count_remaining(work, actor, town) == 0
        with pytest.raises(Invalid):
            budget.set_limits(work, town.id, Limits(person_per_hour=5, person_per_day=4, town_per_day=50))


def test_a_stop_voids_what_was_extended(runtime: Runtime, clock: ManualClock, town: Town) -> None:
    technician, admin = create_actor(Role.TECHNICIAN, town), create_actor(Role.TOWN_ADMIN, town)
    with runtime.open_unit_of_work() as work:
        extension = extensions.request_extension(work, technician, town.id, 30, "thirty broken tablets")
        waiting = extensions.request_extension(work, technician, town.id, 40, "forty broken tablets")
        extensions.approve_extension(work, admin, extension.id)
    clock.advance(timedelta(minutes=5))
    with runtime.open_unit_of_work() as work:
        stop_switch.stop(work, create_actor(Role.HELPDESK, town), town.id, "who are they?")
        stop_switch.request_release(work, admin, town.id, "a false alarm")
        stop_switch.approve_release(work, create_actor(Role.TOWN_ADMIN, town), town.id)
    clock.advance(EXTENSION_DELAY)
    with runtime.open_unit_of_work() as work:
        with pytest.raises(BudgetExtensionEnded):
            extensions.approve_extension(work, admin, waiting.id)
        assert _count_spendable(work, technician, town, Act.RETIRE) == 5


def test_the_stop_switch_stops_every_act(runtime: Runtime, town: Town) -> None:
    with runtime.open_unit_of_work() as work:
        stop_switch.stop(work, create_actor(Role.HELPDESK, town), town.id, "something is wrong")
        for actor in (create_actor(Role.TOWN_ADMIN, town), SYSTEM):
            for act in Act:
                with pytest.raises(DestructiveCommandsStopped):
                    budget.spend_budget(work, actor, town.id, act)
        with pytest.raises(DestructiveCommandsStopped):
            extensions.request_extension(work, create_actor(Role.TOWN_ADMIN, town), town.id, 5, "more")
    with runtime.open_unit_of_work() as work:
        assert _list_alarms(work) == [AlarmKind.ATTEMPT_WHILE_STOPPED, AlarmKind.STOPPED]


@given(
    spent=st.tuples(st.integers(0, 400), st.integers(0, 400), st.integers(0, 400)),
    cost=st.integers(1, 400),
    limits=st.tuples(st.integers(1, 50), st.integers(1, 50), st.integers(1, 50)),
)
def test_what_fits_never_exceeds_a_limit(spent: tuple[int, int, int], cost: int, limits: tuple[int, int, int]) -> None:
    exceeded = find_exceeded_limit(Limits(*limits), Spending(*spent), cost)
    fits = [done + cost <= limit * QUARTERS for done, limit in zip(spent, limits, strict=True)]
    assert (exceeded is None) == all(fits)
    if exceeded is not None:
        assert not fits[list(BudgetLimit).index(exceeded)]


def test_a_head_marks_no_school_as_leavers(runtime: Runtime, town: Town) -> None:
    """CM2 leave by their grade and cost nothing; whoever would stay does."""
    with runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        school = world.create_school(town)
        classes = {grade: world.create_class(school, f"{grade} A") for grade in (Grade.CE2, Grade.CM2)}
        pupils = {grade: [world.create_pupil(each, grade).id for _ in range(30)] for grade, each in classes.items()}
        head = create_actor(Role.HEAD, town, school)
        rollover = drafting.preview_rollover(work, SYSTEM, town.id)
        rollovers.record_decision(work, head, rollover.id, pupils[Grade.CM2], RolloverDecision.LEAVER)
        with pytest.raises(BudgetUsedUp):
            rollovers.record_decision(work, head, rollover.id, pupils[Grade.CE2], RolloverDecision.LEAVER)
        rollovers.record_decision(work, head, rollover.id, pupils[Grade.CE2][:20], RolloverDecision.LEAVER)
        rollovers.record_decision(work, head, rollover.id, pupils[Grade.CE2][:20], RolloverDecision.LEAVER)
        with pytest.raises(BudgetUsedUp):
            rollovers.record_decision(work, head, rollover.id, pupils[Grade.CE2][20:21], RolloverDecision.LEAVER)
