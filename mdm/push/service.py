"""Sending of due pushes, paced. No transaction is open while the network is used."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog

from cartable import outbox
from cartable.outbox import OutboxRow, Topic
from cartable.unit_of_work import Runtime, UnitOfWork
from mdm.devices.repository import DeviceRepository
from mdm.push.apns import ApnsTransport
from mdm.push.certificates import ensure_simulated_certificate, get_active_topic, load_active_pem
from mdm.push.ports import PushNotification, PushResponse, PushTransport
from mdm.push.rules import PushOutcome, classify_response, compute_retry_delay

__all__ = ["ensure_simulated_certificate", "get_active_topic", "send_due_pushes"]

BATCH_SIZE = 500
LEASE = timedelta(minutes=5)
#: A tablet gets at most one push in this time, however many commands wait.
MIN_PUSH_INTERVAL = timedelta(seconds=3)
log = structlog.get_logger()


def send_due_pushes(runtime: Runtime, transport: PushTransport | None = None) -> int:
    """Send the pushes that are due. Returns how many jobs were claimed; without a push certificate none is."""
    with runtime.open_unit_of_work() as work:
        certificate_and_key = load_active_pem(work)
        if certificate_and_key is None:
            return 0
        rows = outbox.claim_jobs(work.session, work.now, Topic.PUSH, BATCH_SIZE, LEASE)
        targets = {t.enrollment_id: t for t in DeviceRepository(work.session).list_valid_targets([int(row.key) for row in rows])}
        token_updates = {enrollment_id: target.updated_at for enrollment_id, target in targets.items()}
        notifications = []
        for row in rows:
            target = targets.get(int(row.key))
            if target is None:
                outbox.complete_jobs(work.session, [row])  # no valid token: nothing can be pushed before the next TokenUpdate
            elif target.pushed_at is not None and work.now - target.pushed_at < MIN_PUSH_INTERVAL:
                outbox.complete_jobs(work.session, [row])
                work.enqueue_job(Topic.PUSH, row.key, not_before=target.pushed_at + MIN_PUSH_INTERVAL)
            else:
                notifications.append(PushNotification(target.enrollment_id, target.token, target.magic, target.topic))
        settings = work.settings
    if notifications:
        certificate, key = certificate_and_key
        sender = transport or ApnsTransport(settings.apns_url, certificate, key, settings.apns_ca)
        responses = sender.send(notifications, settings.push_per_second)
        _apply_responses(runtime, [row for row in rows if int(row.key) in token_updates], responses, token_updates)
    return len(rows)


def _apply_responses(
    runtime: Runtime, rows: list[OutboxRow], responses: list[PushResponse], token_updates: dict[int, datetime]
) -> None:
    rows_by_enrollment = {int(row.key): row for row in rows}
    with runtime.open_unit_of_work() as work:
        repository = DeviceRepository(work.session)
        delivered: list[int] = []
        for response in responses:
            row = rows_by_enrollment[response.enrollment_id]
            token_updated_at = token_updates[response.enrollment_id]
            outcome = classify_response(response, token_updated_at)
            if outcome is PushOutcome.DELIVERED:
                delivered.append(response.enrollment_id)
            else:
                _apply_failure(work, repository, row, response, outcome, token_updated_at)
        repository.mark_pushed(delivered, work.now)
        outbox.complete_jobs(work.session, [rows_by_enrollment[enrollment_id] for enrollment_id in delivered])


def _apply_failure(
    work: UnitOfWork,
    repository: DeviceRepository,
    row: OutboxRow,
    response: PushResponse,
    outcome: PushOutcome,
    token_updated_at: datetime,
) -> None:
    error = f"{response.status} {response.reason or ''}".strip()
    log.warning("push.failed", enrollment=response.enrollment_id, error=error, outcome=outcome.value)
    if outcome is PushOutcome.TOKEN_INVALID:
        repository.mark_token_invalid(response.enrollment_id, token_updated_at, error, work.now)
        outbox.complete_jobs(work.session, [row])
        return
    if outcome is PushOutcome.DROP:
        outbox.complete_jobs(work.session, [row])
        return
    if outcome is PushOutcome.CERTIFICATE_REFUSED:
        log.error("push.certificate_refused", error=error)
    outbox.postpone_job(work.session, row.id, work.now + compute_retry_delay(row.attempts, response.retry_after), error)
