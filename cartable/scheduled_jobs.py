"""The schedule's memory: when each repeated job is due next, and which worker runs it now. Which jobs there are is the worker's affair.

A job is claimed by compare-and-set on its row, so it runs once whatever the number of processes, and never twice at a time. What
was missed while nobody worked is run once, not once for each time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import String, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from cartable.database import Base, UtcDateTime, get_insert


class ScheduledJob(Base):
    """A repeated job. `lease_until` is set while a worker runs it; `failures` counts the failed runs since the last good one."""

    __tablename__ = "scheduled_job"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    next_run_at: Mapped[datetime] = mapped_column(UtcDateTime)
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    leased_by: Mapped[str | None] = mapped_column(String(64))
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    failures: Mapped[int] = mapped_column(default=0)
    last_error: Mapped[str | None] = mapped_column(String(500))


def add_missing_jobs(session: Session, names: Sequence[str], now: datetime) -> None:
    """Add the jobs that have no row yet; they are due now."""
    insert = get_insert(session.get_bind().dialect.name)
    rows = [{"name": name, "next_run_at": now, "failures": 0} for name in sorted(names)]
    session.execute(insert(ScheduledJob).values(rows).on_conflict_do_nothing())


def claim_due_job(
    session: Session, intervals: Mapping[str, timedelta], now: datetime, lease: timedelta, worker: str
) -> ScheduledJob | None:
    """Lease the job that has been due longest to `worker` and set its next time; None when no job of `intervals` is due."""
    job = session.scalar(
        select(ScheduledJob)
        .where(ScheduledJob.name.in_(sorted(intervals)), ScheduledJob.next_run_at <= now)
        .where(ScheduledJob.lease_until.is_(None) | (ScheduledJob.lease_until < now))
        .order_by(ScheduledJob.next_run_at, ScheduledJob.name)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    if job is None:
        return None
    job.lease_until, job.leased_by, job.started_at = now + lease, worker, now
    job.next_run_at = now + intervals[job.name]
    session.flush()
    return job


def get_next_run(session: Session, names: Sequence[str]) -> datetime | None:
    """Return when the next of these jobs is due; None when none has a row."""
    return session.scalar(
        select(ScheduledJob.next_run_at).where(ScheduledJob.name.in_(names)).order_by(ScheduledJob.next_run_at).limit(1)
    )


def finish_job(session: Session, name: str, worker: str, now: datetime, error: str | None = None) -> None:
    """End the lease of `worker` on a job and store how the run ended. Changes nothing when another worker has the job."""
    ended = {"lease_until": None, "leased_by": None, "finished_at": now}
    outcome = (
        {"failures": 0, "last_error": None}
        if error is None
        else {"failures": ScheduledJob.failures + 1, "last_error": error[:500]}
    )
    session.execute(
        update(ScheduledJob)
        .where(ScheduledJob.name == name, ScheduledJob.leased_by == worker)
        .values({**ended, **outcome})
        .execution_options(synchronize_session=False)
    )


def renew_job_leases(session: Session, workers: Sequence[str], until: datetime) -> None:
    """Let the running jobs of these workers keep their leases until `until`."""
    session.execute(
        update(ScheduledJob)
        .where(ScheduledJob.leased_by.in_(workers), ScheduledJob.lease_until.is_not(None))
        .values(lease_until=until)
    )


def give_back_scheduled_jobs(session: Session, workers: Sequence[str], now: datetime) -> None:
    """End the leases of these workers; what they were running is due at once."""
    session.execute(
        update(ScheduledJob)
        .where(ScheduledJob.leased_by.in_(workers), ScheduledJob.lease_until.is_not(None))
        .values(lease_until=None, leased_by=None, next_run_at=now)
    )


def give_back_scheduled_jobs_of_process(session: Session, process_id: str, now: datetime) -> None:
    """End the leases of all threads of a process that died; what they were running is due at once."""
    session.execute(
        update(ScheduledJob)
        .where(ScheduledJob.leased_by.startswith(f"{process_id}/", autoescape=True))
        .values(lease_until=None, leased_by=None, next_run_at=now)
        .execution_options(synchronize_session=False)
    )


def list_failing_jobs(session: Session) -> Sequence[ScheduledJob]:
    """Return the jobs whose last run failed, by name."""
    return session.scalars(select(ScheduledJob).where(ScheduledJob.failures > 0).order_by(ScheduledJob.name)).all()
