"""Refused rules and lost mode when two sessions meet: two people at once, a person and the tablet, a lift and another attempt."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from cartable.clock import ManualClock
from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime
from mdm.care import retries
from mdm.care.lost_mode import service
from mdm.care.lost_mode.repository import LostModeRepository
from mdm.reconcile.models import ProfileState
from tests.mdm.reconcile.enrolled_tablet import REFUSAL, EnrolledTablet


def refuse(_command: dict[str, Any]) -> dict[str, Any]:
    return REFUSAL


@pytest.fixture
def tablet(runtime: Runtime, clock: ManualClock) -> EnrolledTablet:
    """A tablet without declarations."""
    return EnrolledTablet(runtime, clock, os_version="16.7.10")


def at_once(*actions: Callable[[], object]) -> None:
    """Run these actions in sessions of their own at the same time; none may fail."""
    with ThreadPoolExecutor(len(actions)) as pool:
        for each in [pool.submit(action) for action in actions]:
            each.result(timeout=30)


def retry_rules(tablet: EnrolledTablet) -> None:
    with tablet.runtime.open_unit_of_work() as work:
        retries.retry_rules(work, SYSTEM, tablet.tablet_id)


def retry_lost_mode(tablet: EnrolledTablet) -> None:
    with tablet.runtime.open_unit_of_work() as work:
        service.retry_lost_mode(work, SYSTEM, tablet.tablet_id)


def request_lift(tablet: EnrolledTablet) -> None:
    with tablet.runtime.open_unit_of_work() as work:
        service.request_lift(work, SYSTEM, tablet.tablet_id, "found", called_back=True)


def refuse_lost_mode(tablet: EnrolledTablet) -> None:
    """Report the tablet as lost, and let it refuse."""
    tablet.connect()
    tablet.answers["EnableLostMode"] = refuse
    with tablet.runtime.open_unit_of_work() as work:
        service.mark_lost(work, SYSTEM, tablet.tablet_id, "left on the bus")
    tablet.connect()
    del tablet.answers["EnableLostMode"]


def test_two_people_who_have_rules_tried_again_send_them_once(tablet: EnrolledTablet) -> None:
    tablet.answers["InstallProfile"] = refuse
    tablet.connect()
    del tablet.answers["InstallProfile"]
    before = tablet.received.count("InstallProfile")
    at_once(lambda: retry_rules(tablet), lambda: retry_rules(tablet))
    tablet.connect()
    assert tablet.received.count("InstallProfile") == before + 1
    row = tablet.load_profile()
    assert row is not None
    assert (row.state, row.attempts) == (ProfileState.VERIFIED, 0)


def test_rules_are_tried_again_while_the_tablets_refusal_is_recorded(tablet: EnrolledTablet) -> None:
    """Whoever comes second, the rules are sent again without waiting for long."""
    tablet.answers["InstallProfile"] = refuse
    tablet.run_worker()
    tablet.converse()  # the refusal is stored, and not applied yet
    at_once(lambda: retry_rules(tablet), tablet.run_worker)
    del tablet.answers["InstallProfile"]
    tablet.wait(minutes=1, seconds=1)
    assert tablet.holds_policy_profile()
    row = tablet.load_profile()
    assert row is not None
    assert row.state is ProfileState.VERIFIED


def test_two_people_who_have_lost_mode_tried_again_send_it_once(tablet: EnrolledTablet) -> None:
    refuse_lost_mode(tablet)
    before = tablet.received.count("EnableLostMode")
    at_once(lambda: retry_lost_mode(tablet), lambda: retry_lost_mode(tablet))
    tablet.connect()
    assert (tablet.received.count("EnableLostMode"), tablet.lost_mode) == (before + 1, True)


@pytest.mark.parametrize("is_lift_first", [True, False])
def test_a_lift_holds_against_another_attempt_at_the_same_time(tablet: EnrolledTablet, is_lift_first: bool) -> None:
    refuse_lost_mode(tablet)
    tablet.lost_mode = True  # it is on, although the tablet has refused the second order
    actions = [lambda: request_lift(tablet), lambda: retry_lost_mode(tablet)]
    at_once(*(actions if is_lift_first else reversed(actions)))
    tablet.connect()
    assert tablet.lost_mode is False, "a child that was found must not be locked out again"
    with tablet.runtime.open_unit_of_work() as work:
        assert LostModeRepository(work.session).get_open_case(tablet.tablet_id) is None


def test_lost_mode_is_tried_again_while_the_tablet_confirms_it(tablet: EnrolledTablet) -> None:
    refuse_lost_mode(tablet)
    retry_lost_mode(tablet)
    tablet.converse()  # it is on now, and the result is not applied yet
    assert tablet.lost_mode
    at_once(lambda: retry_lost_mode(tablet), tablet.run_worker)
    tablet.connect()
    with tablet.runtime.open_unit_of_work() as work:
        case = LostModeRepository(work.session).get_open_case(tablet.tablet_id)
        assert case is not None
        assert (case.confirmed_at is not None, case.problem, case.next_attempt_at) == (True, None, None)
