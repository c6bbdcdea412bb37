"""The real resolver counts what categories close, for towns that ask for it, and keeps nothing else of a question."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cartable.scope import SYSTEM
from enrollment.places.models import Town
from enrollment.tablets.models import TabletState
from mdm.resolver.blocked_counts import LEAST_TABLETS, list_days, set_counting
from profiles.filters.resolver_filter import ResolverFilter
from tests.interop.resolver.conftest import ResolverTown
from tests.support.waiting import wait_until
from tests.support.world import TownFactory

RULES = ResolverFilter(blocked_categories=frozenset({"games"}), denied=frozenset({"refuse.example"}))
ASKED = 7


@pytest.fixture(scope="module", autouse=True)
def _hand_over_each_second() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mdm.resolver.configuration.COUNT_SECONDS", 1)
        yield


def prepare(town: ResolverTown, *, is_wanted: bool) -> str:
    """Give a town lists, enough tablets and its choice; return the token of its filter."""
    with town.runtime.open_unit_of_work() as work:
        row = work.session.get_one(Town, town.town_id)
        for _ in range(LEAST_TABLETS):
            TownFactory(work).create_tablet(row).state = TabletState.IN_USE
        work.session.flush()
        set_counting(work, SYSTEM, town.town_id, is_wanted=is_wanted)
    town.import_lists({"games": "jeu-marque.example\n", "adult": "porno-marque.example\n"})
    tokens = town.save_filters({"home": RULES})
    town.wait_for(tokens)
    assert wait_until(town.knows_all_lists)
    assert wait_until(lambda: town.resolve(tokens["home"], "jeu-marque.example") is None)
    return tokens["home"]


def load_counts(town: ResolverTown) -> list[dict[str, int | None]]:
    with town.runtime.open_unit_of_work() as work:
        return [day.by_category for day in list_days(work, SYSTEM, town.town_id)]


def test_categories_are_counted_where_the_town_asks_for_it_and_nowhere_else(town: ResolverTown) -> None:
    silent = town.create_neighbour()
    token, silent_token = prepare(town, is_wanted=True), prepare(silent, is_wanted=False)
    for _ in range(ASKED):
        for asked, path in ((town, token), (silent, silent_token)):
            for name in ("www.porno-marque.example", "refuse.example", "libre.example"):
                asked.resolve(path, name)
    assert wait_until(lambda: any(day.get("adult") == ASKED for day in load_counts(town)), 30), load_counts(town)
    [day] = load_counts(town)
    assert set(day) <= {"adult", "games"}, "a denied site is no category"
    assert load_counts(silent) == []
    for file in town.supervisor.folder.rglob("*"):
        if file.is_file() and file.parent.name != "stores":
            assert b"marque.example" not in file.read_bytes(), file
