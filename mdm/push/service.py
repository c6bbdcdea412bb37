"""Verbs of pushing: drain what is due, paced; no transaction is open while the network is used."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog

from cartable import outbox
from cartable.outbox import OutboxRow, Topic
from cartable.unit_of_work import Runtime, UnitOfWork
from mdm.push.apns import ApnsTransport
from mdm.push.certificates import active_topic, ensure_simulated_certificate, transport_parts
from mdm.push.ports import Outcome, PushTransport, Wake
from mdm.push.repository import PushRepository
from mdm.push.rules import Verdict, judge, wait_before_retry

__all__ = ["active_topic", "ensure_simulated_certificate", "push_due"]

BATCH = 500
LEASE = timedelta(minutes=5)
#: One push per tablet in this time is enough, however many commands wait.
COALESCE = timedelta(seconds=3)
log = structlog.get_logger()


def push_due(runtime: Runtime, transport: PushTransport | None = None) -> int:
    """Send the pushes that are due. Returns how many were claimed; without a certificate they wait."""
    with runtime.open_unit_of_work() as work:
        parts = transport_parts(work)
        if parts is None:
            return 0
        rows = outbox.claim_jobs(work.session, work.now, Topic.PUSH, BATCH, LEASE)
        targets = {t.enrollment_id: t for t in PushRepository(work.session).targets([int(row.key) for row in rows])}
        since = {key: target.updated_at for key, target in targets.items()}
        wakes = []
        for row in rows:
            target = targets.get(int(row.key))
            if target is None:
                outbox.complete_jobs(work.session, [row])  # no token, or a dead one: the next TokenUpdate brings a push
            elif target.pushed_at is not None and work.now - target.pushed_at < COALESCE:
                outbox.complete_jobs(work.session, [row])
                work.enqueue_job(Topic.PUSH, row.key, not_before=target.pushed_at + COALESCE)
            else:
                wakes.append(Wake(target.enrollment_id, target.token, target.magic, target.topic))
        settings = work.settings
    if wakes:
        certificate, key = parts
        sender = transport or ApnsTransport(settings.apns_url, certificate, key, settings.apns_ca)
        outcomes = sender.send(wakes, settings.push_per_second)
        _settle(runtime, [row for row in rows if int(row.key) in since], outcomes, since)
    return len(rows)


def _settle(runtime: Runtime, rows: list[OutboxRow], outcomes: list[Outcome], since: dict[int, datetime]) -> None:
    by_enrollment = {int(row.key): row for row in rows}
    with runtime.open_unit_of_work() as work:
        repository = PushRepository(work.session)
        delivered: list[int] = []
        for outcome in outcomes:
            row = by_enrollment[outcome.enrollment_id]
            token_since = since[outcome.enrollment_id]
            verdict = judge(outcome, token_since)
            if verdict is Verdict.DELIVERED:
                delivered.append(outcome.enrollment_id)
            else:
                _refused(work, repository, row, outcome, verdict, token_since)
        repository.mark_pushed(delivered, work.now)
        outbox.complete_jobs(work.session, [by_enrollment[enrollment_id] for enrollment_id in delivered])


def _refused(
    work: UnitOfWork, repository: PushRepository, row: OutboxRow, outcome: Outcome, verdict: Verdict, token_since: datetime
) -> None:
    said = f"{outcome.status} {outcome.reason or ''}".strip()
    log.warning("push.refused", enrollment=outcome.enrollment_id, said=said, verdict=verdict.value)
    if verdict is Verdict.TOKEN_DEAD:
        repository.mark_dead(outcome.enrollment_id, token_since, said, work.now)
        outbox.complete_jobs(work.session, [row])
        return
    if verdict is Verdict.GIVE_UP:
        outbox.complete_jobs(work.session, [row])
        return
    if verdict is Verdict.CERTIFICATE:
        log.error("push.certificate_refused", said=said)
    outbox.record_failure(work.session, row.id, work.now, said)
    waiting = work.session.get(OutboxRow, row.id)
    if waiting is not None:
        waiting.not_before = work.now + wait_before_retry(waiting.attempts, outcome.retry_after)
