"""What people see of restores and of the clock, and the confirmation of a person that the clock is right. Never commits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from cartable.errors import Forbidden
from cartable.paging import FIRST_PAGE, Page, PageRequest
from cartable.scope import Actor, Permission
from cartable.timeline import clock_guard
from cartable.timeline.models import DatabaseRestore
from cartable.timeline.repository import TimelineRepository
from cartable.unit_of_work import UnitOfWork
from mdm.channel.models import Readoption
from mdm.channel.repository import ChannelRepository

#: For so long the list of tablets points to a restore.
POINT_TO_FOR = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class ClockState:
    """The clock now, the last time at which it was trusted, and since when it is not; None when it is trusted."""

    now: datetime
    known_at: datetime | None
    paused_since: datetime | None


def get_clock(work: UnitOfWork, actor: Actor) -> ClockState:
    """Return the state of the clock. Raises `Forbidden`."""
    _require_governor(actor)
    repository = TimelineRepository(work.session)
    row, pause = repository.get(), repository.get_open_pause()
    return ClockState(work.now, row.known_at if row else None, pause.noticed_at if pause else None)


def release_clock(work: UnitOfWork, actor: Actor, reason: str) -> None:
    """Record that the clock is right. Raises `ClockNotPaused`, `ReauthenticationRequired`, `Forbidden`: the operator alone may."""
    actor.require_operator()
    actor.require_reauthentication()
    clock_guard.release_clock(work, actor, reason)


def list_restores(work: UnitOfWork, actor: Actor, page: PageRequest = FIRST_PAGE) -> Page[DatabaseRestore]:
    """List the restores that were noticed, newest first. Raises `Forbidden`."""
    _require_governor(actor)
    return TimelineRepository(work.session).list_restores(page)


def list_readoptions(work: UnitOfWork, actor: Actor, page: PageRequest = FIRST_PAGE) -> Page[Readoption]:
    """List the tablets from after a backup that the actor may see, newest first. Raises `Forbidden`."""
    _require_governor(actor)
    return ChannelRepository(work.session).list_readoptions(actor, page)


def needs_attention(work: UnitOfWork, actor: Actor) -> bool:
    """Return whether a governor should look at the page of restores: the clock is not trusted, or a restore was noticed lately."""
    if not _is_governor(actor):
        return False
    return TimelineRepository(work.session).has_news_since(work.now - POINT_TO_FOR)


def _is_governor(actor: Actor) -> bool:
    return actor.operates() or bool(actor.list_permitted_towns(Permission.GOVERN))


def _require_governor(actor: Actor) -> None:
    if not _is_governor(actor):
        raise Forbidden(permission=Permission.GOVERN.value)
