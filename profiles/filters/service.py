"""Importing lists of categories. Never commits; what places set of the filter is policy."""

from __future__ import annotations

from typing import IO
from uuid import UUID

from cartable import audit
from cartable.paging import Page, PageRequest
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from profiles.filters import archive
from profiles.filters.errors import BadList
from profiles.filters.models import FilterCategory
from profiles.filters.repository import FilterRepository


def import_lists(work: UnitOfWork, actor: Actor, town_id: UUID, file: IO[bytes]) -> dict[str, int]:
    """Replace the town's categories by those of an archive in UT1's format, all or nothing. Return the hosts of each.

    Raises `BadList`.
    """
    actor.require_permission(Permission.AUTHOR, town_id)
    audit.record_event(work, actor, "filter.import", "town", town_id, town_id=town_id)
    repository = FilterRepository(work.session)
    repository.delete_categories(town_id)
    counts: dict[str, int] = {}
    try:
        for category in archive.read(file):
            added = repository.add_hosts(town_id, category.category, category.white, category.hosts, work.now)
            counts[category.category] = counts.get(category.category, 0) + added
    except archive.BadArchive as error:
        raise BadList(why=error.why) from error
    return counts


def list_categories(work: UnitOfWork, actor: Actor, town_id: UUID, page: PageRequest) -> Page[FilterCategory]:
    """Return one page of the town's imported categories, by name."""
    actor.require_permission(Permission.SEE, town_id)
    return FilterRepository(work.session).list_categories(town_id, page)
