"""What the database says reaches the files that dnsdist reads, on both databases."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime
from mdm.resolver.cdb import read_value
from mdm.resolver.publishing import StorePublisher
from profiles.filters.address_repository import AddressContent, FilterAddressRepository
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


def read_plan(folder: Path) -> dict[str, str]:
    """Return the plan of the address by its fields."""
    line = read_value((folder / "index.cdb").read_bytes(), ADDRESS)
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


def test_a_list_that_is_replaced_while_it_is_read_is_left(
    runtime: Runtime, town_id: UUID, publisher: StorePublisher, tmp_path: Path
) -> None:
    save_filter(runtime, town_id, ResolverFilter(blocked_categories=frozenset({"games"})))
    import_games(runtime, town_id, "jeu.example\n")
    publisher.publish()
    import_games(runtime, town_id, "encore.example\n")
    assert not publisher.build_next_list(), "the publisher knows the first list alone, and that one is gone"
    publisher.publish()
    assert publisher.build_next_list()


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
    assert counts == [3, 3]
