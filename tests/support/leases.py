"""A lease of a job that ends while its worker is at work, so that another worker gets the job."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Engine, event, select

from cartable.outbox import OutboxRow, Topic
from cartable.outbox_leases import Claimant, claim_jobs
from cartable.unit_of_work import Runtime


def take_over_job(runtime: Runtime, topic: Topic, worker: str = "fast") -> OutboxRow:
    """End the lease of the first leased job of a topic, and have another worker claim it. The other leases last."""
    with runtime.open_unit_of_work() as work:
        leased = select(OutboxRow).where(OutboxRow.topic == topic, OutboxRow.lease_until.is_not(None)).order_by(OutboxRow.id)
        work.session.scalars(leased).all()[0].lease_until = work.now - timedelta(seconds=1)
    with runtime.open_unit_of_work() as work:
        [row] = claim_jobs(work.session, work.now, topic, 1, Claimant(worker))
    return row


def take_over_after_claim(engine: Engine, runtime: Runtime, topic: Topic) -> list[OutboxRow]:
    """Have another worker take one job over right after the next transaction, which is the claim of the first worker.

    Returns a list in which that job will be.
    """
    taken: list[OutboxRow] = []

    def take_one(*_: Any) -> None:
        taken.append(take_over_job(runtime, topic))

    event.listen(engine, "checkin", take_one, once=True)
    return taken
