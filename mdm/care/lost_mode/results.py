"""Applies the results of commands to lost cases. A request and its confirmation are stored apart."""

from __future__ import annotations

import json

from cartable.unit_of_work import UnitOfWork
from enrollment.tablets import service as tablets
from enrollment.tablets.models import Tablet
from mdm.care.lost_mode import attempts, service
from mdm.care.lost_mode.models import LostCase
from mdm.care.lost_mode.repository import LostModeRepository
from mdm.protocol.commands.queries import DeviceInformation
from mdm.protocol.commands.security import DeviceLocation, DisableLostMode, EnableLostMode, Position
from mdm.queue.results import CommandWithResult, HandlerTable


def _lock_case(work: UnitOfWork, outcome: CommandWithResult) -> LostCase | None:
    """Return the open case that the result concerns, locked; None also for a result from before the loss."""
    case = LostModeRepository(work.session).lock_open_case(outcome.tablet_id)
    return None if case is None or _is_older(work, outcome, case) else case


def _is_older(work: UnitOfWork, outcome: CommandWithResult, case: LostCase) -> bool:
    """Return whether a result is from before the loss. With a loss in the future, stored by a clock that was ahead, nothing is."""
    return outcome.received_at < case.requested_at <= work.now


def handle_enable_lost_mode(work: UnitOfWork, outcome: CommandWithResult) -> None:
    """Record that lost mode is on; a refusal is shown, and the command sent again."""
    if (case := _lock_case(work, outcome)) is None:
        return
    if outcome.succeeded:
        _confirm_lost_mode(case, outcome)
    elif case.lift_requested_at is None and case.confirmed_at is None:
        attempts.record_refusal(work, case, outcome.error)


def handle_disable_lost_mode(work: UnitOfWork, outcome: CommandWithResult) -> None:
    """Close a lifted case; a refusal is shown, and the command sent again."""
    if (case := _lock_case(work, outcome)) is None:
        return
    if outcome.succeeded:
        _close_lifted_case(work, case)
    elif case.lift_requested_at is not None:
        attempts.record_refusal(work, case, outcome.error)


def handle_device_location(work: UnitOfWork, outcome: CommandWithResult) -> None:
    """Answer the approved position requests of the case."""
    if (case := _lock_case(work, outcome)) is not None:
        _record_position(work, case, outcome)


def handle_device_information(work: UnitOfWork, outcome: CommandWithResult) -> None:
    """Compare what the tablet reports of lost mode with the case; open one for a tablet in lost mode that has none."""
    if not outcome.succeeded or not isinstance(outcome.result, dict):
        return
    enabled = outcome.result.get("IsMDMLostModeEnabled")
    case = LostModeRepository(work.session).lock_open_case(outcome.tablet_id)
    if case is None:
        _open_unreported_case(work, outcome, enabled)
    elif not _is_older(work, outcome, case):
        _apply_reported_status(work, case, outcome, enabled)


def _open_unreported_case(work: UnitOfWork, outcome: CommandWithResult, enabled: object) -> None:
    """Open a case for a tablet that is in lost mode without one, unless it reported that before its last case was lifted."""
    lifted_at = LostModeRepository(work.session).get_last_lift(outcome.tablet_id)
    if enabled is not True or (lifted_at is not None and outcome.received_at <= lifted_at):
        return
    tablet = tablets.lock_tablet(work, work.session.get_one(Tablet, outcome.tablet_id))
    if LostModeRepository(work.session).get_open_case(tablet.id) is None:
        service.open_case_found_on_tablet(work, tablet)


def _confirm_lost_mode(case: LostCase, outcome: CommandWithResult) -> None:
    if case.confirmed_at is None:
        case.confirmed_at = outcome.received_at
    if case.lift_requested_at is None:
        attempts.record_success(case)


def _close_lifted_case(work: UnitOfWork, case: LostCase) -> None:
    if case.lift_requested_at is not None:
        service.close_case(work, case, tablets.lock_tablet(work, work.session.get_one(Tablet, case.tablet_id)))


def _apply_reported_status(work: UnitOfWork, case: LostCase, outcome: CommandWithResult, enabled: object) -> None:
    """Apply what the tablet reports of lost mode; a report counts for more than an acknowledgement."""
    if enabled is True:
        _confirm_lost_mode(case, outcome)
    elif enabled is False and case.lift_requested_at is not None:
        if outcome.received_at >= case.lift_requested_at:
            _close_lifted_case(work, case)
    elif enabled is False and case.confirmed_at is not None and outcome.received_at > case.confirmed_at:
        service.reapply_lost_mode(work, case.tablet_id)  # lost mode ended without a command of ours


def _record_position(work: UnitOfWork, case: LostCase, outcome: CommandWithResult) -> None:
    for request in LostModeRepository(work.session).list_open_requests_of_case(case.id):
        if request.approved_at is None or request.expires_at <= outcome.received_at:
            continue
        if isinstance(outcome.result, Position):
            position = outcome.result
            request.answered_at = outcome.received_at
            request.position = json.dumps(
                {
                    "latitude": position.latitude,
                    "longitude": position.longitude,
                    "accuracy_m": position.horizontal_accuracy,
                    "at": position.at,
                }
            )
        else:
            request.failure_reason = (outcome.error or "no position")[:200]


HANDLERS: HandlerTable = {
    EnableLostMode: (handle_enable_lost_mode,),
    DisableLostMode: (handle_disable_lost_mode,),
    DeviceLocation: (handle_device_location,),
    DeviceInformation: (handle_device_information,),
}
