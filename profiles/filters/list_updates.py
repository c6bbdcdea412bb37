"""Lists that come by themselves: a town wishes it, a job fetches the archive of the operator's mirror, and what looks damaged is withheld.

Only `update_lists` commits: no unit of work is open while it fetches and reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from cartable import alarms, audit
from cartable.errors import DomainError
from cartable.outbox import Topic
from cartable.scope import Actor, Permission
from cartable.unit_of_work import Runtime, UnitOfWork
from profiles.filters import releases
from profiles.filters.content_repository import ContentRepository
from profiles.filters.list_changes import compute_changes
from profiles.filters.mirror import fetch_archive
from profiles.filters.models import ListUpdates, ReleaseStatus, UpdateProblem
from profiles.filters.reading import ReadLists, read_archive
from profiles.filters.release_repository import ReleaseRepository
from profiles.filters.repository import FilterRepository
from profiles.filters.rsync_mirror import MirrorProblem

UPDATE_INTERVAL = timedelta(days=1)
#: The share of its hosts that a category may lose in one update; small categories may lose more.
MAX_LOSS = 0.2
SMALL_CATEGORY = 100


@dataclass(frozen=True, slots=True)
class UpdateResult:
    """How an update went: an error means that it is tried again soon."""

    error: str | None = None
    retry_after: float | None = None


def set_updates(work: UnitOfWork, actor: Actor, town_id: UUID, *, is_wanted: bool) -> ListUpdates:
    """Store whether a town wishes that its lists come by themselves; the first time they are fetched at once. Raises `Forbidden`."""
    actor.require_permission(Permission.AUTHOR, town_id)
    repository = FilterRepository(work.session)
    row = repository.get_updates(town_id) or ListUpdates(town_id=town_id, is_wanted=False)
    audit.record_event(work, actor, "filter.updates", "town", town_id, town_id=town_id, is_wanted=is_wanted)
    row.is_wanted = is_wanted
    repository.save_updates(row)
    if is_wanted and work.settings.filter_lists_url:
        work.enqueue_job(Topic.FILTER_LISTS, town_id)
    return row


def get_updates(work: UnitOfWork, actor: Actor, town_id: UUID) -> ListUpdates | None:
    """Return a town's wish and how the last attempt went; None where nobody has chosen. Raises `Forbidden`."""
    actor.require_permission(Permission.SEE, town_id)
    return FilterRepository(work.session).get_updates(town_id)


def schedule_updates(work: UnitOfWork) -> None:
    """Enqueue an update of every town that wishes it and was not looked at in the last day."""
    if work.settings.filter_lists_url:
        towns = FilterRepository(work.session).list_towns_to_update(work.now - UPDATE_INTERVAL)
        work.enqueue_job(Topic.FILTER_LISTS, *towns)


def update_lists(runtime: Runtime, town_id: UUID) -> UpdateResult:
    """Fetch the mirror's archive for a town, unless it is unchanged or the last one is still on trial, and store what changes as a release."""
    settings = runtime.settings
    with runtime.open_unit_of_work() as work:
        row = FilterRepository(work.session).get_updates(town_id)
        if row is None or not row.is_wanted or not settings.filter_lists_url:
            return UpdateResult()
        release = ReleaseRepository(work.session).find_open(town_id)
        if release is not None and release.status is ReleaseStatus.TRIAL:
            return UpdateResult()  # a trial is not replaced before it ends
        etag = row.etag
    try:
        with fetch_archive(
            settings.filter_lists_url,
            etag,
            max_bytes=settings.filter_lists_max_megabytes * 2**20,
            checksum_url=settings.filter_lists_checksum_url,
        ) as archive:
            if archive is None:
                return _record(runtime, town_id, None)
            lists = read_archive(archive.file)
            new_etag = archive.etag
    except MirrorProblem as error:
        return _record(runtime, town_id, error.problem)
    except DomainError:
        return _record(runtime, town_id, UpdateProblem.UNREADABLE)
    _import(runtime, town_id, lists, new_etag)
    return UpdateResult()


def list_shrunk(before: Mapping[str, int], after: Mapping[str, int]) -> list[str]:
    """Return the categories of an archive that would lose so many hosts that it is rather damaged than newer."""
    return sorted(
        name
        for name, count in after.items()
        if (count == 0 < before.get(name, 0)) or (before.get(name, 0) > SMALL_CATEGORY and count < before[name] * (1 - MAX_LOSS))
    )


def _import(runtime: Runtime, town_id: UUID, lists: ReadLists, etag: str | None) -> None:
    """Store what differs from the town's lists as a release. What changes is computed while no unit of work is open."""
    changes = compute_changes(runtime, town_id, lists)
    changed = [each for each in lists.describe() if each.name in changes]
    with runtime.open_unit_of_work() as work:
        repository = FilterRepository(work.session)
        row = repository.get_updates(town_id)
        if row is None or not row.is_wanted:
            return  # withdrawn meanwhile
        hosts_before = repository.count_hosts(town_id)
        shrunk = list_shrunk(hosts_before, lists.count_hosts())
        row.checked_at, row.etag = work.now, etag
        row.problem, row.shrunk = (UpdateProblem.SHRUNK, shrunk) if shrunk else (None, None)
        if not changed:
            return
        blocks = lists.get_blocks_by_hash()
        ContentRepository(work.session).add_contents(
            {each.content_sha256: blocks[each.content_sha256] for each in changed}, work.now
        )
        release = releases.add_release(work, town_id, releases.describe_changes(hosts_before, changed, changes), changed, shrunk)
        if release.status is ReleaseStatus.IN_FORCE:
            row.updated_at = work.now
        if shrunk:
            alarms.raise_alarm(
                work, town_id, alarms.AlarmKind.FILTER_LISTS_WITHHELD, repeat_after=UPDATE_INTERVAL, categories=", ".join(shrunk)
            )


def _record(runtime: Runtime, town_id: UUID, problem: UpdateProblem | None) -> UpdateResult:
    """Store that the mirror was asked. An unreachable one is asked again soon, a bad archive on the next day."""
    with runtime.open_unit_of_work() as work:
        row = FilterRepository(work.session).get_updates(town_id)
        if row is not None:
            row.checked_at = work.now
            if problem is not None:
                row.problem, row.shrunk = problem, None
            elif row.problem is not UpdateProblem.SHRUNK:
                row.problem = None
    return UpdateResult(problem.value if problem is UpdateProblem.UNREACHABLE else None)
