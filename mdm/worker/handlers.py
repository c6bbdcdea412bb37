"""What is done for each outbox topic: each job in a unit of work of its own. Thin: services do the work."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Protocol
from uuid import UUID

import structlog

from cartable import outbox
from cartable.outbox import OutboxRow, Topic
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.joining.ade import service as assignment
from enrollment.joining.apple_school_manager import service as organisation
from mdm.care.lost_mode import results as care_answers
from mdm.care.lost_mode import service as care
from mdm.push.service import push_due
from mdm.reconcile import results as reconcile_answers
from mdm.reconcile import service as reconcile
from profiles.apps.apps_and_books.service import synchronise as synchronise_licences

log = structlog.get_logger()
LEASE = timedelta(minutes=2)
LONG_LEASE = timedelta(minutes=30)
#: A service may ask for a pause; a day is enough, whatever it says.
LONGEST_WAIT = timedelta(days=1)
#: Decisions are taken in sets, so that one situation is compiled once.
BATCHES = {Topic.DECIDE: 200, Topic.ANSWER: 50, Topic.CHECKED_IN: 50, Topic.RENEW: 50}


def answered(work: UnitOfWork, keys: list[str]) -> None:
    """Read stored answers and apply what they mean."""
    for key in keys:
        reconcile_answers.apply(work, int(key))
        care_answers.apply(work, int(key))


def decide(work: UnitOfWork, keys: list[str]) -> None:
    """Desired minus reported."""
    reconcile.decide(work, [UUID(key) for key in keys])


def checked_in(work: UnitOfWork, keys: list[str]) -> None:
    """An enrolment is complete: first orders, and lost mode again where a case is open."""
    for key in keys:
        tablet_id = reconcile.welcome(work, int(key))
        if tablet_id is not None:
            care.after_enrolment(work, tablet_id)


def renew(work: UnitOfWork, keys: list[str]) -> None:
    """Certificates that are due."""
    for key in keys:
        reconcile.renew(work, int(key))


HANDLERS: dict[Topic, Callable[[UnitOfWork, list[str]], None]] = {
    Topic.ANSWER: answered,
    Topic.DECIDE: decide,
    Topic.CHECKED_IN: checked_in,
    Topic.RENEW: renew,
}


class Outcome(Protocol):
    """What a talk with a service came to. `retry_after`: seconds that the service asked us to wait."""

    @property
    def problem(self) -> str | None: ...

    @property
    def retry_after(self) -> float | None: ...


def compare_due(runtime: Runtime, topic: Topic, compare: Callable[[Runtime, UUID], Outcome], lease: timedelta) -> int:
    """Compare what is due with a service outside; one whose service is away is tried again later, and holds up no other."""
    with runtime.open_unit_of_work() as work:
        rows = outbox.claim_jobs(work.session, work.now, topic, 20, lease)
    for row in rows:
        problem, wait = _compared(runtime, compare, row)
        with runtime.open_unit_of_work() as work:
            if problem is None:
                outbox.complete_jobs(work.session, [row])
            else:
                outbox.record_failure(work.session, row.id, work.now, problem)
                waiting = work.session.get(OutboxRow, row.id)
                if waiting is not None and wait is not None:
                    waiting.not_before = max(waiting.not_before, work.now + min(timedelta(seconds=wait), LONGEST_WAIT))
    return len(rows)


def _compared(runtime: Runtime, compare: Callable[[Runtime, UUID], Outcome], row: OutboxRow) -> tuple[str | None, float | None]:
    try:
        outcome = compare(runtime, UUID(row.key))
    except Exception as error:
        log.exception("worker.job_failed", topic=row.topic.value, key=row.key)
        return f"{type(error).__name__}: {error}", None
    return outcome.problem, outcome.retry_after


def licences_due(runtime: Runtime) -> int:
    """Compare the licences of towns with Apps and Books."""
    return compare_due(runtime, Topic.LICENCES, synchronise_licences, LEASE)


def assignments_due(runtime: Runtime) -> int:
    """Compare the tablets that Apple assigns to the towns' servers. A first reading of a whole fleet takes minutes."""
    return compare_due(runtime, Topic.ASSIGNMENT, assignment.synchronise, LONG_LEASE)


def organisations_due(runtime: Runtime) -> int:
    """Read which devices the towns' organisations own."""
    return compare_due(runtime, Topic.ORGANISATION, organisation.synchronise, LONG_LEASE)


#: What talks to the outside opens its units of work itself, around the talk.
_OUTSIDE: dict[Topic, Callable[[Runtime], int]] = {
    Topic.PUSH: push_due,
    Topic.LICENCES: licences_due,
    Topic.ASSIGNMENT: assignments_due,
    Topic.ORGANISATION: organisations_due,
}


def drain(runtime: Runtime, topic: Topic) -> int:
    """Do what is due of one topic until nothing is. Returns how many jobs were taken."""
    taken = 0
    while True:
        count = _OUTSIDE[topic](runtime) if topic in _OUTSIDE else _drain_once(runtime, topic)
        taken += count
        if count == 0:
            return taken


def _drain_once(runtime: Runtime, topic: Topic) -> int:
    with runtime.open_unit_of_work() as work:
        rows = outbox.claim_jobs(work.session, work.now, topic, BATCHES[topic], LEASE)
    if rows and not _attempt(runtime, topic, rows) and len(rows) > 1:
        for row in rows:  # one bad job must not hold up the others
            _attempt(runtime, topic, [row])
    return len(rows)


def _attempt(runtime: Runtime, topic: Topic, rows: list[OutboxRow]) -> bool:
    try:
        with runtime.open_unit_of_work() as work:
            HANDLERS[topic](work, [row.key for row in rows])
            outbox.complete_jobs(work.session, rows)
    except Exception as error:
        if len(rows) == 1:
            log.exception("worker.job_failed", topic=topic.value, key=rows[0].key)
            with runtime.open_unit_of_work() as work:
                outbox.record_failure(work.session, rows[0].id, work.now, f"{type(error).__name__}: {error}")
        return False
    return True
