"""Two people change lost mode of one tablet at the same time: one change wins, the other is refused or changes nothing more."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

import pytest
from sqlalchemy import func, select

from cartable.clock import ManualClock
from cartable.errors import Conflict
from cartable.scope import Actor, Role
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.places.models import Town
from enrollment.safeguards.models import BudgetEntry
from enrollment.tablets import recovery
from enrollment.tablets.models import Condition, Incident, Tablet, TabletState
from mdm.care.lost_mode import positions, service
from mdm.care.lost_mode.errors import TabletNotLost
from mdm.care.lost_mode.models import LostCase, PositionRequest
from mdm.care.lost_mode.recovery import recover_device
from tests.mdm.reconcile.enrolled_tablet import EnrolledTablet
from tests.support.concurrency import run_overlapping
from tests.support.world import create_actor


class LossDesk:
    """A tablet, and two people of its town who change lost mode."""

    def __init__(self, runtime: Runtime, clock: ManualClock) -> None:
        self.runtime, self.device = runtime, EnrolledTablet(runtime, clock)
        self.device.connect()
        self.device.received.clear()
        with runtime.open_unit_of_work() as work:
            row = work.session.get_one(Tablet, self.device.tablet_id)
            town = work.session.get_one(Town, row.town_id)
            self.tablet_id, self.town_id, self.tag = row.id, town.id, row.tag
        self.one, self.other = (create_actor(Role.TOWN_ADMIN, town, name=name) for name in ("one", "other"))
        self.helpdesk = create_actor(Role.HELPDESK, town)

    def mark_lost(self, work: UnitOfWork, actor: Actor | None = None) -> UUID:
        return service.mark_lost(work, actor or self.one, self.tablet_id, "left on the bus").id

    def request_lift(self, work: UnitOfWork, actor: Actor | None = None) -> UUID:
        return service.request_lift(work, actor or self.other, self.tablet_id, "it is here", called_back=True).id

    def mark_found(self, work: UnitOfWork, actor: Actor | None = None) -> TabletState:
        return recovery.mark_found(
            work, actor or self.one, self.town_id, self.tag, Condition.GOOD, recover_device=recover_device
        ).state

    def request_position(self, work: UnitOfWork, actor: Actor | None = None) -> UUID:
        return positions.request_position(work, actor or self.helpdesk, self.tablet_id, "stolen from a car").id

    def lose(self) -> None:
        """Mark the tablet lost, and let it confirm."""
        with self.runtime.open_unit_of_work() as work:
            self.mark_lost(work)
        self.device.connect()
        assert self.device.lost_mode

    def count(self, model: type[LostCase | Incident | BudgetEntry | PositionRequest]) -> int:
        with self.runtime.open_unit_of_work() as work:
            return work.session.scalar(select(func.count()).select_from(model)) or 0

    def count_delivered(self) -> Counter[str]:
        self.device.connect()
        return Counter(self.device.received)


@pytest.fixture
def desk(runtime: Runtime, clock: ManualClock) -> LossDesk:
    return LossDesk(runtime, clock)


def test_two_people_mark_one_tablet_lost(desk: LossDesk) -> None:
    first, second = run_overlapping(
        desk.runtime, lambda work: desk.mark_lost(work, desk.one), lambda work: desk.mark_lost(work, desk.other)
    )
    assert first == second, "both are answered with the one open case"
    assert (desk.count(LostCase), desk.count(Incident), desk.count_delivered()["EnableLostMode"]) == (1, 1, 1)


def test_two_people_lift_lost_mode(desk: LossDesk) -> None:
    desk.lose()
    first, second = run_overlapping(
        desk.runtime, lambda work: desk.request_lift(work, desk.one), lambda work: desk.request_lift(work, desk.other)
    )
    assert first == second
    assert (desk.count(BudgetEntry), desk.count_delivered()["DisableLostMode"]) == (1, 1)
    assert not desk.device.lost_mode


def test_a_loss_is_reported_again_while_it_is_lifted(desk: LossDesk) -> None:
    desk.lose()
    _, refusal = run_overlapping(desk.runtime, desk.request_lift, desk.mark_lost)
    assert isinstance(refusal, Conflict)
    assert desk.count_delivered()["EnableLostMode"] == 1
    assert not desk.device.lost_mode


def test_a_lift_follows_a_loss_at_once(desk: LossDesk) -> None:
    first, second = run_overlapping(desk.runtime, desk.mark_lost, desk.request_lift)
    assert first == second
    desk.device.connect()
    assert not desk.device.lost_mode
    assert desk.count(LostCase) == 1


def test_two_people_scan_a_lost_tablet(desk: LossDesk) -> None:
    desk.lose()
    assert run_overlapping(desk.runtime, desk.mark_found, lambda work: desk.mark_found(work, desk.other)) == (
        TabletState.FOUND, TabletState.FOUND,
    )  # fmt: skip
    assert desk.count_delivered()["DisableLostMode"] == 1


@pytest.mark.parametrize("is_scan_first", [True, False])
def test_a_lost_tablet_is_scanned_while_lost_mode_is_lifted(desk: LossDesk, is_scan_first: bool) -> None:
    desk.lose()
    acts = (desk.mark_found, desk.request_lift) if is_scan_first else (desk.request_lift, desk.mark_found)
    run_overlapping(desk.runtime, *acts)
    assert (desk.count_delivered()["DisableLostMode"], desk.device.lost_mode) == (1, False)


def test_a_lost_tablet_is_scanned_while_it_is_reported(desk: LossDesk) -> None:
    assert run_overlapping(desk.runtime, desk.mark_lost, desk.mark_found)[1] is TabletState.FOUND
    desk.device.connect()
    assert not desk.device.lost_mode


def test_two_people_request_a_position(desk: LossDesk) -> None:
    desk.lose()
    first, second = run_overlapping(desk.runtime, desk.request_position, lambda work: desk.request_position(work, desk.other))
    assert first == second
    assert desk.count(PositionRequest) == 1


def test_two_people_approve_a_position(desk: LossDesk) -> None:
    desk.lose()
    request_id = _request_position(desk)
    approvers = run_overlapping(
        desk.runtime,
        lambda work: positions.approve_position(work, desk.one, request_id).approved_by,
        lambda work: positions.approve_position(work, desk.other, request_id).approved_by,
    )
    assert approvers == (desk.one.account_id, desk.one.account_id)
    assert desk.count_delivered()["DeviceLocation"] == 1


def test_no_position_is_approved_while_lost_mode_is_lifted(desk: LossDesk) -> None:
    desk.lose()
    request_id = _request_position(desk)
    _, refusal = run_overlapping(
        desk.runtime, desk.request_lift, lambda work: positions.approve_position(work, desk.one, request_id)
    )
    assert isinstance(refusal, TabletNotLost)
    assert desk.count_delivered()["DeviceLocation"] == 0


def test_no_position_is_requested_while_lost_mode_is_lifted(desk: LossDesk) -> None:
    desk.lose()
    _, refusal = run_overlapping(desk.runtime, desk.request_lift, desk.request_position)
    assert isinstance(refusal, TabletNotLost)


def _request_position(desk: LossDesk) -> UUID:
    with desk.runtime.open_unit_of_work() as work:
        return desk.request_position(work)
