"""Attempts to enable or lift lost mode: sent, shown to people when the tablet refuses, sent again with growing waits. Never given up, never commits."""

from __future__ import annotations

from datetime import timedelta

from cartable.scope import SYSTEM, Actor
from cartable.unit_of_work import UnitOfWork
from enrollment.tablets.models import Tablet
from mdm.care.command_helpers import is_command_open, send_command
from mdm.care.lost_mode.models import LostCase
from mdm.care.lost_mode.repository import LostModeRepository
from mdm.devices.service import get_enrolled_channel
from mdm.protocol.commands.queries import DeviceInformation
from mdm.protocol.commands.security import DisableLostMode, EnableLostMode
from mdm.queue import service as queue
from mdm.queue.models import CommandState, Lane
from mdm.queue.service import DeliveryOptions

#: How long to wait before each further attempt. The last one repeats: a lost tablet must not stay open.
RETRY_DELAYS = (
    timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15), timedelta(hours=1), timedelta(hours=3), timedelta(hours=6),
)  # fmt: skip
#: When a command without any result is looked at again: it may have expired, or the server may have refused to deliver it.
RESULT_TIMEOUT = timedelta(hours=1)
BATCH_SIZE = 100


def send_lost_mode(work: UnitOfWork, actor: Actor, tablet: Tablet, case: LostCase) -> bool:
    """Enqueue lost mode with the texts of the case. Returns False for a tablet without enrollment."""
    case.next_attempt_at = work.now + RESULT_TIMEOUT
    command = EnableLostMode(message=case.message, phone_number=case.phone, footnote=case.footnote)
    return send_command(work, actor, tablet, command, required=False)


def send_lift(work: UnitOfWork, actor: Actor, tablet: Tablet, case: LostCase) -> bool:
    """Enqueue the end of lost mode. Returns False for a tablet without enrollment."""
    case.next_attempt_at = work.now + RESULT_TIMEOUT
    return send_command(work, actor, tablet, DisableLostMode(), required=False)


def retry_case(work: UnitOfWork, actor: Actor, tablet: Tablet, case: LostCase) -> None:
    """Send what the case waits for again, with all waits before it: the lift, or lost mode that is not confirmed."""
    case.attempts = 0
    _send_pending(work, actor, tablet, case)


def record_refusal(work: UnitOfWork, case: LostCase, problem: str | None) -> None:
    """Record that the tablet refused, set the next attempt after a longer wait, and ask whether lost mode is on: a refusal proves neither."""
    case.problem = (problem or "refused")[:200]
    case.next_attempt_at = work.now + RETRY_DELAYS[min(case.attempts, len(RETRY_DELAYS) - 1)]
    case.attempts += 1
    query = DeviceInformation(queries=("IsMDMLostModeEnabled",))
    tablet = work.session.get_one(Tablet, case.tablet_id)
    send_command(work, SYSTEM, tablet, query, required=False, timing=DeliveryOptions(lane=Lane.URGENT))


def record_success(case: LostCase) -> None:
    """Clear what was recorded of refusals."""
    case.problem, case.attempts, case.next_attempt_at = None, 0, None


def retry_due_cases(work: UnitOfWork) -> int:
    """Send the commands of lost cases whose next attempt is due. Returns how many cases were due."""
    cases = LostModeRepository(work.session).list_due_cases(work.now, RETRY_DELAYS[-1], BATCH_SIZE)
    for case in cases:
        tablet = work.session.get_one(Tablet, case.tablet_id)
        _record_undelivered(work, tablet, case)
        _send_pending(work, SYSTEM, tablet, case)
    return len(cases)


def _send_pending(work: UnitOfWork, actor: Actor, tablet: Tablet, case: LostCase) -> None:
    command = _get_pending_command(case)
    if command is None:
        case.next_attempt_at = None
    elif is_command_open(work, tablet, command):
        case.next_attempt_at = work.now + RESULT_TIMEOUT
    elif isinstance(command, DisableLostMode):
        send_lift(work, actor, tablet, case)
    else:
        send_lost_mode(work, actor, tablet, case)


def _get_pending_command(case: LostCase) -> EnableLostMode | DisableLostMode | None:
    """Return the command that the case waits for; None when lost mode is confirmed and no lift was requested."""
    if case.lift_requested_at is not None:
        return DisableLostMode()
    return None if case.confirmed_at is not None else EnableLostMode(message=case.message, phone_number=case.phone)


def _record_undelivered(work: UnitOfWork, tablet: Tablet, case: LostCase) -> None:
    """Record why the last command ended without reaching the tablet: the server refused to deliver it, or it expired."""
    command, channel = _get_pending_command(case), get_enrolled_channel(work, tablet.id)
    if command is None or channel is None:
        return
    last = queue.get_last_command(work, channel.id, command)
    if last is not None and last.state in (CommandState.REJECTED, CommandState.EXPIRED, CommandState.CANCELLED):
        case.problem = (last.state_reason or last.state.value)[:200]
