"""Sending of due pushes, paced. No transaction is open while the network is used."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from cartable.conflicts import run_with_retries
from cartable.outbox import JobLane, OutboxRow, Topic
from cartable.outbox_leases import (
    ANY_LANE,
    Claimant,
    claim_jobs,
    complete_jobs,
    postpone_job,
    process_while_leased,
    return_jobs,
)
from cartable.settings import Settings
from cartable.tracing import start_caused_span
from cartable.unit_of_work import Runtime, UnitOfWork
from mdm.devices.push_target_repository import PushTargetRepository
from mdm.push.apns import ApnsTransport
from mdm.push.certificates import ensure_simulated_certificate, get_active_topic
from mdm.push.models import PushCertificate
from mdm.push.ports import PushNotification, PushResponse, PushTransport
from mdm.push.repository import PushRepository
from mdm.push.rules import PushOutcome, StopReason, classify_response, compute_retry_delay, get_next_push_time
from mdm.push.sender_state import SendPermission, get_permission, record_batch

__all__ = ["close_transport", "ensure_simulated_certificate", "get_active_topic", "send_due_pushes"]

#: Pushes of one batch at most. A batch takes about half a second at the present pace, and an urgent push waits for none.
BATCH_SIZE = 500
BATCH_SECONDS = 0.5
#: With so many pushes a stopped sender tests whether APNs accepts any.
TEST_SIZE = 10
#: A push to a tablet that enrolled under another topic is looked at again after this time: APNs would refuse it.
OTHER_TOPIC_DELAY = timedelta(hours=1)
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _PushBatch:
    """Claimed jobs with their notifications, by enrollment, and when each token was stored."""

    certificate: PushCertificate
    claimed: int
    rows: Mapping[int, OutboxRow]
    notifications: Sequence[PushNotification]
    token_updates: Mapping[int, datetime]


def send_due_pushes(runtime: Runtime, claimant: Claimant = ANY_LANE, transport: PushTransport | None = None) -> int:
    """Send the pushes that are due. Returns how many jobs were claimed: none without a push certificate or while stopped."""
    with runtime.open_unit_of_work() as work:
        batch = _claim_batch(work, claimant)
        settings = work.settings
    if batch is None:
        return 0
    if batch.notifications:
        causes = [row.traceparent for row in batch.rows.values()]
        with start_caused_span("job.push", causes, {"job.count": len(batch.notifications)}):
            _send_batch(runtime, batch, transport or _get_transport(settings, batch.certificate), settings.push_per_second)
    return batch.claimed


def _send_batch(runtime: Runtime, batch: _PushBatch, sender: PushTransport, per_second: int) -> None:
    urgent = all(row.lane == JobLane.URGENT for row in batch.rows.values())
    responses = sender.send(batch.notifications, per_second, urgent=urgent)

    def store(leased: Sequence[OutboxRow]) -> None:
        enrollment_ids = {int(row.key) for row in leased}
        kept = [response for response in responses if response.enrollment_id in enrollment_ids]
        run_with_retries(lambda: _store_responses(runtime, batch, kept), "responses of APNs")

    process_while_leased(list(batch.rows.values()), store)  # another worker sends the others again, which does no harm


def _claim_batch(work: UnitOfWork, claimant: Claimant) -> _PushBatch | None:
    """Claim due jobs and complete those that need no push now. Returns None when nothing may be sent."""
    repository = PushRepository(work.session)
    certificate = repository.get_active_certificate()
    if certificate is None:
        return None
    permission = get_permission(work, repository.get_sender_state(), certificate)
    if permission is SendPermission.WAIT:
        return None
    limit = min(BATCH_SIZE, max(TEST_SIZE, int(work.settings.push_per_second * BATCH_SECONDS)))
    claimed = claim_jobs(work.session, work.now, Topic.PUSH, limit if permission is SendPermission.SEND else TEST_SIZE, claimant)
    targets = {
        t.enrollment_id: t for t in PushTargetRepository(work.session).list_valid_targets([int(row.key) for row in claimed])
    }
    rows: dict[int, OutboxRow] = {}
    for row in claimed:
        target = targets.get(int(row.key))
        if target is None:
            complete_jobs(work.session, [row])  # no valid token: nothing can be pushed before the next TokenUpdate
        elif target.topic != certificate.topic:
            postpone_job(work.session, row, work.now + OTHER_TOPIC_DELAY, "enrolled under another push topic")
        elif row.lane != JobLane.URGENT and (next_push_at := get_next_push_time(target.pushed_at, work.now)) is not None:
            postpone_job(work.session, row, next_push_at, "pushed a moment ago")
        else:
            rows[target.enrollment_id] = row
    return _PushBatch(
        certificate,
        len(claimed),
        rows,
        [PushNotification(key, targets[key].token, targets[key].magic, targets[key].topic) for key in rows],
        {key: targets[key].updated_at for key in rows},
    )


def _store_responses(runtime: Runtime, batch: _PushBatch, responses: Sequence[PushResponse]) -> None:
    with runtime.open_unit_of_work() as work:
        _apply_responses(work, batch, responses)


def _apply_responses(work: UnitOfWork, batch: _PushBatch, responses: Sequence[PushResponse]) -> None:
    repository = PushRepository(work.session)
    state = repository.lock_sender_state()
    outcomes = {r.enrollment_id: classify_response(r, batch.token_updates[r.enrollment_id]) for r in responses}
    counts = Counter(outcomes.values())
    repository.count_responses(Counter(_describe(response) for response in responses))
    stop = record_batch(work, state, batch.certificate, counts, _summarize_failures(responses))
    delivered = sorted(key for key, outcome in outcomes.items() if outcome is PushOutcome.DELIVERED)
    PushTargetRepository(work.session).mark_pushed(delivered, work.now)
    complete_jobs(work.session, [batch.rows[key] for key in delivered])
    for response in responses:
        outcome = outcomes[response.enrollment_id]
        if outcome is PushOutcome.TOKEN_INVALID and stop is not None:
            outcome = PushOutcome.RETRY  # while the sender is stopped, a refusal says nothing about the token
        if outcome is not PushOutcome.DELIVERED:
            _apply_failure(work, batch, response, outcome, stop)


def _apply_failure(
    work: UnitOfWork, batch: _PushBatch, response: PushResponse, outcome: PushOutcome, stop: StopReason | None
) -> None:
    """Do with one job what its outcome asks for. While the sender is stopped for our own error, the job waits as it was."""
    row, error = batch.rows[response.enrollment_id], f"{response.status} {_describe(response)}"
    log.warning("push.failed", enrollment=response.enrollment_id, error=error, outcome=outcome.value)
    if outcome is PushOutcome.TOKEN_INVALID:
        token_updated_at = batch.token_updates[response.enrollment_id]
        PushTargetRepository(work.session).mark_token_invalid(response.enrollment_id, token_updated_at, error, work.now)
        complete_jobs(work.session, [row])
    elif outcome is PushOutcome.DROP:
        complete_jobs(work.session, [row])
    elif stop is not None and outcome in (PushOutcome.UNREACHABLE, PushOutcome.SENDER_REFUSED):
        return_jobs(work.session, [row])
    else:
        postpone_job(work.session, row, work.now + compute_retry_delay(row.attempts, response.retry_after), error)


def _describe(response: PushResponse) -> str:
    return "Delivered" if response.status == 200 else (response.reason or f"Status{response.status}")[:64]


def _summarize_failures(responses: Sequence[PushResponse]) -> str:
    """Return the reasons of the failures with their numbers, the most frequent first."""
    failures = Counter(_describe(response) for response in responses if response.status != 200)
    return ", ".join(f"{reason} ({count})" for reason, count in failures.most_common(3))


_transport_lock = threading.Lock()
#: The connections to APNs of this process, with what they were opened for. They stay open from one batch to the next.
_transport: tuple[tuple[object, ...], ApnsTransport] | None = None


def _get_transport(settings: Settings, certificate: PushCertificate) -> ApnsTransport:
    """Return the open transport of this process; a new one after a change of certificate or address."""
    global _transport
    key = (settings.apns_url, settings.apns_ca, certificate.id, certificate.certificate)
    with _transport_lock:
        if _transport is not None and _transport[0] == key:
            return _transport[1]
        former = _transport
        opened = ApnsTransport(
            settings.apns_url, (certificate.certificate or "").encode(), certificate.private_key, settings.apns_ca
        )
        _transport = (key, opened)
    if former is not None:
        former[1].close()
    return opened


def close_transport() -> None:
    """Close the connections to APNs of this process; the next push opens new ones."""
    global _transport
    with _transport_lock:
        former, _transport = _transport, None
    if former is not None:
        former[1].close()
