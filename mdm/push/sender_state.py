"""The state of the sender of pushes: it stops for errors that are ours, tests itself with a few pushes, and goes on when one arrives."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from enum import StrEnum

import structlog

from cartable import audit
from cartable.alarms import AlarmKind, raise_alarm
from cartable.outbox import JobLane, Topic
from cartable.scope import SYSTEM, Actor
from cartable.unit_of_work import UnitOfWork
from mdm.devices.push_target_repository import PushTargetRepository
from mdm.push.models import PushCertificate, PushSenderState
from mdm.push.repository import PushRepository
from mdm.push.rules import (
    TRUST_AFTER_RESUME,
    WINDOW,
    PushOutcome,
    PushWindow,
    StopReason,
    are_refusals_trusted,
    compute_test_wait,
    decide_stop,
    is_test_due,
    is_window_over,
)

log = structlog.get_logger()
#: A service that cannot be reached is an alarm after so many tests: about ten minutes.
ALARM_AFTER_TESTS = 9


class SendPermission(StrEnum):
    """What the sender may do now."""

    SEND = "send"
    TEST = "test"
    WAIT = "wait"


def get_permission(work: UnitOfWork, state: PushSenderState, certificate: PushCertificate) -> SendPermission:
    """Return whether pushes may be sent. An expired certificate stops the sender; a new one is tested at once."""
    if certificate.not_after is not None and certificate.not_after <= work.now:
        if state.stop_reason is not StopReason.CERTIFICATE_EXPIRED:
            _stop(work, state, certificate, StopReason.CERTIFICATE_EXPIRED, f"on {certificate.not_after:%Y-%m-%d}")
        return SendPermission.WAIT
    if state.stopped_at is None:
        return SendPermission.SEND
    is_due = is_test_due(state.test_at, work.now) or state.certificate_id != certificate.id
    return SendPermission.TEST if is_due else SendPermission.WAIT


def record_batch(
    work: UnitOfWork, state: PushSenderState, certificate: PushCertificate, outcomes: Counter[PushOutcome], detail: str
) -> StopReason | None:
    """Count a batch and stop, keep stopped or restart the sender. Returns why it is stopped now; None while it sends.

    `detail`: Apple's reason for the failures.
    """
    if is_window_over(state.window_started_at, work.now):
        state.window_started_at, state.window_sent, state.window_refused = work.now, 0, 0
    window = PushWindow(state.window_sent, state.window_refused).add(outcomes)
    state.window_sent, state.window_refused = window.sent, window.refused
    if outcomes[PushOutcome.DELIVERED]:
        state.last_delivered_at = work.now
    trusts = are_refusals_trusted(state.refusals_trusted_until, work.now)
    reason = decide_stop(outcomes, window, trusts_refusals=trusts)
    if state.stopped_at is not None:
        if outcomes[PushOutcome.DELIVERED] or (reason is None and trusts and outcomes[PushOutcome.TOKEN_INVALID]):
            _resume(work, state)
            return None
        _postpone_test(work, state, certificate, reason, detail)
        return state.stop_reason
    if reason is not None:
        _stop(work, state, certificate, reason, detail)
    return reason


def resume_by_person(work: UnitOfWork, actor: Actor) -> None:
    """Let the sender test itself now, and take refused tokens as true for an hour: a person knows why many are invalid."""
    state = PushRepository(work.session).lock_sender_state()
    audit.record_event(work, actor, "push.resume", "push_sender", state.id, town_id=None)
    state.refusals_trusted_until = work.now + TRUST_AFTER_RESUME
    if state.stopped_at is not None:
        state.test_at, state.failed_tests = work.now, 0


def revive_tokens(work: UnitOfWork, actor: Actor, since: datetime) -> int:
    """Let pushes go again to the tokens that APNs refused from `since` on, and push them. Returns how many."""
    revived = PushTargetRepository(work.session).revive_push_tokens(since)
    audit.record_event(
        work, actor, "push.revive_tokens", "push_sender", 1, town_id=None, since=since.isoformat(), count=len(revived)
    )
    work.enqueue_job(Topic.PUSH, *revived, lane=JobLane.BACKGROUND)
    return len(revived)


def _stop(work: UnitOfWork, state: PushSenderState, certificate: PushCertificate, reason: StopReason, detail: str) -> None:
    log.error("push.stopped", reason=reason.value, detail=detail)
    if reason is StopReason.TOKENS_REFUSED and state.window_started_at is not None:
        # The first refused tokens of the window were marked invalid before it was seen that they are many.
        revived = PushTargetRepository(work.session).revive_push_tokens(state.window_started_at)
        work.enqueue_job(Topic.PUSH, *revived, lane=JobLane.BACKGROUND)
    if reason is not StopReason.UNREACHABLE:  # a network that is away for seconds needs no person
        raise_alarm(work, None, AlarmKind.PUSHES_STOPPED, reason=reason.value, detail=detail)
    state.stopped_at, state.failed_tests = work.now, -1
    _postpone_test(work, state, certificate, reason, detail)


def _postpone_test(
    work: UnitOfWork, state: PushSenderState, certificate: PushCertificate, reason: StopReason | None, detail: str
) -> None:
    state.stop_reason = reason or state.stop_reason or StopReason.SENDER_REFUSED
    state.stop_detail, state.certificate_id = detail[:200] or state.stop_detail, certificate.id
    state.failed_tests += 1
    if state.stop_reason is StopReason.UNREACHABLE and state.failed_tests == ALARM_AFTER_TESTS:
        raise_alarm(work, None, AlarmKind.PUSHES_STOPPED, reason=state.stop_reason.value, detail=detail)
    state.test_at = work.now + compute_test_wait(state.stop_reason, state.failed_tests)


def _resume(work: UnitOfWork, state: PushSenderState) -> None:
    log.warning("push.resumed", reason=state.stop_reason)
    if state.stop_reason is not StopReason.UNREACHABLE:
        audit.record_event(work, SYSTEM, "push.resumed", "push_sender", state.id, town_id=None)
    if state.stop_reason is StopReason.TOKENS_REFUSED:  # certificate and environment are right: what is refused is invalid
        state.refusals_trusted_until = work.now + WINDOW
    state.stopped_at = state.stop_reason = state.stop_detail = state.test_at = None
    state.failed_tests = state.window_sent = state.window_refused = 0
    state.window_started_at = None
