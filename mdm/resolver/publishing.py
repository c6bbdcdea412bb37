"""Brings what the database says of addresses and lists to the files that dnsdist reads, and the index to its newest state."""

from __future__ import annotations

import dataclasses
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import structlog

from cartable.private_files import ensure_private_folder
from cartable.unit_of_work import Runtime
from mdm.resolver.cdb import write_cdb
from mdm.resolver.count_repository import BlockedCountRepository
from mdm.resolver.name_sets import build_category_records, build_filter_records
from mdm.resolver.plans import AddressPlan, build_plan, name_store
from profiles.filters.address_repository import FilterAddressRepository, ListContent, ServedFilter
from profiles.filters.blocks import ContentDigest, read_block
from profiles.filters.content_repository import ContentRepository
from profiles.filters.resolver_filter import ResolverFilter

log = structlog.get_logger()
#: Blocks of a list that are read in one transaction: some hundred thousand hosts.
_BLOCKS_PER_READ = 50
#: A store that no address needs any more is kept so long: dnsdist may still be about to open it.
_KEEP_SECONDS = 3600


class ListDeleted(Exception):
    """A list was deleted while it was read."""


class StorePublisher:
    """Writes stores and index into a folder. One process at a time writes there.

    A store is named by its content and never changes; the index is exchanged in one step. While the store of a new list is built, which
    takes seconds for millions of names, the town's former one of that category is used.
    """

    def __init__(self, runtime: Runtime, folder: Path) -> None:
        self._runtime = runtime
        self._folder, self._stores, self._index = folder, folder / "stores", folder / "index.cdb"
        ensure_private_folder(folder)
        ensure_private_folder(self._stores)
        self._known: tuple[list[ServedFilter], list[ListContent], frozenset[UUID]] = ([], [], frozenset())
        #: Set when the index must be written although the database has not changed.
        self._is_outdated = threading.Event()
        self._is_outdated.set()
        self._rules: dict[str, ResolverFilter] = {}
        self._used_stores: dict[tuple[UUID, bool, str], str] = {}
        self._extra: dict[str, AddressPlan] = {}
        self.address_count = 0
        self.pending_lists = 0

    def add_own_address(self, token: str, rules: ResolverFilter) -> None:
        """Serve an address that is in no table, such as that of the probe, from the next publication on."""
        names = name_store(rules.hash_content())
        self._write_names(names, rules)
        self._extra[token] = build_plan(names, rules, {})
        self._is_outdated.set()

    def publish(self) -> bool:
        """Bring index and small stores to the database's state. Returns whether anything changed; `build_next_list` does the rest."""
        with self._runtime.open_unit_of_work() as work:
            addresses = FilterAddressRepository(work.session)
            known = (
                addresses.list_served(),
                addresses.list_contents(),
                BlockedCountRepository(work.session).list_counting_towns(),
            )
            if known == self._known and not self._is_outdated.is_set():
                return False
            self._is_outdated.clear()
            served_contents = {each.content_sha256 for each in known[0]}
            loaded = addresses.load_filters(served_contents - self._rules.keys())
        for content, rules in loaded.items():
            self._write_names(name_store(content), rules)
            # Its names are in its store; here they would take hundreds of megabytes in a large town.
            self._rules[content] = _drop_names(rules)
        self._rules = {content: rules for content, rules in self._rules.items() if content in served_contents}
        self._write_index(*known)
        self._known = known
        return True

    def build_next_list(self) -> bool:
        """Build the store of one list that has none yet. Returns whether there was one; `publish` then takes it up.

        A list that is deleted meanwhile is left.
        """
        for content in self._list_pending():
            try:
                count = write_cdb(self._get_store_path(content.content_sha256), build_category_records(self._read_hosts(content)))
            except ListDeleted:
                continue
            self._is_outdated.set()
            log.info("resolver.list_built", category=content.name, hosts=count)
            return True
        return False

    def _list_pending(self) -> list[ListContent]:
        by_hash = {content.content_sha256: content for content in self._known[1]}
        return [content for content in by_hash.values() if not self._get_store_path(content.content_sha256).exists()]

    def _read_hosts(self, content: ListContent) -> Iterator[bytes]:
        digest, last = ContentDigest(), 0
        while True:
            with self._runtime.open_unit_of_work() as work:
                rows = ContentRepository(work.session).list_bodies(content.content_sha256, last, _BLOCKS_PER_READ)
            for _, body in rows:
                digest.add(body)
                yield from read_block(body)
            if len(rows) < _BLOCKS_PER_READ:
                break
            last = rows[-1][0]
        if digest.hexdigest() != content.content_sha256:
            raise ListDeleted(content.name)

    def _write_names(self, name: str, rules: ResolverFilter) -> None:
        path = self._get_store_path(name)
        if not path.exists():
            write_cdb(path, build_filter_records(rules))

    def _get_store_path(self, content: str) -> Path:
        return self._stores / f"{name_store(content)}.cdb"

    def _write_index(self, served: list[ServedFilter], contents: list[ListContent], counting: frozenset[UUID]) -> None:
        stores_by_town = self._choose_stores(contents)
        plans = dict(self._extra)
        for address in served:
            rules = self._rules.get(address.content_sha256)
            if rules is not None:
                names = name_store(address.content_sha256)
                stores = stores_by_town.get((address.town_id, address.is_trial), {})
                counted_for = address.town_id.hex if address.town_id in counting else ""
                plans[address.token] = build_plan(names, rules, stores, counted_for)
        new_index = self._folder / "index-new.cdb"
        write_cdb(new_index, ((token.encode(), plan.render()) for token, plan in plans.items()))
        # dnsdist takes up an index that is newer by whole seconds.
        last = int(self._index.stat().st_mtime) if self._index.exists() else 0
        changed_at = max(int(time.time()), last + 1)
        os.utime(new_index, (changed_at, changed_at))
        new_index.replace(self._index)
        self.address_count = len(served)
        self.pending_lists = len(
            {each.content_sha256 for each in contents if not self._get_store_path(each.content_sha256).exists()}
        )
        self._delete_unused({store for plan in plans.values() for store in plan.list_stores()})

    def _choose_stores(self, contents: list[ListContent]) -> dict[tuple[UUID, bool], dict[str, str]]:
        """Return the store of each category of each town, apart for addresses on trial: that of its content, or while that is not built
        the former one, or that of the addresses that are not on trial.
        """
        chosen: dict[tuple[UUID, bool], dict[str, str]] = {}
        used: dict[tuple[UUID, bool, str], str] = {}
        for content in contents:
            key = (content.town_id, content.is_trial, content.name)
            is_built = self._get_store_path(content.content_sha256).exists()
            store = name_store(content.content_sha256) if is_built else self._used_stores.get(key)
            if store is None and content.is_trial:
                store = used.get((content.town_id, False, content.name))
            if store is not None:
                used[key] = chosen.setdefault((content.town_id, content.is_trial), {})[content.name] = store
        self._used_stores = used
        return chosen

    def _delete_unused(self, used: set[str]) -> None:
        used |= set(self._used_stores.values())
        oldest = time.time() - _KEEP_SECONDS
        for path in self._stores.glob("*.cdb"):
            if path.stem not in used and path.stat().st_mtime < oldest:
                path.unlink(missing_ok=True)


def _drop_names(rules: ResolverFilter) -> ResolverFilter:
    none: frozenset[str] = frozenset()
    return dataclasses.replace(
        rules,
        denied=none,
        permitted=none,
        opened=none,
        always_open=none,
        own_hosts=none,
        lesson_hosts=None if rules.lesson_hosts is None else none,
        guardian_hosts=None if rules.guardian_hosts is None else none,
    )
