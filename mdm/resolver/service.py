"""Whether the town's resolver answers: for people, for monitoring, and as an alarm when it is away. Starts nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from cartable.alarms import AlarmKind, raise_alarm
from cartable.unit_of_work import UnitOfWork
from mdm.resolver.models import ResolverProcess
from mdm.resolver.repository import ResolverRepository

#: Without proof for so long, a resolver is away.
AWAY_AFTER = timedelta(minutes=1)
_FORGOTTEN_AFTER = timedelta(days=1)
_REPEAT_AFTER = timedelta(hours=6)


class ResolverStatus(StrEnum):
    """Whether there is a resolver, and whether it does its work."""

    NONE = "none"
    """None is configured: tablets have the built-in filter alone."""
    ANSWERING = "answering"
    INCOMPLETE = "incomplete"
    """It answers, and does not know a list of categories yet."""
    AWAY = "away"
    """No resolver has proved for a minute that it answers."""


@dataclass(frozen=True, slots=True)
class ResolverState:
    """The resolvers of the installation and what they amount to."""

    status: ResolverStatus
    processes: Sequence[ResolverProcess]


def is_answering(process: ResolverProcess, now: datetime) -> bool:
    """Return whether a resolver has lately proved that it answers."""
    return process.answered_at is not None and now - process.answered_at <= AWAY_AFTER


def load_resolver_state(work: UnitOfWork) -> ResolverState:
    """Return the state of the resolvers, by one query."""
    processes = ResolverRepository(work.session).list_all()
    answering = [process for process in processes if is_answering(process, work.now)]
    if not work.settings.resolver_url and not answering:
        status = ResolverStatus.NONE
    elif not answering:
        status = ResolverStatus.AWAY
    else:
        status = ResolverStatus.INCOMPLETE if any(process.pending_lists for process in answering) else ResolverStatus.ANSWERING
    return ResolverState(status, processes)


def watch_resolvers(work: UnitOfWork) -> None:
    """Raise an alarm when a resolver is configured and none answers; forget those that died long ago."""
    state = load_resolver_state(work)
    if state.status is ResolverStatus.AWAY:
        problems = sorted({process.problem for process in state.processes if process.problem})
        raise_alarm(work, None, AlarmKind.RESOLVER_AWAY, repeat_after=_REPEAT_AFTER, problems=problems)
    ResolverRepository(work.session).delete_unseen(work.now - _FORGOTTEN_AFTER)
