"""New lists that came by themselves, from their arrival to their end: they wait for a person, are on trial in some schools, or are in force.

Never commits. Fetching is in `list_updates`. See docs/adr/0066-new-lists-are-on-trial-in-some-schools-first.md.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any
from uuid import UUID

from cartable import alarms, audit, locks
from cartable.errors import NotFound
from cartable.paging import Page, PageRequest
from cartable.scope import SYSTEM, Actor, Permission
from cartable.unit_of_work import UnitOfWork
from profiles.filters.blocks import CategoryContent
from profiles.filters.category_repository import CategoryRepository
from profiles.filters.comparison import ContentChange
from profiles.filters.errors import ReleaseDecided
from profiles.filters.models import ListRelease, ReleaseStatus
from profiles.filters.options import load_options
from profiles.filters.release_repository import OPEN, ReleaseRepository

#: A release is kept so long after it was decided, so that people can see what it changed.
KEPT_FOR = timedelta(days=180)


def describe_changes(
    hosts_before: Mapping[str, int], changed: Collection[CategoryContent], changes: Mapping[str, ContentChange]
) -> list[dict[str, Any]]:
    """Return what a release changes, as it is stored."""
    return [
        {"name": each.name, "before": hosts_before.get(each.name, 0), "after": each.hosts, **asdict(changes[each.name])}
        for each in sorted(changed, key=lambda content: content.name)
    ]


def add_release(
    work: UnitOfWork, town_id: UUID, changes: list[dict[str, Any]], contents: Sequence[CategoryContent], shrunk: Sequence[str]
) -> ListRelease:
    """Store new lists that came by themselves, whose contents are stored already, and return what becomes of them first.

    They wait where categories would lose too many hosts, are on trial where the town chose schools for it, and are in force otherwise.
    An older release that still waits or is on trial is replaced.
    """
    locks.lock_town(work, town_id)
    repository = ReleaseRepository(work.session)
    older = repository.find_open(town_id)
    if older is not None:
        _close(work, older, ReleaseStatus.REPLACED)
    row = ListRelease(
        town_id=town_id, status=ReleaseStatus.WAITING, arrived_at=work.now, changes=changes, shrunk=list(shrunk),
        trial_until=None, decided_at=None,
    )  # fmt: skip
    repository.add(row, contents)
    if not shrunk:
        _advance(work, row)
    return row


def list_releases(work: UnitOfWork, actor: Actor, town_id: UUID, page: PageRequest) -> Page[ListRelease]:
    """Return one page of the releases of a town, the newest first. Raises `Forbidden`."""
    actor.require_permission(Permission.SEE, town_id)
    return ReleaseRepository(work.session).list_releases(town_id, page)


def find_open_release(work: UnitOfWork, actor: Actor, town_id: UUID) -> ListRelease | None:
    """Return the release of a town that waits or is on trial; None without any. Raises `Forbidden`."""
    actor.require_permission(Permission.SEE, town_id)
    return ReleaseRepository(work.session).find_open(town_id)


def get_release(work: UnitOfWork, actor: Actor, release_id: UUID) -> ListRelease:
    """Return a release. Raises `Forbidden`, `NotFound`."""
    row = ReleaseRepository(work.session).find_release(actor, release_id)
    if row is None:
        raise NotFound
    actor.require_permission(Permission.SEE, row.town_id)
    return row


def approve_release(work: UnitOfWork, actor: Actor, release_id: UUID) -> ListRelease:
    """Let a release go on: one that waits goes on trial where the town has schools for it; one on trial is in force everywhere.

    Raises `Forbidden`, `NotFound`, `ReleaseDecided`.
    """
    row = _lock_open(work, actor, release_id)
    audit.record_event(
        work, actor, "filter.release_approve", "filter_list_release", row.id, town_id=row.town_id, before=str(row.status)
    )
    _acknowledge_alarms(work, actor, row.town_id)
    _advance(work, row)
    return row


def stop_release(work: UnitOfWork, actor: Actor, release_id: UUID) -> ListRelease:
    """Let a release go: schools that tried it have the former lists again. Raises `Forbidden`, `NotFound`, `ReleaseDecided`."""
    row = _lock_open(work, actor, release_id)
    audit.record_event(
        work, actor, "filter.release_stop", "filter_list_release", row.id, town_id=row.town_id, before=str(row.status)
    )
    _acknowledge_alarms(work, actor, row.town_id)
    _close(work, row, ReleaseStatus.STOPPED)
    return row


def end_trials(work: UnitOfWork) -> None:
    """Put the releases in force whose trial is over and that nobody has stopped."""
    for row in ReleaseRepository(work.session).list_ended_trials(work.now):
        locks.lock_town(work, row.town_id)
        work.session.refresh(row)
        if row.status is ReleaseStatus.TRIAL:
            _put_in_force(work, row)


def _lock_open(work: UnitOfWork, actor: Actor, release_id: UUID) -> ListRelease:
    row = get_release(work, actor, release_id)
    actor.require_permission(Permission.AUTHOR, row.town_id)
    locks.lock_town(work, row.town_id)
    work.session.refresh(row)
    if row.status not in OPEN:
        raise ReleaseDecided
    return row


def _acknowledge_alarms(work: UnitOfWork, actor: Actor, town_id: UUID) -> None:
    """Acknowledge the alarms that asked for the decision that the actor takes: a town has one open release at most."""
    alarms.acknowledge_settled_alarms(work, actor, town_id, alarms.AlarmKind.FILTER_LISTS_WITHHELD)


def _advance(work: UnitOfWork, row: ListRelease) -> None:
    options = load_options(work, row.town_id)
    if row.status is ReleaseStatus.WAITING and options.trial_schools:
        row.status, row.trial_until = ReleaseStatus.TRIAL, work.now + timedelta(hours=options.trial_hours)
        work.session.flush()
    else:
        _put_in_force(work, row)


def _put_in_force(work: UnitOfWork, row: ListRelease) -> None:
    contents = ReleaseRepository(work.session).list_staged(row.id)
    CategoryRepository(work.session).replace(row.town_id, contents, work.now)
    audit.record_event(
        work, SYSTEM, "filter.import", "town", row.town_id, town_id=row.town_id, categories=len(contents), removed=[],
        emptied=sorted(each.name for each in contents if not each.hosts),
    )  # fmt: skip
    _close(work, row, ReleaseStatus.IN_FORCE)


def _close(work: UnitOfWork, row: ListRelease, status: ReleaseStatus) -> None:
    row.status, row.decided_at = status, work.now
    ReleaseRepository(work.session).delete_staged(row.id)
    work.session.flush()
