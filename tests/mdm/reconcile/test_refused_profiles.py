"""A tablet without its profile has no rules: refusals are told and tried again, and only the tablet's own list is believed."""

from __future__ import annotations

from typing import Any

import pytest

from cartable.audit import AuditEvent
from cartable.clock import ManualClock
from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime
from mdm.care import overview, retries
from mdm.queue.models import CommandState, QueuedCommand
from mdm.reconcile.models import ProfileReason, ProfileState
from mdm.reconcile.profile_delivery import RETRY_DELAYS
from mdm.reconcile.refresh import enqueue_refresh
from profiles.render.apple import PROFILE_IDENTIFIER
from tests.mdm.reconcile.enrolled_tablet import REFUSAL, EnrolledTablet


@pytest.fixture
def tablet(runtime: Runtime, clock: ManualClock) -> EnrolledTablet:
    """A tablet whose system knows no declarations."""
    return EnrolledTablet(runtime, clock, os_version="16.7.10")


def refuse(_command: dict[str, Any]) -> dict[str, Any]:
    return REFUSAL


def test_a_profile_refused_once_is_sent_again_after_a_wait(tablet: EnrolledTablet) -> None:
    tablet.answers["InstallProfile"] = refuse
    tablet.connect()
    row = tablet.load_profile()
    assert row is not None
    assert (row.state, row.reason, row.attempts) == (ProfileState.FAILED, ProfileReason.REFUSED, 1)
    assert "4001" in (row.problem or "") or "4010" in (row.problem or "")
    assert row.next_attempt_at == tablet.clock.now() + RETRY_DELAYS[0]
    del tablet.answers["InstallProfile"]
    assert "InstallProfile" not in tablet.wait(seconds=30), "not before its time"
    assert "InstallProfile" in tablet.wait(seconds=31)
    row = tablet.load_profile()
    assert row is not None
    assert (row.state, row.attempts, row.next_attempt_at) == (ProfileState.VERIFIED, 0, None)
    assert tablet.holds_policy_profile()


def test_a_profile_refused_again_and_again_waits_longer_and_is_never_given_up(tablet: EnrolledTablet) -> None:
    tablet.answers["InstallProfile"] = refuse
    tablet.connect()
    for _ in range(16):
        tablet.wait(hours=6)
    assert 6 <= tablet.received.count("InstallProfile") <= 10
    del tablet.answers["InstallProfile"]
    tablet.wait(days=1)
    assert tablet.holds_policy_profile()


def test_a_list_without_an_acknowledged_profile_does_not_send_it_in_a_loop(tablet: EnrolledTablet) -> None:
    tablet.answers["InstallProfile"] = lambda _command: {}  # acknowledged, and never there
    for _ in range(6):
        tablet.connect()
    assert tablet.received.count("InstallProfile") <= 2
    row = tablet.load_profile()
    assert row is not None
    assert (row.reason, row.state) == (ProfileReason.MISSING, ProfileState.WAITING)


def test_a_profile_that_disappears_is_sent_again_at_once(tablet: EnrolledTablet) -> None:
    tablet.connect()
    tablet.installed.clear()
    with tablet.runtime.open_unit_of_work() as work:
        enqueue_refresh(work, [tablet.tablet_id])
    assert "InstallProfile" in tablet.wait(seconds=1)
    assert tablet.holds_policy_profile()


def test_an_installation_that_expired_without_a_result_is_sent_again(tablet: EnrolledTablet) -> None:
    with tablet.runtime.open_unit_of_work() as work:
        for command in work.session.query(QueuedCommand):
            command.state = CommandState.EXPIRED
    assert "InstallProfile" in tablet.wait(days=1)
    assert tablet.holds_policy_profile()


def test_a_person_can_have_it_tried_again_now(tablet: EnrolledTablet) -> None:
    tablet.answers["InstallProfile"] = refuse
    tablet.connect()
    for _ in range(3):
        tablet.wait(hours=1)
    del tablet.answers["InstallProfile"]
    assert "InstallProfile" not in tablet.connect()
    with tablet.runtime.open_unit_of_work() as work:
        assert overview.view_tablet(work, SYSTEM, tablet.tablet_id).rules.can_retry
        retries.retry_rules(work, SYSTEM, tablet.tablet_id)
    assert "InstallProfile" in tablet.connect()
    assert tablet.holds_policy_profile()
    with tablet.runtime.open_unit_of_work() as work:
        assert work.session.query(AuditEvent).filter_by(action="tablet.retry_rules").count() == 1
        assert not overview.view_tablet(work, SYSTEM, tablet.tablet_id).rules.can_retry


def test_a_refused_removal_is_not_forgotten(runtime: Runtime, clock: ManualClock) -> None:
    tablet = EnrolledTablet(runtime, clock)
    tablet.answers["RemoveProfile"] = refuse
    tablet.prove()
    tablet.report()
    tablet.connect()
    row = tablet.load_profile()
    assert row is not None
    assert (row.state, row.reason) == (ProfileState.REMOVING, ProfileReason.REMOVAL_REFUSED)
    del tablet.answers["RemoveProfile"]
    assert "RemoveProfile" in tablet.wait(minutes=2)
    assert not tablet.holds_policy_profile()
    assert tablet.load_profile() is None, "the tablet's list has shown that it is gone"


def test_a_removal_that_was_acknowledged_and_not_done_is_tried_again(runtime: Runtime, clock: ManualClock) -> None:
    tablet = EnrolledTablet(runtime, clock)
    tablet.answers["RemoveProfile"] = lambda _command: {}
    tablet.prove()
    tablet.report()
    tablet.connect()
    del tablet.answers["RemoveProfile"]
    assert tablet.holds_policy_profile()
    tablet.wait(minutes=2)
    assert not tablet.holds_policy_profile()


def test_a_profile_of_which_nothing_is_stored_is_removed_when_the_tablet_lists_it(runtime: Runtime, clock: ManualClock) -> None:
    tablet = EnrolledTablet(runtime, clock)
    tablet.prove()
    tablet.report()
    tablet.connect()
    assert tablet.load_profile() is None
    tablet.installed[PROFILE_IDENTIFIER] = "A-FORMER-ONE"
    with runtime.open_unit_of_work() as work:
        enqueue_refresh(work, [tablet.tablet_id])
    assert "RemoveProfile" in tablet.connect()
    assert not tablet.holds_policy_profile()
