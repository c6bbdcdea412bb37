"""Putting back the content that a category had before its last import. Never commits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from uuid import UUID

from cartable import audit, locks
from cartable.errors import NotFound
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from profiles.filters.blocks import read_block
from profiles.filters.former_repository import FormerListRepository
from profiles.filters.models import FilterBlock, FormerBlock, FormerCategory

KEPT_FOR = timedelta(days=14)
#: Hosts that a preview names, and the most blocks that it reads to find them.
SAMPLES, _BLOCKS_READ, _BLOCKS_PER_READ = 20, 2000, 50


@dataclass(frozen=True, slots=True)
class UndoPreview:
    """What putting back a content changes: hosts now and then, and samples of those that leave the category and that come into it."""

    former: FormerCategory
    hosts_now: int
    leaving: list[str]
    coming: list[str]


def list_former(work: UnitOfWork, actor: Actor, town_id: UUID) -> Sequence[FormerCategory]:
    """Return the contents that can be put back, by name. Raises `Forbidden`."""
    actor.require_permission(Permission.SEE, town_id)
    return FormerListRepository(work.session).list_all(town_id, work.now - KEPT_FOR)


def preview_undo(work: UnitOfWork, actor: Actor, town_id: UUID, name: str) -> UndoPreview:
    """Return what putting back the former content of a category would change. Raises `Forbidden`, `NotFound`."""
    actor.require_permission(Permission.AUTHOR, town_id)
    repository = FormerListRepository(work.session)
    former = _get_former(work, town_id, name)
    current = repository.find_current(town_id, name)
    current_id = current.id if current is not None else None
    return UndoPreview(
        former,
        current.hosts if current is not None else 0,
        _list_samples(repository, FilterBlock, current_id, FormerBlock, former.id),
        _list_samples(repository, FormerBlock, former.id, FilterBlock, current_id),
    )


def undo_import(work: UnitOfWork, actor: Actor, town_id: UUID, name: str, content_sha256: str) -> None:
    """Put back the former content of a category, if it is still the one that was previewed; the present one is kept in its place.

    Raises `Forbidden`, `NotFound`.
    """
    actor.require_permission(Permission.AUTHOR, town_id)
    locks.lock_town(work, town_id)
    former = _get_former(work, town_id, name)
    if former.content_sha256 != content_sha256:
        raise NotFound
    audit.record_event(work, actor, "filter.import_undone", "town", town_id, town_id=town_id, category=name, hosts=former.hosts)
    FormerListRepository(work.session).put_back(former, work.now)


def _get_former(work: UnitOfWork, town_id: UUID, name: str) -> FormerCategory:
    kept = FormerListRepository(work.session).list_all(town_id, work.now - KEPT_FOR)
    former = next((each for each in kept if each.name == name), None)
    if former is None:
        raise NotFound
    return former


def _list_samples(
    repository: FormerListRepository,
    table: type[FilterBlock | FormerBlock],
    category_id: UUID | None,
    other_table: type[FilterBlock | FormerBlock],
    other_id: UUID | None,
) -> list[str]:
    """Return some hosts of one content that another lacks. It reads block by block: a content may have millions of hosts."""
    samples: list[str] = []
    last_id, read = 0, 0
    while category_id is not None and len(samples) < SAMPLES and read < _BLOCKS_READ:
        bodies = repository.list_bodies(table, category_id, last_id, _BLOCKS_PER_READ)
        for _, body in bodies:
            hosts = read_block(body)
            others = repository.list_overlapping(other_table, other_id, hosts[0], hosts[-1]) if other_id is not None else []
            if body not in others:
                known = set(chain.from_iterable(read_block(each) for each in others))
                samples += [host.decode() for host in hosts if host not in known]
        if len(bodies) < _BLOCKS_PER_READ:
            break
        last_id, read = bodies[-1][0], read + len(bodies)
    return samples[:SAMPLES]
