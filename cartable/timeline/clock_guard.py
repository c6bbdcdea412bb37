"""Refuses what the clock alone decides while it is not trusted, and lets a person say that it is right. Never commits."""

from __future__ import annotations

from cartable import audit
from cartable.errors import Conflict
from cartable.i18n import Message
from cartable.scope import Actor
from cartable.timeline.repository import TimelineRepository
from cartable.timeline.rules import LONGEST_ABSENCE
from cartable.unit_of_work import UnitOfWork


class ClockNotTrusted(Conflict):
    """The clock has jumped: nothing is deleted by it until a person says that it is right."""

    code = "clock_not_trusted"
    message = Message(
        "The server's clock has jumped from {known_at} to {now} (UTC). Nothing is deleted until somebody confirms it."
    )


class ClockNotPaused(Conflict):
    """The clock is trusted: there is nothing to release."""

    code = "clock_not_paused"
    message = Message("The clock is trusted; there is nothing to confirm.")


def require_trusted_clock(work: UnitOfWork) -> None:
    """Raise `ClockNotTrusted` while the clock has jumped, as far as the database knows."""
    repository = TimelineRepository(work.session)
    row = repository.get()
    if row is not None and (repository.get_open_pause() is not None or work.now - row.known_at > LONGEST_ABSENCE):
        raise ClockNotTrusted(known_at=f"{row.known_at:%Y-%m-%d %H:%M}", now=f"{work.now:%Y-%m-%d %H:%M}")


def release_clock(work: UnitOfWork, actor: Actor, reason: str) -> None:
    """Record that a person says that the clock is right: from now on it is trusted again. Raises `ClockNotPaused`.

    The caller has checked that the actor may decide for the whole server.
    """
    repository = TimelineRepository(work.session)
    row = repository.get_or_create_for_update(work.now, None)
    pause = repository.get_open_pause()
    if pause is None or not repository.end_pause(work.now, released_by_name=actor.name, reason=reason):
        raise ClockNotPaused
    row.known_at = work.now
    audit.record_event(work, actor, "clock.release", "clock_pause", pause.id, town_id=None, reason=reason)
