"""What an answer means for lost cases: confirmed, lifted, found. Asked and confirmed are never the same thing."""

from __future__ import annotations

import json

from enrollment.tablets.models import Tablet
from mdm.care.repository import CareRepository
from mdm.care.service import close
from mdm.kit.work import Work
from mdm.protocol.commands.queries import DeviceInformation
from mdm.protocol.commands.security import DeviceLocation, DisableLostMode, EnableLostMode, Position
from mdm.queue import service as queue
from mdm.queue.models import CommandState
from mdm.queue.service import AnsweredCommand


def apply(work: Work, command_id: int) -> None:
    """Apply one stored answer, if it concerns a lost tablet."""
    answered = queue.load_answer(work, command_id)
    if answered is None:
        return
    good = answered.state is CommandState.ACKNOWLEDGED
    match answered.order:
        case EnableLostMode() if good:
            _confirm(work, answered)
        case DisableLostMode():
            # An Error says that it was not in lost mode: the end is the same.
            _lifted(work, answered)
        case DeviceLocation():
            _located(work, answered)
        case DeviceInformation() if good and isinstance(answered.result, dict):
            if answered.result.get("IsMDMLostModeEnabled") is True:
                _confirm(work, answered)
        case _:
            pass


def _confirm(work: Work, answered: AnsweredCommand) -> None:
    case = CareRepository(work.session).open_case(answered.tablet_id)
    if case is not None and case.confirmed_at is None:
        case.confirmed_at = answered.received_at


def _lifted(work: Work, answered: AnsweredCommand) -> None:
    case = CareRepository(work.session).open_case(answered.tablet_id)
    if case is not None and case.lift_requested_at is not None:
        close(work, case, work.session.get_one(Tablet, answered.tablet_id))


def _located(work: Work, answered: AnsweredCommand) -> None:
    repository = CareRepository(work.session)
    case = repository.open_case(answered.tablet_id)
    if case is None:
        return
    for request in repository.open_requests(case.id):
        if request.approved_at is None:
            continue
        if isinstance(answered.result, Position):
            fix = answered.result
            request.answered_at = answered.received_at
            request.position = json.dumps(
                {"latitude": fix.latitude, "longitude": fix.longitude, "accuracy_m": fix.horizontal_accuracy, "at": fix.at}
            )
        else:
            request.failed_why = (answered.error or "no position")[:200]
