"""Putting back the content that a category, or all categories of a release, had before the last change. Never commits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from cartable import audit, locks
from cartable.errors import NotFound
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from profiles.filters.category_repository import CategoryRepository
from profiles.filters.comparison import list_samples
from profiles.filters.content_repository import ContentRepository
from profiles.filters.errors import ReleaseDecided
from profiles.filters.models import FormerCategory, ListRelease, ReleaseStatus
from profiles.filters.releases import get_release

KEPT_FOR = timedelta(days=14)


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
    return CategoryRepository(work.session).list_former(town_id, work.now - KEPT_FOR)


def preview_undo(work: UnitOfWork, actor: Actor, town_id: UUID, name: str) -> UndoPreview:
    """Return what putting back the former content of a category would change. Raises `Forbidden`, `NotFound`."""
    actor.require_permission(Permission.AUTHOR, town_id)
    former = _get_former(work, town_id, name)
    current = CategoryRepository(work.session).find_current(town_id, name)
    contents = ContentRepository(work.session)
    before = contents.load_blocks(current.content_sha256 if current is not None else None)
    after = contents.load_blocks(former.content_sha256)
    hosts_now = current.hosts if current is not None else 0
    return UndoPreview(former, hosts_now, list_samples(before, after), list_samples(after, before))


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
    CategoryRepository(work.session).put_back(former, work.now)


def list_former_of_release(work: UnitOfWork, actor: Actor, release: ListRelease) -> Sequence[FormerCategory]:
    """Return the contents that a release in force has replaced and that can still be put back, by name. Raises `Forbidden`.

    A category that was changed again since is not among them.
    """
    actor.require_permission(Permission.SEE, release.town_id)
    if release.status is not ReleaseStatus.IN_FORCE:
        return ()
    kept = CategoryRepository(work.session).list_former(release.town_id, work.now - KEPT_FOR)
    return [each for each in kept if each.replaced_at == release.decided_at]


def undo_release(work: UnitOfWork, actor: Actor, release_id: UUID) -> ListRelease:
    """Put back what the categories of a release in force were before, and return it. The present contents are kept in their place.

    Raises `Forbidden`, `NotFound`, `ReleaseDecided` when nothing of it can be put back any more.
    """
    row = get_release(work, actor, release_id)
    actor.require_permission(Permission.AUTHOR, row.town_id)
    locks.lock_town(work, row.town_id)
    work.session.refresh(row)
    former = list_former_of_release(work, actor, row)
    if not former:
        raise ReleaseDecided
    names = [each.name for each in former]
    audit.record_event(
        work, actor, "filter.release_undone", "filter_list_release", row.id, town_id=row.town_id, categories=", ".join(names)
    )
    for each in former:
        CategoryRepository(work.session).put_back(each, work.now)
    row.status, row.decided_at = ReleaseStatus.UNDONE, work.now
    work.session.flush()
    return row


def _get_former(work: UnitOfWork, town_id: UUID, name: str) -> FormerCategory:
    kept = CategoryRepository(work.session).list_former(town_id, work.now - KEPT_FOR)
    former = next((each for each in kept if each.name == name), None)
    if former is None:
        raise NotFound
    return former
