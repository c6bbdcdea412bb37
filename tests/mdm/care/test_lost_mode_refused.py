"""A lost tablet must not stay open in silence: a refusal of lost mode is told and tried again, and lost mode without a case is shown."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from cartable.clock import ManualClock
from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime
from enrollment.tablets import recovery
from enrollment.tablets.models import Condition, TabletState
from mdm.care.lost_mode import service
from mdm.care.lost_mode.attempts import RETRY_DELAYS
from mdm.care.lost_mode.models import LostCase, LostCaseOrigin
from mdm.care.lost_mode.recovery import recover_device
from mdm.care.lost_mode.repository import LostModeRepository
from mdm.protocol.commands.security import ClearPasscode
from mdm.queue import service as queue
from mdm.queue.models import CommandState, QueuedCommand
from mdm.reconcile.refresh import enqueue_refresh
from tests.mdm.reconcile.enrolled_tablet import EnrolledTablet

REFUSAL = {
    "Status": "Error",
    "ErrorChain": [{"ErrorCode": 12021, "ErrorDomain": "MCMDMErrorDomain", "LocalizedDescription": "not a valid request type"}],
}


@pytest.fixture
def tablet(runtime: Runtime, clock: ManualClock) -> EnrolledTablet:
    tablet = EnrolledTablet(runtime, clock)
    tablet.connect()
    return tablet


def refuse(_command: dict[str, Any]) -> dict[str, Any]:
    return REFUSAL


def load_case(tablet: EnrolledTablet) -> LostCase | None:
    with tablet.runtime.open_unit_of_work() as work:
        case = LostModeRepository(work.session).get_open_case(tablet.tablet_id)
        if case is not None:
            work.session.expunge(case)
        return case


def mark_lost(tablet: EnrolledTablet) -> None:
    with tablet.runtime.open_unit_of_work() as work:
        service.mark_lost(work, SYSTEM, tablet.tablet_id, "left on the bus")


def request_lift(tablet: EnrolledTablet) -> None:
    with tablet.runtime.open_unit_of_work() as work:
        service.request_lift(work, SYSTEM, tablet.tablet_id, "found", called_back=True)


def report_lost_mode(tablet: EnrolledTablet) -> None:
    """Have the tablet asked for device information, as once a day, and let it answer."""
    with tablet.runtime.open_unit_of_work() as work:
        enqueue_refresh(work, [tablet.tablet_id])
    tablet.connect()


def test_refused_lost_mode_is_told_and_tried_again(tablet: EnrolledTablet) -> None:
    tablet.answers["EnableLostMode"] = refuse
    mark_lost(tablet)
    tablet.connect()
    case = load_case(tablet)
    assert case is not None
    assert (case.confirmed_at, case.attempts) == (None, 1)
    assert "12021" in (case.problem or "")
    assert case.next_attempt_at == tablet.clock.now() + RETRY_DELAYS[0]
    assert "EnableLostMode" not in tablet.wait(seconds=30)
    del tablet.answers["EnableLostMode"]
    assert "EnableLostMode" in tablet.wait(seconds=31)
    case = load_case(tablet)
    assert case is not None
    assert case.confirmed_at is not None
    assert (case.problem, case.attempts, case.next_attempt_at) == (None, 0, None)


def test_a_passcode_that_was_to_be_cleared_before_the_loss_stays(tablet: EnrolledTablet) -> None:
    with tablet.runtime.open_unit_of_work() as work:
        queue.enqueue_command(work, SYSTEM, ClearPasscode(unlock_token=b"token"), [tablet.enrollment.id])
    mark_lost(tablet)
    tablet.connect()
    assert "EnableLostMode" in tablet.received
    assert "ClearPasscode" not in tablet.received


def test_lost_mode_is_never_given_up_and_waits_longer_each_time(tablet: EnrolledTablet) -> None:
    tablet.answers["EnableLostMode"] = refuse
    mark_lost(tablet)
    for _ in range(12):
        tablet.wait(hours=6)
    assert 10 <= tablet.received.count("EnableLostMode") <= 13
    del tablet.answers["EnableLostMode"]
    tablet.wait(hours=6)
    assert tablet.lost_mode


def test_a_person_can_have_lost_mode_tried_again_now(tablet: EnrolledTablet) -> None:
    tablet.answers["EnableLostMode"] = refuse
    mark_lost(tablet)
    tablet.connect()
    del tablet.answers["EnableLostMode"]
    with tablet.runtime.open_unit_of_work() as work:
        service.retry_lost_mode(work, SYSTEM, tablet.tablet_id)
    tablet.connect()
    assert tablet.lost_mode


def test_a_refused_lift_is_told_and_tried_again(tablet: EnrolledTablet) -> None:
    mark_lost(tablet)
    tablet.connect()
    tablet.answers["DisableLostMode"] = refuse
    request_lift(tablet)
    tablet.connect()
    case = load_case(tablet)
    assert case is not None
    assert "12021" in (case.problem or "")
    del tablet.answers["DisableLostMode"]
    tablet.wait(minutes=1)
    assert (tablet.lost_mode, load_case(tablet)) == (False, None)


def test_lost_mode_that_the_server_could_not_deliver_is_told_and_tried_again(tablet: EnrolledTablet) -> None:
    mark_lost(tablet)
    with tablet.runtime.open_unit_of_work() as work:
        command = work.session.query(QueuedCommand).filter_by(dedupe_key="EnableLostMode").one()
        command.state, command.state_reason = CommandState.REJECTED, "the tablet is not supervised"
    received = tablet.wait(hours=1)
    assert "EnableLostMode" in received
    case = load_case(tablet)
    assert case is not None
    assert case.confirmed_at is not None


def test_a_tablet_in_lost_mode_without_a_case_is_shown_and_can_be_lifted(tablet: EnrolledTablet) -> None:
    tablet.lost_mode = True  # reported and locked after the backup that was restored
    report_lost_mode(tablet)
    case = load_case(tablet)
    assert case is not None
    assert (case.origin, case.requested_by) == (LostCaseOrigin.FOUND_ON_TABLET, None)
    assert tablet.load_tablet().state is TabletState.IN_USE, "nobody has said that it is lost"
    report_lost_mode(tablet)
    request_lift(tablet)
    tablet.connect()
    assert (tablet.lost_mode, load_case(tablet)) == (False, None)
    assert tablet.load_tablet().state is TabletState.IN_USE


def test_a_scan_lifts_lost_mode_without_a_case(tablet: EnrolledTablet) -> None:
    tablet.lost_mode = True
    report_lost_mode(tablet)
    with tablet.runtime.open_unit_of_work() as work:
        row = tablet.load_tablet()
        recovery.mark_found(work, SYSTEM, row.town_id, row.serial, Condition.GOOD, recover_device=recover_device)
    tablet.connect()
    assert (tablet.lost_mode, load_case(tablet)) == (False, None)


def test_a_loss_that_is_reported_later_takes_the_case_over(tablet: EnrolledTablet) -> None:
    tablet.lost_mode = True
    report_lost_mode(tablet)
    mark_lost(tablet)
    case = load_case(tablet)
    assert case is not None
    assert (case.origin, case.reason) == (LostCaseOrigin.REPORTED, "left on the bus")
    assert tablet.load_tablet().state is TabletState.LOST


def test_a_report_from_before_the_lift_opens_no_case(tablet: EnrolledTablet) -> None:
    mark_lost(tablet)
    tablet.connect()
    with tablet.runtime.open_unit_of_work() as work:
        enqueue_refresh(work, [tablet.tablet_id])
    tablet.converse()  # it answers that it is in lost mode, and the worker has not read it yet
    request_lift(tablet)
    tablet.connect()
    assert load_case(tablet) is None
    tablet.connect()
    assert load_case(tablet) is None


@pytest.mark.parametrize("is_refused", [False, True])
def test_lost_mode_ordered_by_a_clock_that_was_ahead_is_confirmed(
    tablet: EnrolledTablet, clock: ManualClock, is_refused: bool
) -> None:
    clock.jump(timedelta(days=3))  # for so short a time that nothing has noticed it
    mark_lost(tablet)
    if is_refused:
        tablet.answers["EnableLostMode"] = refuse
        tablet.connect()
        del tablet.answers["EnableLostMode"]
    clock.jump(-timedelta(days=3))
    tablet.wait(minutes=1)
    case = load_case(tablet)
    assert case is not None
    assert case.confirmed_at == clock.now()
    assert case.problem is None
