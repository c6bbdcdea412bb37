"""Counts of questions that categories closed: added up by day, only for towns that ask and are large enough, small numbers hidden."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import pytest

from cartable.clock import ManualClock
from cartable.errors import Forbidden
from cartable.scope import SYSTEM, Actor
from cartable.unit_of_work import Runtime
from enrollment.tablets.models import TabletState
from mdm.resolver.blocked_counts import LEAST_TABLETS, list_days, parse_counts, set_counting, store_counts
from mdm.resolver.count_repository import BlockedCountRepository
from mdm.resolver.errors import TooFewTablets
from tests.support.world import TownFactory


@pytest.fixture
def town_id(runtime: Runtime) -> UUID:
    """A town with just enough tablets that asks for counts."""
    with runtime.open_unit_of_work() as work:
        factory = TownFactory(work)
        town = factory.create_town()
        for _ in range(LEAST_TABLETS):
            factory.create_tablet(town).state = TabletState.IN_USE
        work.session.flush()
        set_counting(work, SYSTEM, town.id, is_wanted=True)
        return town.id


def store(runtime: Runtime, town_id: UUID, **counts: int) -> None:
    with runtime.open_unit_of_work() as work:
        store_counts(work, {(town_id, category): number for category, number in counts.items()})


def test_counts_of_a_day_add_up_and_small_ones_are_not_shown(runtime: Runtime, town_id: UUID, clock: ManualClock) -> None:
    store(runtime, town_id, games=4, adult=30)
    clock.advance(timedelta(minutes=15))
    store(runtime, town_id, adult=12)
    clock.advance(timedelta(days=1))
    store(runtime, town_id, games=5)
    with runtime.open_unit_of_work() as work:
        assert [day.by_category for day in list_days(work, SYSTEM, town_id)] == [{"games": 5}, {"adult": 42, "games": None}]
        with pytest.raises(Forbidden):
            list_days(work, Actor(account_id=None, name="nobody"), town_id)


def test_two_resolvers_add_at_once(runtime: Runtime, town_id: UUID) -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: store(runtime, town_id, games=10), range(4)))
    with runtime.open_unit_of_work() as work:
        assert [day.by_category for day in list_days(work, SYSTEM, town_id)] == [{"games": 40}]


def test_a_town_that_is_too_small_or_does_not_ask_is_not_counted(runtime: Runtime, town_id: UUID) -> None:
    with runtime.open_unit_of_work() as work:
        factory = TownFactory(work)
        small = factory.create_town()
        factory.create_tablet(small).state = TabletState.IN_USE
        with pytest.raises(TooFewTablets):
            set_counting(work, SYSTEM, small.id, is_wanted=True)
        small_id = small.id
    store(runtime, small_id, games=10)
    with runtime.open_unit_of_work() as work:
        set_counting(work, SYSTEM, town_id, is_wanted=False)
    store(runtime, town_id, games=10)
    with runtime.open_unit_of_work() as work:
        assert not list_days(work, SYSTEM, small_id)
        assert not list_days(work, SYSTEM, town_id)


def test_counts_end_after_their_term(runtime: Runtime, town_id: UUID, clock: ManualClock) -> None:
    store(runtime, town_id, games=10)
    with runtime.open_unit_of_work() as work:
        repository = BlockedCountRepository(work.session)
        tomorrow = clock.now().date() + timedelta(days=2)
        assert repository.count_before(town_id, tomorrow) == 1
        repository.delete_before(town_id, tomorrow)
        assert not list_days(work, SYSTEM, town_id)


def test_what_is_no_count_is_left_out() -> None:
    town = UUID(int=1)
    assert parse_counts(f"{town.hex} games 3\n\nnothing\n{town.hex} press x\n") == {(town, "games"): 3}
