"""Figures of the outbox for people and monitoring: lag per topic and lane, leased jobs, parked jobs and their release."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from cartable.outbox import JobLane, OutboxRow, Topic
from cartable.outbox_leases import is_waiting


@dataclass(frozen=True, slots=True)
class LaneLag:
    """The due jobs of one lane of a topic: how many wait, and since when the oldest has been due."""

    topic: Topic
    lane: JobLane
    waiting: int
    oldest_due: datetime


def measure_lag(session: Session, now: datetime) -> list[LaneLag]:
    """Return the lag of each topic and lane with a due job, most urgent first."""
    statement = (
        select(OutboxRow.topic, OutboxRow.lane, func.count(), func.min(OutboxRow.not_before))
        .where(OutboxRow.not_before <= now, *is_waiting())
        .group_by(OutboxRow.topic, OutboxRow.lane)
        .order_by(OutboxRow.lane, OutboxRow.topic)
    )
    return [LaneLag(topic, JobLane(lane), count, oldest) for topic, lane, count, oldest in session.execute(statement)]


def list_due_topics(session: Session, now: datetime) -> set[Topic]:
    """Return the topics with a due job. Each lane of a topic costs one look into an index, however many jobs wait."""
    probes = [
        select(OutboxRow.id)
        .where(OutboxRow.topic == topic, OutboxRow.lane == lane, OutboxRow.not_before <= now, *is_waiting())
        .exists()
        .label(f"{topic.value}_{lane.value}")
        for topic in Topic
        for lane in JobLane
    ]
    row = session.execute(select(*probes)).one()
    keys = [topic for topic in Topic for _ in JobLane]
    return {topic for topic, is_due in zip(keys, row, strict=True) if is_due}


def count_leased_jobs(session: Session) -> dict[Topic, int]:
    """Return how many jobs of each topic are being executed; topics without any are left out."""
    statement = select(OutboxRow.topic, func.count()).where(OutboxRow.lease_until.is_not(None)).group_by(OutboxRow.topic)
    return {row[0]: row[1] for row in session.execute(statement)}


def count_parked_jobs(session: Session) -> dict[Topic, int]:
    """Return how many jobs of each topic are parked; topics without any are left out."""
    statement = select(OutboxRow.topic, func.count()).where(OutboxRow.parked_at.is_not(None)).group_by(OutboxRow.topic)
    return {row[0]: row[1] for row in session.execute(statement)}


def list_parked_jobs(session: Session, limit: int = 100) -> Sequence[OutboxRow]:
    """Return parked jobs with the reason of each, the oldest first."""
    statement = select(OutboxRow).where(OutboxRow.parked_at.is_not(None)).order_by(OutboxRow.parked_at, OutboxRow.id).limit(limit)
    return session.scalars(statement).all()


def release_parked_jobs(session: Session, now: datetime, topic: Topic | None = None) -> dict[Topic, int]:
    """Let parked jobs (of `topic`, or all) run again at once, and return how many of each topic were released."""
    conditions = [OutboxRow.parked_at.is_not(None)] + ([OutboxRow.topic == topic] if topic else [])
    statement = (
        update(OutboxRow)
        .where(*conditions)
        .values(parked_at=None, attempts=0, not_before=now)
        .returning(OutboxRow.topic)
        .execution_options(synchronize_session=False)
    )
    return dict(Counter(session.scalars(statement)))


def get_oldest_due(session: Session, now: datetime) -> datetime | None:
    """Return since when the oldest due job has been waiting; None when no job is due."""
    return session.scalar(select(func.min(OutboxRow.not_before)).where(OutboxRow.not_before <= now, *is_waiting()))
