"""What new lists change in a town: the hosts that leave and come, by category, and what becomes of hosts that people opened. Never commits."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from cartable.unit_of_work import Runtime
from profiles.filters.blocks import HostBlock, read_block
from profiles.filters.comparison import ContentChange, compare_contents
from profiles.filters.content_repository import ContentRepository
from profiles.filters.reading import ReadLists
from profiles.filters.repository import FilterRepository
from profiles.filters.rules import LEGAL_CATEGORIES, list_domains


@dataclass(frozen=True, slots=True)
class OpenedHostChange:
    """A host that people opened, with the categories closed to every child that come to list it, and those that cease to."""

    host: str
    closed_by: tuple[str, ...]
    released_by: tuple[str, ...]


def compute_changes(runtime: Runtime, town_id: UUID, lists: ReadLists, removed: Collection[str] = ()) -> dict[str, ContentChange]:
    """Return what changes in each category whose content differs, or that is `removed`. Computed while no unit of work is open."""
    with runtime.open_unit_of_work() as work:
        present = FilterRepository(work.session).list_contents(town_id)
    after = {
        each.name: lists.categories[each.name][1] for each in lists.describe() if present.get(each.name) != each.content_sha256
    }
    after |= {name: [] for name in removed}
    return {name: compare_contents(_load_blocks(runtime, present.get(name)), blocks) for name, blocks in after.items()}


def list_opened_host_changes(
    hosts: Collection[str], before: Mapping[str, Collection[str]], after: Mapping[str, Collection[str]], replaced: Collection[str]
) -> list[OpenedHostChange]:
    """Return what new lists do to hosts that people opened, by host; those to which they do nothing are left out. Pure.

    `before` and `after`: the categories that list each host, now and by the new lists alone; `replaced`: the categories that have new
    lists, or are removed. Only what is closed to every child counts: everything else gives way to a host that a place permits.
    """
    changes = []
    for host in sorted(hosts):
        now = LEGAL_CATEGORIES.intersection(before.get(host, ()))
        then = (now - set(replaced)) | LEGAL_CATEGORIES.intersection(after.get(host, ()))
        if now != then:
            changes.append(OpenedHostChange(host, tuple(sorted(then - now)), tuple(sorted(now - then))))
    return changes


def find_categories_in(lists: ReadLists, hosts: Collection[str]) -> dict[str, list[str]]:
    """Return the categories of an archive that list each host or a domain above it."""
    names = {name.encode() for host in hosts for name in list_domains(host)}
    listed = {category: set(_list_listed(blocks, names)) for category, (_, blocks) in lists.categories.items()}
    return {
        host: [category for category, known in listed.items() if any(name.encode() in known for name in list_domains(host))]
        for host in hosts
    }


def _list_listed(blocks: Sequence[HostBlock], names: Collection[bytes]) -> Iterator[bytes]:
    for block in blocks:
        candidates = {name for name in names if block.first <= name <= block.last}
        if candidates:
            yield from candidates.intersection(read_block(block.body))


def _load_blocks(runtime: Runtime, sha256: str | None) -> list[HostBlock]:
    with runtime.open_unit_of_work() as work:
        return ContentRepository(work.session).load_blocks(sha256)
