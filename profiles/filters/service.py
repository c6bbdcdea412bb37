"""Importing lists of categories. Never commits; what places set of the filter is policy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO
from uuid import UUID

import structlog

from cartable import audit, locks
from cartable.paging import Page, PageRequest
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from profiles.filters import archive
from profiles.filters.errors import BadList, DamagedMember, ListImportUnconfirmed
from profiles.filters.models import FilterCategory
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


def import_lists(
    work: UnitOfWork, actor: Actor, town_id: UUID, file: IO[bytes], *, remove_others: bool = False, confirmed: bool = False
) -> ListImport:
    """Replace the categories of an archive in UT1's format, all or nothing, and return what changed.

    Categories that the archive does not contain stay, unless `remove_others`. Raises `BadList`, and `ListImportUnconfirmed` when a
    category would lose all its hosts and the caller has not `confirmed` it.
    """
    actor.require_permission(Permission.AUTHOR, town_id)
    locks.lock_town(work, town_id)
    repository = FilterRepository(work.session)
    before = repository.count_hosts(town_id)
    lists = archive.ListArchive(file)
    with work.session.begin_nested():
        hosts = _replace_categories(work, town_id, lists)
        removed = sorted(set(before) - set(hosts)) if remove_others else []
        emptied = sorted(name for name, number in hosts.items() if not number and before.get(name))
        lost = sorted({*emptied, *(name for name in removed if before[name])})
        if lost and not confirmed:
            raise ListImportUnconfirmed(
                categories=", ".join(lost), emptied=emptied, removed=removed, baseline=sorted(LEGAL_CATEGORIES.intersection(lost))
            )
        repository.delete_categories(town_id, removed)
    audit.record_event(
        work, actor, "filter.import", "town", town_id, town_id=town_id, categories=len(hosts), removed=removed, emptied=emptied
    )
    after = repository.count_hosts(town_id)
    missing_baseline = sorted(name for name in LEGAL_CATEGORIES if not after.get(name))
    if LEGAL_CATEGORIES.intersection(lost):
        log.warning("filter.baseline_category_lost", town=str(town_id), categories=sorted(LEGAL_CATEGORIES.intersection(lost)))
    return ListImport(hosts, sorted(set(after) - set(hosts)), removed, emptied, missing_baseline, lists.skipped)


def _replace_categories(work: UnitOfWork, town_id: UUID, lists: archive.ListArchive) -> dict[str, int]:
    """Replace the hosts of each category of an archive and return their numbers. Raises `BadList`."""
    repository = FilterRepository(work.session)
    counts: dict[str, int] = {}
    try:
        for category in lists.read():
            if category.category not in counts:
                repository.delete_categories(town_id, [category.category])
            added = repository.add_hosts(town_id, category.category, category.white, category.hosts, work.now)
            counts[category.category] = counts.get(category.category, 0) + added
    except archive.BadArchive as error:
        if error.why == "damaged_member":
            raise DamagedMember(why=error.why, member=error.member) from error
        raise BadList(why=error.why, **({"member": error.member} if error.member else {})) from error
    return counts


def list_categories(work: UnitOfWork, actor: Actor, town_id: UUID, page: PageRequest) -> Page[FilterCategory]:
    """Return one page of the town's imported categories, by name."""
    actor.require_permission(Permission.SEE, town_id)
    return FilterRepository(work.session).list_categories(town_id, page)
