"""Leases of outbox jobs: a worker claims due jobs, keeps its leases alive, and completes, postpones or gives the jobs back.

A lease is short and renewed while its worker lives, so the jobs of a worker that dies are free again within `LEASE`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import structlog
from sqlalchemy import ColumnElement, Select, bindparam, delete, exists, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningUpdate

from cartable.outbox import JobLane, OutboxRow, Topic
from cartable.redaction import redact

log = structlog.get_logger()
#: How long a claimed job is reserved for its worker. A living worker renews the lease several times in this time.
LEASE = timedelta(seconds=30)
#: A job that has failed so many times is parked: about 73 minutes after the first failure.
MAX_ATTEMPTS = 12
LONGEST_DELAY = timedelta(hours=1)
#: Last error of a job whose worker ended while it ran.
WORKER_LOST = "its worker ended while it ran"


@dataclass(frozen=True, slots=True)
class Claimant:
    """Who claims jobs: the name that its leases carry, and the lanes that it takes."""

    worker: str | None = None
    lanes: tuple[JobLane, ...] = tuple(JobLane)


ANY_LANE = Claimant()


class JobLeaseLost(Exception):
    """The leases of running jobs have expired and another worker may have the jobs. Their effects must be rolled back."""

    def __init__(self, job_ids: Collection[int]) -> None:
        super().__init__(job_ids)
        self.job_ids = frozenset(job_ids)


def process_while_leased(rows: Sequence[OutboxRow], process: Callable[[Sequence[OutboxRow]], None]) -> None:
    """Call `process` with claimed jobs, and again without those whose lease turns out to be lost: they are their new owner's.

    `process` writes and ends the jobs in one transaction, which `JobLeaseLost` has rolled back. The others are not left behind: a worker
    that lives renews the leases of all its jobs, so nobody else would ever take them.
    """
    leased = list(rows)
    while leased:
        try:
            process(leased)
        except JobLeaseLost as lost:
            log.warning("worker.lease_lost", topic=leased[0].topic.value, jobs=sorted(lost.job_ids))
            leased = [row for row in leased if row.id not in lost.job_ids]
        else:
            return


def claim_jobs(session: Session, now: datetime, topic: Topic, limit: int, claimant: Claimant = ANY_LANE) -> list[OutboxRow]:
    """Lease up to `limit` due jobs of `topic` and return them: by lane, then the oldest. Two workers never get the same job."""
    lanes = _find_due_lanes(session, now, topic)
    claimed: list[OutboxRow] = []
    for lane in claimant.lanes:
        if lane in lanes and len(claimed) < limit:
            claimed += _claim_lane(session, now, topic, lane, limit - len(claimed), claimant.worker)
    return claimed


def _find_due_lanes(session: Session, now: datetime, topic: Topic) -> set[JobLane]:
    """Return the lanes in which a job of `topic` may be due, after the jobs of workers that died are available again."""
    has_expired, *are_due = session.execute(_build_look(), {"of_topic": topic, "now": now}).one()
    if has_expired and release_expired_leases(session, now):
        return set(JobLane)
    return {lane for lane, is_due in zip(JobLane, are_due, strict=True) if is_due}


@cache
def _build_look() -> Select[*tuple[Any, ...]]:
    """Build the statement of a worker that mostly has no jobs: one read for all lanes, by the indexes of leases and of due jobs."""
    expired = exists().where(OutboxRow.lease_until.is_not(None), OutboxRow.lease_until < bindparam("now"))
    due = [
        exists().where(
            OutboxRow.topic == bindparam("of_topic"),
            OutboxRow.lane == lane,
            OutboxRow.not_before <= bindparam("now"),
            *is_waiting(),
        )
        for lane in JobLane
    ]
    return select(expired, *due)


def _claim_lane(session: Session, now: datetime, topic: Topic, lane: JobLane, limit: int, worker: str | None) -> list[OutboxRow]:
    values = {
        "of_topic": topic, "of_lane": lane, "now": now, "count": limit, "until": now + LEASE, "worker": worker,
    }  # fmt: skip
    return sorted(session.scalars(_build_claim(), values), key=lambda row: (row.not_before, row.id))


@cache
def _build_claim() -> ReturningUpdate[OutboxRow]:
    """Build the statement once: building it takes longer than its answer."""
    # A common table expression is evaluated once. As a subquery of IN the planner may run it again, and lock more than `count`.
    due = (
        select(OutboxRow.id)
        .where(
            OutboxRow.topic == bindparam("of_topic"),
            OutboxRow.lane == bindparam("of_lane"),
            OutboxRow.not_before <= bindparam("now"),
            *is_waiting(),
        )
        .order_by(OutboxRow.not_before, OutboxRow.id)
        .limit(bindparam("count"))
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    return (
        update(OutboxRow)
        .where(OutboxRow.id.in_(select(due.c.id)))
        .values(lease_until=bindparam("until"), leased_by=bindparam("worker"), attempts=OutboxRow.attempts + 1)
        .returning(OutboxRow)
        .execution_options(synchronize_session=False)
    )


def is_waiting() -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Return the conditions of a job that no worker has and that is not parked."""
    return OutboxRow.lease_until.is_(None), OutboxRow.parked_at.is_(None)


def renew_leases(session: Session, workers: Collection[str], until: datetime) -> None:
    """Let the leases of these workers last until `until`."""
    session.execute(
        update(OutboxRow)
        .where(OutboxRow.leased_by.in_(sorted(workers)), OutboxRow.lease_until.is_not(None))
        .values(lease_until=until)
        .execution_options(synchronize_session=False)
    )


def release_expired_leases(session: Session, now: datetime) -> int:
    """Make the jobs of workers that died available again; one that has been tried too often is parked. Returns how many."""
    rows = _lock_leased(session, OutboxRow.lease_until < now)
    for row in rows:
        if _return_to_waiting(session, row, row.not_before) and row.attempts >= MAX_ATTEMPTS:
            row.parked_at, row.last_error = now, WORKER_LOST
    return len(rows)


def give_back_jobs(session: Session, worker: str) -> int:
    """Make the jobs available again that a worker has claimed and not finished. They do not count as tried. Returns how many."""
    rows = _lock_leased(session, OutboxRow.leased_by == worker)
    for row in rows:
        row.attempts -= 1
        _return_to_waiting(session, row, row.not_before)
    return len(rows)


def release_jobs_of_process(session: Session, process_id: str) -> int:
    """Make the jobs of all threads of a process that died available again; they count as tried. Returns how many."""
    rows = _lock_leased(session, OutboxRow.leased_by.startswith(f"{process_id}/", autoescape=True))
    for row in rows:
        _return_to_waiting(session, row, row.not_before)
    return len(rows)


def _lock_leased(session: Session, condition: ColumnElement[bool]) -> Sequence[OutboxRow]:
    return session.scalars(
        select(OutboxRow)
        .where(OutboxRow.lease_until.is_not(None), condition)
        .order_by(OutboxRow.id)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    ).all()


def complete_jobs(session: Session, rows: Sequence[OutboxRow]) -> None:
    """Delete jobs that are finished. Raises `JobLeaseLost` with those that are no longer leased to the worker that claimed them."""
    if not rows:
        return
    job_ids = {row.id for row in rows}
    statement = (
        delete(OutboxRow)
        .where(OutboxRow.id.in_(job_ids), _is_leased_to(rows[0].leased_by))
        .returning(OutboxRow.id)
        .execution_options(synchronize_session=False)
    )
    lost = job_ids.difference(session.scalars(statement))
    if lost:
        raise JobLeaseLost(lost)


def record_failure(session: Session, row: OutboxRow, now: datetime, why: str) -> bool:
    """Postpone a job that failed, longer each time; after `MAX_ATTEMPTS` park it. Return whether it is parked now.

    Raises `JobLeaseLost`, as do the other ways to end a lease: what its new owner has achieved must not be overwritten.
    """
    current = _lock_leased_row(session, row)
    retry_at = now + min(timedelta(seconds=2**current.attempts), LONGEST_DELAY)
    if not _return_to_waiting(session, current, retry_at, why):
        return False
    if current.attempts >= MAX_ATTEMPTS:
        current.parked_at = now
    return current.parked_at is not None


def postpone_job(session: Session, row: OutboxRow, retry_at: datetime, why: str) -> None:
    """Let a job wait until `retry_at` because a service outside could not be reached. It is never parked: nothing is wrong with it."""
    _return_to_waiting(session, _lock_leased_row(session, row), retry_at, why)


def return_jobs(session: Session, rows: Sequence[OutboxRow]) -> None:
    """Give claimed jobs back as they were: due, and not counted as tried."""
    for row in rows:
        current = _lock_leased_row(session, row)
        current.attempts -= 1
        _return_to_waiting(session, current, current.not_before)


def _lock_leased_row(session: Session, row: OutboxRow) -> OutboxRow:
    """Return the current row of a claimed job, locked. Raises `JobLeaseLost`."""
    current = session.scalar(
        select(OutboxRow)
        .where(OutboxRow.id == row.id, _is_leased_to(row.leased_by))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if current is None:
        raise JobLeaseLost({row.id})
    return current


def _is_leased_to(worker: str | None) -> ColumnElement[bool]:
    owner = OutboxRow.leased_by.is_(None) if worker is None else OutboxRow.leased_by == worker
    return OutboxRow.lease_until.is_not(None) & owner


def _return_to_waiting(session: Session, row: OutboxRow, not_before: datetime, why: str | None = None) -> bool:
    """End a lease and return True. If an equal job is waiting meanwhile, it takes over the earlier time and the more urgent lane."""
    while not _merge_into_waiting(session, row, not_before):
        # Another transaction may add an equal job between the look and the update: then there is one to merge with.
        with contextlib.suppress(IntegrityError), session.begin_nested():
            row.lease_until, row.leased_by, row.not_before = None, None, not_before
            row.last_error = row.last_error if why is None else redact(why)[:500]
            session.flush()
            return True
    return False


def _merge_into_waiting(session: Session, row: OutboxRow, not_before: datetime) -> bool:
    """Delete a leased job for an equal one that is waiting. Return whether there is one."""
    waiting = session.scalar(
        select(OutboxRow)
        .where(OutboxRow.topic == row.topic, OutboxRow.key == row.key, OutboxRow.lease_until.is_(None), OutboxRow.id != row.id)
        .with_for_update()
    )
    if waiting is None:
        return False
    waiting.not_before, waiting.lane = min(waiting.not_before, not_before), min(waiting.lane, row.lane)
    session.delete(row)
    session.flush()
    return True
