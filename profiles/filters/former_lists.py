"""Putting back the content that a category had before its last import. Never commits."""

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
from profiles.filters.models import FormerCategory

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


def _get_former(work: UnitOfWork, town_id: UUID, name: str) -> FormerCategory:
    kept = CategoryRepository(work.session).list_former(town_id, work.now - KEPT_FOR)
    former = next((each for each in kept if each.name == name), None)
    if former is None:
        raise NotFound
    return former
