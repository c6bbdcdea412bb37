"""Lists that came by themselves: on trial in chosen schools, waiting for a person, put in force or stopped; on both databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import pytest

from cartable.clock import ManualClock
from cartable.errors import NotFound
from cartable.outbox import OutboxRow, Topic
from cartable.paging import PageRequest
from cartable.scope import SYSTEM, Actor
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.places.models import Town
from mdm.privacy import history
from profiles.filters import former_lists, releases
from profiles.filters.comparison import compare_contents
from profiles.filters.content_repository import ContentRepository
from profiles.filters.errors import BadFilterOptions, ReleaseDecided
from profiles.filters.models import ListRelease, ReleaseStatus, StagedCategory
from profiles.filters.options import set_own_hosts, set_trial_schools
from profiles.filters.reading import read_lists
from profiles.filters.repository import FilterRepository
from tests.profiles.filters.archives import import_archive
from tests.profiles.filters.test_lists import archive
from tests.support.world import TownFactory


@pytest.fixture
def town(runtime: Runtime) -> Town:
    """A town with a list of games."""
    with runtime.open_unit_of_work() as work:
        made = TownFactory(work).create_town()
        import_archive(work, SYSTEM, made.id, archive({"l/games/domains": b"jeu.example\n"}))
        return made


@pytest.fixture
def work(runtime: Runtime, town: Town) -> Iterator[UnitOfWork]:
    with runtime.open_unit_of_work() as opened:
        yield opened


def choose_trial_school(work: UnitOfWork, town: Town, hours: int = 24) -> None:
    school = TownFactory(work).create_school(town)
    set_trial_schools(work, SYSTEM, town.id, [school.id], hours)


def add_release(
    work: UnitOfWork, town: Town, hosts: bytes = b"jeu.example\nencore.example\n", shrunk: tuple[str, ...] = ()
) -> ListRelease:
    lists = read_lists(archive({"l/games/domains": hosts}).getvalue())
    ContentRepository(work.session).add_contents(lists.get_blocks_by_hash(), work.now)
    return releases.add_release(work, town.id, [], lists.describe(), shrunk)


def find(work: UnitOfWork, town: Town, *, is_trial: bool = False) -> list[str]:
    return FilterRepository(work.session).find_categories(town.id, "encore.example", is_trial=is_trial)


def test_without_trial_schools_new_lists_are_in_force_and_can_be_undone(work: UnitOfWork, town: Town) -> None:
    row = add_release(work, town)
    assert row.status is ReleaseStatus.IN_FORCE
    assert find(work, town) == ["games"]
    former = former_lists.preview_undo(work, SYSTEM, town.id, "games")
    assert (former.leaving, former.coming) == (["encore.example"], [])
    former_lists.undo_import(work, SYSTEM, town.id, "games", former.former.content_sha256)
    assert find(work, town) == []


def test_a_trial_serves_its_schools_alone_until_it_ends_by_itself(runtime: Runtime, town: Town, clock: ManualClock) -> None:
    with runtime.open_unit_of_work() as work:
        choose_trial_school(work, town, hours=48)
        assert add_release(work, town).status is ReleaseStatus.TRIAL
        assert (find(work, town), find(work, town, is_trial=True)) == ([], ["games"])
    clock.advance(timedelta(hours=47))
    with runtime.open_unit_of_work() as work:
        releases.end_trials(work)
        assert find(work, town) == []
    clock.advance(timedelta(hours=1))
    with runtime.open_unit_of_work() as work:
        releases.end_trials(work)
        assert find(work, town) == ["games"]
        [row] = releases.list_releases(work, SYSTEM, town.id, PageRequest()).items
        assert (row.status, row.decided_at) == (ReleaseStatus.IN_FORCE, clock.now())
        assert work.session.query(StagedCategory).count() == 0


def test_a_person_ends_a_trial_early_or_stops_it_and_decides_once(work: UnitOfWork, town: Town) -> None:
    choose_trial_school(work, town)
    stopped = add_release(work, town)
    releases.stop_release(work, SYSTEM, stopped.id)
    assert (find(work, town), find(work, town, is_trial=True)) == ([], [])
    with pytest.raises(ReleaseDecided):
        releases.approve_release(work, SYSTEM, stopped.id)
    accepted = add_release(work, town)
    assert releases.approve_release(work, SYSTEM, accepted.id).status is ReleaseStatus.IN_FORCE
    assert find(work, town) == ["games"]
    with pytest.raises(ReleaseDecided):
        releases.stop_release(work, SYSTEM, accepted.id)


def test_what_shrinks_waits_for_a_person_and_then_goes_on_trial(work: UnitOfWork, town: Town) -> None:
    choose_trial_school(work, town)
    row = add_release(work, town, shrunk=("games",))
    assert row.status is ReleaseStatus.WAITING
    assert find(work, town, is_trial=True) == []
    assert releases.approve_release(work, SYSTEM, row.id).status is ReleaseStatus.TRIAL
    newer = add_release(work, town)
    assert (row.status, newer.status) == (ReleaseStatus.REPLACED, ReleaseStatus.TRIAL)


def test_two_people_who_decide_at_once_decide_once(runtime: Runtime, town: Town) -> None:
    with runtime.open_unit_of_work() as work:
        choose_trial_school(work, town)
        release_id = add_release(work, town).id

    def decide(act: Callable[[UnitOfWork, Actor, UUID], ListRelease]) -> bool:
        try:
            with runtime.open_unit_of_work() as work:
                act(work, SYSTEM, release_id)
        except ReleaseDecided:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(decide, (releases.approve_release, releases.stop_release))) == [False, True]


def test_a_release_in_force_is_undone_as_a_whole_once_and_its_lists_can_come_back(runtime: Runtime, town: Town) -> None:
    with runtime.open_unit_of_work() as work:
        release_id = add_release(work, town).id

    def undo(_: int) -> bool:
        try:
            with runtime.open_unit_of_work() as work:
                former_lists.undo_release(work, SYSTEM, release_id)
        except ReleaseDecided:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(undo, range(2))) == [False, True]
    with runtime.open_unit_of_work() as work:
        row = releases.get_release(work, SYSTEM, release_id)
        assert (find(work, town), row.status) == ([], ReleaseStatus.UNDONE)
        [kept] = former_lists.list_former(work, SYSTEM, town.id)
        former_lists.undo_import(work, SYSTEM, town.id, "games", kept.content_sha256)
        assert find(work, town) == ["games"]


def test_what_changed_again_or_is_too_old_is_not_undone_with_a_release(runtime: Runtime, town: Town, clock: ManualClock) -> None:
    with runtime.open_unit_of_work() as work:
        first_id = add_release(work, town).id
    clock.advance(timedelta(days=1))
    with runtime.open_unit_of_work() as work:
        second_id = add_release(work, town, b"autre.example\n").id
        assert former_lists.list_former_of_release(work, SYSTEM, releases.get_release(work, SYSTEM, first_id)) == []
        with pytest.raises(ReleaseDecided):
            former_lists.undo_release(work, SYSTEM, first_id)
    clock.advance(former_lists.KEPT_FOR + timedelta(minutes=1))
    with runtime.open_unit_of_work() as work, pytest.raises(ReleaseDecided):
        former_lists.undo_release(work, SYSTEM, second_id)


def test_decided_releases_end_after_their_term(runtime: Runtime, town: Town, clock: ManualClock) -> None:
    with runtime.open_unit_of_work() as work:
        add_release(work, town)
    clock.advance(releases.KEPT_FOR + timedelta(minutes=1))
    with runtime.open_unit_of_work() as work:
        assert history.purge_history(work)["filter_list_release"] == 1


def test_options_are_of_the_towns_own_schools_and_reach_its_tablets(work: UnitOfWork, town: Town) -> None:
    factory = TownFactory(work)
    other = factory.create_school(factory.create_town())
    with pytest.raises(NotFound):
        set_trial_schools(work, SYSTEM, town.id, [other.id], 24)
    with pytest.raises(BadFilterOptions):
        set_trial_schools(work, SYSTEM, town.id, [], 0)
    tablet = factory.create_tablet(town)
    work.session.query(OutboxRow).delete()
    assert set_own_hosts(work, SYSTEM, town.id, ["https://École.ville.example/menu"]).own_hosts == ["xn--cole-9oa.ville.example"]
    assert [row.key for row in work.session.query(OutboxRow).filter_by(topic=Topic.RECONCILE)] == [str(tablet.id)]


def test_a_comparison_counts_all_and_names_some() -> None:
    names = [f"h{number:05d}.example" for number in range(10_000)]

    def blocks(hosts: list[str]) -> dict[str, bytes]:
        return {"l/games/domains": "\n".join(hosts).encode() + b"\n"}

    before, after = (
        read_lists(archive(blocks(hosts)).getvalue()).categories["games"][1] for hosts in (names, [*names[50:], "zz.example"])
    )
    change = compare_contents(before, after)
    assert (change.leaving, change.coming) == (50, 1)
    assert (change.leaving_samples, change.coming_samples) == (names[:20], ["zz.example"])
