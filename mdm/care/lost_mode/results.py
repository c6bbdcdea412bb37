"""What an answer means for lost cases: confirmed, lifted, found. Asked and confirmed are never the same thing."""

from __future__ import annotations

import json

from cartable.unit_of_work import UnitOfWork
from enrollment.tablets import service as tablets
from enrollment.tablets.models import Tablet
from mdm.care.lost_mode import service
from mdm.care.models import LostCase
from mdm.care.repository import CareRepository
from mdm.devices.models import DeviceEnrollment
from mdm.protocol.commands.queries import DeviceInformation
from mdm.protocol.commands.security import DeviceLocation, DisableLostMode, EnableLostMode, Position
from mdm.queue import service as queue
from mdm.queue.models import CommandState
from mdm.queue.service import AnsweredCommand


def apply(work: UnitOfWork, command_id: int) -> None:
    """Apply one stored answer, if it concerns a lost tablet. Running it twice changes nothing twice."""
    answered = queue.load_answer(work, command_id)
    if answered is None:
        return
    case = CareRepository(work.session).open_case(answered.tablet_id)
    channel = work.session.get(DeviceEnrollment, answered.enrollment_id)
    if case is None or channel is None or channel.generation != answered.generation or answered.received_at < case.requested_at:
        return  # it speaks of a former life, or of a former loss
    good = answered.state is CommandState.ACKNOWLEDGED
    match answered.order:
        case EnableLostMode() if good:
            _confirm(case, answered)
        case DisableLostMode() if good:
            _lifted(work, case)
        case EnableLostMode() | DisableLostMode():
            service.verify_lost_mode(work, answered.tablet_id)
        case DeviceLocation():
            _located(work, case, answered)
        case DeviceInformation() if good and isinstance(answered.result, dict):
            _told(work, case, answered, answered.result.get("IsMDMLostModeEnabled"))
        case _:
            pass


def _confirm(case: LostCase, answered: AnsweredCommand) -> None:
    if case.confirmed_at is None:
        case.confirmed_at = answered.received_at


def _lifted(work: UnitOfWork, case: LostCase) -> None:
    if case.lift_requested_at is not None:
        service.close(work, case, tablets.hold(work, work.session.get_one(Tablet, case.tablet_id)))


def _told(work: UnitOfWork, case: LostCase, answered: AnsweredCommand, enabled: object) -> None:
    """The tablet says itself whether lost mode is on; what it says counts more than what it acknowledged."""
    if enabled is True:
        _confirm(case, answered)
    elif enabled is False and case.lift_requested_at is not None:
        if answered.received_at >= case.lift_requested_at:
            _lifted(work, case)
    elif enabled is False and case.confirmed_at is not None and answered.received_at > case.confirmed_at:
        service.after_enrolment(work, case.tablet_id)  # it has left lost mode without us


def _located(work: UnitOfWork, case: LostCase, answered: AnsweredCommand) -> None:
    for request in CareRepository(work.session).open_requests(case.id):
        if request.approved_at is None or request.expires_at <= answered.received_at:
            continue
        if isinstance(answered.result, Position):
            fix = answered.result
            request.answered_at = answered.received_at
            request.position = json.dumps(
                {"latitude": fix.latitude, "longitude": fix.longitude, "accuracy_m": fix.horizontal_accuracy, "at": fix.at}
            )
        else:
            request.failed_why = (answered.error or "no position")[:200]
