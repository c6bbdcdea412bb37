"""What new filter lists would change, for the person who decides: counts, samples, and what becomes of hosts that the town's rules open.

Never commits.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from cartable.scope import Actor
from cartable.unit_of_work import Runtime, UnitOfWork
from profiles.catalog.composites import expand_composites
from profiles.filters import service
from profiles.filters.comparison import ContentChange
from profiles.filters.list_changes import (
    OpenedHostChange,
    compute_changes,
    find_categories_in,
    list_opened_host_changes,
)
from profiles.filters.models import ListRelease
from profiles.filters.options import load_options
from profiles.filters.reading import ReadLists
from profiles.filters.repository import FilterRepository
from profiles.filters.service import ImportPreview
from profiles.policy.repository import PolicyRepository

#: The settings by which places open hosts.
_OPENING_KEYS = ("web.permitted", "web.teacher_unlockable")


@dataclass(frozen=True, slots=True)
class ListImportPreview:
    """What importing an archive would change: counts, what leaves and comes in each category that differs, and hosts that people opened."""

    counts: ImportPreview
    changes: dict[str, ContentChange]
    opened_hosts: list[OpenedHostChange]


def preview_list_import(
    runtime: Runtime, actor: Actor, town_id: UUID, lists: ReadLists, *, remove_others: bool
) -> ListImportPreview:
    """Return what importing an archive would change, and change nothing. Lists are compared while no unit of work is open.

    Raises `Forbidden`.
    """
    with runtime.open_unit_of_work() as work:
        counts = service.preview_import(work, actor, town_id, lists, remove_others=remove_others)
        hosts = list_opened_hosts(work, town_id)
        before = FilterRepository(work.session).find_categories_of_hosts(town_id, hosts)
    removed = counts.changes.removed
    opened = list_opened_host_changes(hosts, before, find_categories_in(lists, hosts), {*lists.categories, *removed})
    return ListImportPreview(counts, compute_changes(runtime, town_id, lists, removed), opened)


def preview_opened_hosts(work: UnitOfWork, release: ListRelease) -> list[OpenedHostChange]:
    """Return what a release that waits or is on trial would do to hosts that the town's rules open."""
    hosts, repository = list_opened_hosts(work, release.town_id), FilterRepository(work.session)
    before = repository.find_categories_of_hosts(release.town_id, hosts)
    after = repository.find_staged_categories(release.id, hosts)
    return list_opened_host_changes(hosts, before, after, {each["name"] for each in release.changes})


def list_opened_hosts(work: UnitOfWork, town_id: UUID) -> list[str]:
    """Return the hosts that the rules in force of a town permit or let teachers open, and those of the town and its schools."""
    repository = PolicyRepository(work.session)
    documents, presets = repository.get_published_documents([town_id]), repository.get_published_presets([town_id])
    versions = [version for document in documents for version in document.versions]
    versions += [version for preset in presets.values() for version in preset.versions]
    values = [expand_composites(part) for version in versions for part in version.content.values.values()]
    hosts = {host for each in values for key in _OPENING_KEYS for host in each.get(key, ())}
    return sorted(hosts.union(load_options(work, town_id).own_hosts))
