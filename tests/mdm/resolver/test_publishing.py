"""What the database says reaches the files that dnsdist reads, on both databases."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select

from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime
from enrollment.places.models import Town
from mdm.resolver.cdb import read_value
from mdm.resolver.publishing import StorePublisher
from profiles.filters import releases
from profiles.filters.address_repository import AddressContent, FilterAddressRepository
from profiles.filters.content_repository import ContentRepository
from profiles.filters.models import FilterBlock, FilterCategory, FilterContent, FormerCategory
from profiles.filters.options import set_trial_schools
from profiles.filters.reading import read_lists
from profiles.filters.resolver_filter import ResolverFilter
from tests.profiles.filters.archives import import_archive
from tests.profiles.filters.test_lists import archive
from tests.support.statements import count_statements
from tests.support.world import TownFactory

ADDRESS = b"the-token"


@pytest.fixture
def town_id(runtime: Runtime) -> UUID:
    with runtime.open_unit_of_work() as work:
        return TownFactory(work).create_town().id


@pytest.fixture
def publisher(runtime: Runtime, tmp_path: Path) -> StorePublisher:
    return StorePublisher(runtime, tmp_path / "resolver")


def save_filter(runtime: Runtime, town_id: UUID, rules: ResolverFilter, key: str = "home") -> None:
    with runtime.open_unit_of_work() as work:
        token = ADDRESS.decode() if key == "home" else key
        contents = {f"{town_id} {key}": AddressContent(town_id, token, rules)}
        FilterAddressRepository(work.session).save_contents(contents, work.now)


def import_games(runtime: Runtime, town_id: UUID, hosts: str) -> None:
    with runtime.open_unit_of_work() as work:
        import_archive(work, SYSTEM, town_id, archive({"l/games/domains": hosts.encode()}))


def read_plan(folder: Path, token: bytes = ADDRESS) -> dict[str, str]:
    """Return the plan of an address by its fields."""
    line = read_value((folder / "index.cdb").read_bytes(), token)
    assert line is not None
    return dict(part.split("=", 1) for part in line.decode().split())


def read_record(folder: Path, store: str, name: str) -> bytes | None:
    return read_value((folder / "stores" / f"{store}.cdb").read_bytes(), name.encode())


def test_a_filter_and_its_lists_are_written(
    runtime: Runtime, town_id: UUID, publisher: StorePublisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "resolver"
    monkeypatch.setattr("mdm.resolver.publishing._BLOCKS_PER_READ", 2)  # the list is read in several transactions
    import_games(runtime, town_id, "".join(f"jeu{number:06d}.example\n" for number in range(25_000)))
    save_filter(runtime, town_id, ResolverFilter(denied=frozenset({"a.example"}), blocked_categories=frozenset({"games"})))
    assert publisher.publish()
    assert publisher.pending_lists == 1
    assert read_record(folder, read_plan(folder)["names"], "a.example") == b"D"
    assert "others" not in read_plan(folder)
    assert publisher.build_next_list()
    assert not publisher.build_next_list()
    assert publisher.publish()
    category, _, store = read_plan(folder)["others"].partition(":")
    assert category == "games"
    assert read_record(folder, store, "jeu024999.example") == b"1"
    assert read_record(folder, store, "jeu025000.example") is None
    assert not publisher.publish(), "nothing has changed"


def test_the_former_list_is_used_until_the_new_one_is_built(
    runtime: Runtime, town_id: UUID, publisher: StorePublisher, tmp_path: Path
) -> None:
    folder = tmp_path / "resolver"
    save_filter(runtime, town_id, ResolverFilter(blocked_categories=frozenset({"games"})))
    import_games(runtime, town_id, "jeu.example\n")
    publisher.publish()
    publisher.build_next_list()
    publisher.publish()
    former = read_plan(folder)["others"]
    import_games(runtime, town_id, "jeu.example\nencore.example\n")
    publisher.publish()
    assert read_plan(folder)["others"] == former
    publisher.build_next_list()
    publisher.publish()
    assert read_plan(folder)["others"] != former


def test_a_list_that_is_deleted_while_it_is_read_is_left(runtime: Runtime, town_id: UUID, publisher: StorePublisher) -> None:
    save_filter(runtime, town_id, ResolverFilter(blocked_categories=frozenset({"games"})))
    import_games(runtime, town_id, "jeu.example\n")
    publisher.publish()
    import_games(runtime, town_id, "encore.example\n")
    with runtime.open_unit_of_work() as work:
        work.session.query(FormerCategory).delete()
        work.session.query(FilterContent).filter(FilterContent.sha256.not_in(select(FilterCategory.content_sha256))).delete()
    assert not publisher.build_next_list(), "the publisher knows the first list alone, and that one is gone"
    publisher.publish()
    assert publisher.build_next_list()


def test_two_towns_with_the_same_list_share_one_content_and_one_store(
    runtime: Runtime, town_id: UUID, publisher: StorePublisher, tmp_path: Path
) -> None:
    import_games(runtime, town_id, "jeu.example\n")
    with runtime.open_unit_of_work() as work:
        other_id = TownFactory(work).create_town().id
    import_games(runtime, other_id, "jeu.example\n")
    with runtime.open_unit_of_work() as work:
        assert work.session.query(FilterContent).count() == work.session.query(FilterBlock).count() == 1
    publisher.publish()
    assert publisher.build_next_list()
    assert not publisher.build_next_list()


def test_addresses_on_trial_serve_the_new_list_and_the_others_the_former_one(
    runtime: Runtime, town_id: UUID, publisher: StorePublisher, tmp_path: Path
) -> None:
    folder, rules = tmp_path / "resolver", ResolverFilter(blocked_categories=frozenset({"games"}))
    with runtime.open_unit_of_work() as work:
        contents = {
            "home": AddressContent(town_id, ADDRESS.decode(), rules),
            "home on trial": AddressContent(town_id, "trial", rules, is_trial=True),
        }
        FilterAddressRepository(work.session).save_contents(contents, work.now)
        school = TownFactory(work).create_school(work.session.get_one(Town, town_id))
        set_trial_schools(work, SYSTEM, town_id, [school.id], 24)
    import_games(runtime, town_id, "jeu.example\n")

    def publish() -> list[bool]:
        """Publish all and return whether each address closes the new host."""
        publisher.publish()
        while publisher.build_next_list():
            pass
        publisher.publish()
        stores = [read_plan(folder, token)["others"].partition(":")[2] for token in (ADDRESS, b"trial")]
        return [read_record(folder, store, "encore.example") is not None for store in stores]

    def add_release() -> UUID:
        lists = read_lists(archive({"l/games/domains": b"jeu.example\nencore.example\n"}).getvalue())
        with runtime.open_unit_of_work() as work:
            ContentRepository(work.session).add_contents(lists.get_blocks_by_hash(), work.now)
            return releases.add_release(work, town_id, [], lists.describe(), []).id

    assert publish() == [False, False]
    release_id = add_release()
    assert publish() == [False, True]
    with runtime.open_unit_of_work() as work:
        releases.stop_release(work, SYSTEM, release_id)
    assert publish() == [False, False]
    release_id = add_release()
    with runtime.open_unit_of_work() as work:
        releases.approve_release(work, SYSTEM, release_id)
    assert publish() == [True, True]


def test_each_index_is_newer_by_a_second(runtime: Runtime, town_id: UUID, publisher: StorePublisher, tmp_path: Path) -> None:
    """dnsdist compares whole seconds: of two changes within one it would miss the second."""
    times = []
    for number in range(3):
        save_filter(runtime, town_id, ResolverFilter(denied=frozenset({f"{number}.example"})))
        publisher.publish()
        times.append(int((tmp_path / "resolver" / "index.cdb").stat().st_mtime))
    assert times == sorted(set(times))


def test_stores_that_nobody_uses_any_more_are_deleted_later(
    runtime: Runtime, town_id: UUID, publisher: StorePublisher, tmp_path: Path
) -> None:
    folder = tmp_path / "resolver"
    save_filter(runtime, town_id, ResolverFilter(denied=frozenset({"a.example"})))
    publisher.publish()
    former = folder / "stores" / f"{read_plan(folder)['names']}.cdb"
    save_filter(runtime, town_id, ResolverFilter(denied=frozenset({"b.example"})))
    publisher.publish()
    assert former.exists(), "dnsdist may be about to open it"
    long_ago = time.time() - timedelta(hours=2).total_seconds()
    os.utime(former, (long_ago, long_ago))
    save_filter(runtime, town_id, ResolverFilter(denied=frozenset({"c.example"})))
    publisher.publish()
    assert not former.exists()


def test_the_number_of_questions_does_not_grow_with_the_filters(
    runtime: Runtime, town_id: UUID, publisher: StorePublisher
) -> None:
    counts = []
    for size in (1, 30):
        for number in range(size):
            save_filter(runtime, town_id, ResolverFilter(denied=frozenset({f"{size}-{number}.example"})), f"{size}-{number}")
        with count_statements(runtime.engine) as statements:
            publisher.publish()
        counts.append(len([each for each in statements if each.startswith("SELECT")]))
    assert counts == [4, 4]
