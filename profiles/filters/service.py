"""Importing lists of categories. Never commits; what places set of the filter is policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog

from cartable import audit, locks
from cartable.paging import Page, PageRequest
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from profiles.filters.category_repository import CategoryRepository
from profiles.filters.content_repository import ContentRepository
from profiles.filters.errors import ListImportUnconfirmed
from profiles.filters.models import FilterCategory
from profiles.filters.reading import ReadLists
from profiles.filters.repository import FilterRepository
from profiles.filters.rules import LEGAL_CATEGORIES

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ListImport:
    """What an archive changed. `hosts`: by category of the archive; `kept`: categories of the town that it does not contain.

    `missing_baseline`: categories closed to every child that the town has no hosts of. `skipped`: files that were not read.
    """

    hosts: dict[str, int]
    kept: list[str]
    removed: list[str]
    emptied: list[str]
    missing_baseline: list[str]
    skipped: list[str]


@dataclass(frozen=True, slots=True)
class ImportPreview:
    """What an import would change. `before`: hosts of the town's categories now; `lost`: categories that would lose all their hosts,
    `lost_baseline` those among them that are closed to every child.
    """

    changes: ListImport
    before: dict[str, int]
    lost: list[str]
    lost_baseline: list[str]


def preview_import(
    work: UnitOfWork, actor: Actor, town_id: UUID, lists: ReadLists, *, remove_others: bool = False
) -> ImportPreview:
    """Return what importing an archive would change, and change nothing. Raises `Forbidden`."""
    actor.require_permission(Permission.AUTHOR, town_id)
    before = FilterRepository(work.session).count_hosts(town_id)
    hosts = lists.count_hosts()
    removed, emptied, lost = _list_losses(before, hosts, remove_others)
    after = {**{name: number for name, number in before.items() if name not in removed}, **hosts}
    return ImportPreview(
        ListImport(hosts, sorted(set(after) - set(hosts)), removed, emptied, _list_missing_baseline(after), lists.skipped),
        before,
        lost,
        sorted(LEGAL_CATEGORIES.intersection(lost)),
    )


def _list_losses(before: dict[str, int], hosts: dict[str, int], remove_others: bool) -> tuple[list[str], list[str], list[str]]:
    """Return the categories that are removed, those that are emptied, and all that lose their hosts."""
    removed = sorted(set(before) - set(hosts)) if remove_others else []
    emptied = sorted(name for name, number in hosts.items() if not number and before.get(name))
    return removed, emptied, sorted({*emptied, *(name for name in removed if before[name])})


def _list_missing_baseline(hosts: dict[str, int]) -> list[str]:
    return sorted(name for name in LEGAL_CATEGORIES if not hosts.get(name))


def import_lists(
    work: UnitOfWork, actor: Actor, town_id: UUID, lists: ReadLists, *, remove_others: bool = False, confirmed: bool = False
) -> ListImport:
    """Replace the categories of an archive, all or nothing, and return what changed.

    Categories that the archive does not contain stay, unless `remove_others`. Raises `ListImportUnconfirmed` when a category would lose
    all its hosts and the caller has not `confirmed` it.
    """
    actor.require_permission(Permission.AUTHOR, town_id)
    locks.lock_town(work, town_id)
    repository = FilterRepository(work.session)
    before = repository.count_hosts(town_id)
    with work.session.begin_nested():
        hosts = _replace_categories(work, town_id, lists)
        removed, emptied, lost = _list_losses(before, hosts, remove_others)
        if lost and not confirmed:
            raise ListImportUnconfirmed(
                categories=", ".join(lost), emptied=emptied, removed=removed, baseline=sorted(LEGAL_CATEGORIES.intersection(lost))
            )
        CategoryRepository(work.session).remove(town_id, removed, work.now)
    audit.record_event(
        work, actor, "filter.import", "town", town_id, town_id=town_id, categories=len(hosts), removed=removed, emptied=emptied
    )
    after = repository.count_hosts(town_id)
    if LEGAL_CATEGORIES.intersection(lost):
        log.warning("filter.baseline_category_lost", town=str(town_id), categories=sorted(LEGAL_CATEGORIES.intersection(lost)))
    return ListImport(hosts, sorted(set(after) - set(hosts)), removed, emptied, _list_missing_baseline(after), lists.skipped)


def _replace_categories(work: UnitOfWork, town_id: UUID, lists: ReadLists) -> dict[str, int]:
    """Replace the hosts of each category of an archive and return their numbers."""
    contents = lists.describe()
    ContentRepository(work.session).add_contents(lists.get_blocks_by_hash(), work.now)
    CategoryRepository(work.session).replace(town_id, contents, work.now)
    return {each.name: each.hosts for each in contents}


def list_all_categories(work: UnitOfWork, actor: Actor, town_id: UUID) -> Sequence[FilterCategory]:
    """Return all of the town's imported categories, by name. An archive has some dozens."""
    actor.require_permission(Permission.SEE, town_id)
    return FilterRepository(work.session).list_all_categories(town_id)


def list_categories(work: UnitOfWork, actor: Actor, town_id: UUID, page: PageRequest) -> Page[FilterCategory]:
    """Return one page of the town's imported categories, by name."""
    actor.require_permission(Permission.SEE, town_id)
    return FilterRepository(work.session).list_categories(town_id, page)
