"""Bulk erase: an open campaign, two people, a delay, and a check of each tablet when the commands are sent."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from cartable.audit import AuditEvent
from cartable.clock import ManualClock
from cartable.errors import Forbidden, Invalid, SamePerson
from cartable.scope import SYSTEM, Actor, Role
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.places.models import Grade, Town
from enrollment.rollover import drafting, returns
from enrollment.safeguards import stop_switch
from enrollment.safeguards.errors import DestructiveCommandsStopped
from enrollment.tablets import custody
from enrollment.tablets.models import Condition, Tablet
from mdm.care.erasing import bulk
from mdm.care.erasing.errors import BulkEraseEnded, BulkEraseNotFound, NotInReturnCampaign
from mdm.care.erasing.models import SkipReason
from mdm.care.erasing.rules import STAGE_INTERVAL, count_next_stage
from mdm.devices.models import DeviceEnrollment, EnrollmentState
from mdm.queue.models import CommandBody, QueuedCommand
from tests.support.returns import open_return_campaign
from tests.support.world import TownFactory, create_actor


def _admin(town: Town) -> Actor:
    return create_actor(Role.TOWN_ADMIN, town, name="admin")


class ReturnCampaign:
    """A town with an open return campaign and leavers, of whom all but one have returned their tablets."""

    def __init__(self, work: UnitOfWork, returned: int = 3) -> None:
        world = TownFactory(work)
        self.town = world.create_town()
        self.requester, self.approver = _admin(self.town), _admin(self.town)
        school_class = world.create_class(world.create_school(self.town), "CM2")
        tablets = [world.create_tablet(self.town) for _ in range(returned + 1)]
        for tablet in tablets:
            world.lend_tablet(tablet, world.create_pupil(school_class, Grade.CM2))
            world.enroll_tablet(tablet)
        self.rollover = drafting.preview_rollover(work, self.requester, self.town.id)
        open_return_campaign(work, self.requester, self.rollover)
        for tablet in tablets[:returned]:
            custody.take_back(work, SYSTEM, tablet, Condition.WORN, ())
        self.returned_ids, self.lent_id = [tablet.id for tablet in tablets[:returned]], tablets[returned].id


def _list_erased_tablets(work: UnitOfWork) -> set[UUID]:
    statement = (
        select(DeviceEnrollment.tablet_id)
        .join(QueuedCommand, QueuedCommand.enrollment_id == DeviceEnrollment.id)
        .join(CommandBody, CommandBody.id == QueuedCommand.body_id)
        .where(CommandBody.request_type == "EraseDevice")
    )
    return set(work.session.scalars(statement))


def test_bulk_erase_needs_two_people_and_a_delay(runtime: Runtime, clock: ManualClock) -> None:
    with runtime.open_unit_of_work() as work:
        campaign = ReturnCampaign(work)
        with pytest.raises(NotInReturnCampaign) as error:
            bulk.request_bulk_erase(
                work, campaign.requester, campaign.town.id, [*campaign.returned_ids, campaign.lent_id], "fin de CM2", "RET-1"
            )
        assert error.value.details["count"] == 1
        requested = bulk.request_bulk_erase(
            work, campaign.requester, campaign.town.id, campaign.returned_ids, "fin de CM2", "RET-1"
        )
        with pytest.raises(SamePerson):
            bulk.approve_bulk_erase(work, campaign.requester, requested.id)
        bulk.approve_bulk_erase(work, campaign.approver, requested.id)
        assert bulk.send_due_bulk_erases(work) == 0
    clock.advance(timedelta(minutes=29))
    with runtime.open_unit_of_work() as work:
        assert (bulk.send_due_bulk_erases(work), _list_erased_tablets(work)) == (0, set())
    clock.advance(timedelta(minutes=1))
    with runtime.open_unit_of_work() as work:
        assert bulk.send_due_bulk_erases(work) == 3
        assert _list_erased_tablets(work) == set(campaign.returned_ids)
        assert bulk.send_due_bulk_erases(work) == 0
        with pytest.raises(BulkEraseEnded):
            bulk.cancel_bulk_erase(work, campaign.approver, requested.id)
        actions = work.session.scalars(select(AuditEvent.action).order_by(AuditEvent.id)).all()
        assert [action for action in actions if "erase" in action] == [
            "bulk_erase.request", "alarm.bulk_erase_requested", "bulk_erase.approve", "alarm.bulk_erase_approved", *["tablet.erase_in_bulk"] * 3,
        ]  # fmt: skip


def test_helpdesk_may_cancel_before_it_is_sent(runtime: Runtime, clock: ManualClock) -> None:
    with runtime.open_unit_of_work() as work:
        campaign = ReturnCampaign(work)
        requested = bulk.request_bulk_erase(
            work, campaign.requester, campaign.town.id, campaign.returned_ids, "fin de CM2", "RET-1"
        )
        bulk.approve_bulk_erase(work, campaign.approver, requested.id)
        helpdesk = create_actor(Role.HELPDESK, campaign.town)
        bulk.cancel_bulk_erase(work, helpdesk, requested.id)
        with pytest.raises(BulkEraseEnded):
            bulk.approve_bulk_erase(work, campaign.approver, requested.id)
    clock.advance(timedelta(hours=1))
    with runtime.open_unit_of_work() as work:
        assert (bulk.send_due_bulk_erases(work), _list_erased_tablets(work)) == (0, set())


def test_each_tablet_is_checked_again_when_commands_are_sent(runtime: Runtime, clock: ManualClock) -> None:
    with runtime.open_unit_of_work() as work:
        campaign = ReturnCampaign(work)
        requested = bulk.request_bulk_erase(
            work, campaign.requester, campaign.town.id, campaign.returned_ids, "fin de CM2", "RET-1"
        )
        bulk.approve_bulk_erase(work, campaign.approver, requested.id)
        under_hold, checked_out, erasable = (work.session.get_one(Tablet, tablet_id) for tablet_id in campaign.returned_ids)
        under_hold.evidence_hold = True
        channel = work.session.scalars(select(DeviceEnrollment).where(DeviceEnrollment.tablet_id == checked_out.id)).one()
        channel.state = EnrollmentState.CHECKED_OUT
    clock.advance(timedelta(minutes=31))
    with runtime.open_unit_of_work() as work:
        assert bulk.send_due_bulk_erases(work) == 1
        assert _list_erased_tablets(work) == {erasable.id}
        _, lines = bulk.get_bulk_erase(work, campaign.requester, requested.id)
        assert {tablet.id: line.skip_reason for line, tablet in lines} == {
            under_hold.id: SkipReason.EVIDENCE_HOLD, checked_out.id: SkipReason.NOT_ENROLLED, erasable.id: None,
        }  # fmt: skip


def test_many_tablets_go_by_stages_and_what_remains_is_cancelled_or_stopped(runtime: Runtime, clock: ManualClock) -> None:
    with runtime.open_unit_of_work() as work:
        campaign = ReturnCampaign(work, returned=130)
        requested = bulk.request_bulk_erase(work, campaign.requester, campaign.town.id, campaign.returned_ids, "CM2", "RET-1")
        bulk.approve_bulk_erase(work, campaign.approver, requested.id)
    clock.advance(bulk.DELAY)
    for expected in (10, 0):
        with runtime.open_unit_of_work() as work:
            assert bulk.send_due_bulk_erases(work) == expected, "ten tablets first, and no more before the next stage"
    clock.advance(STAGE_INTERVAL)
    with runtime.open_unit_of_work() as work:
        stop_switch.stop(work, create_actor(Role.HELPDESK, campaign.town), campaign.town.id, "what is this?")
        assert bulk.send_due_bulk_erases(work) == 0
        stop_switch.request_release(work, campaign.requester, campaign.town.id, "it is June")
        stop_switch.approve_release(work, campaign.approver, campaign.town.id)
        assert bulk.send_due_bulk_erases(work) == 100
    clock.advance(STAGE_INTERVAL)
    with runtime.open_unit_of_work() as work:
        bulk.cancel_bulk_erase(work, create_actor(Role.HELPDESK, campaign.town), requested.id)
        assert (bulk.send_due_bulk_erases(work), len(_list_erased_tablets(work))) == (0, 110)


@given(total=st.integers(0, 5000))
def test_stages_end_and_reach_every_tablet(total: int) -> None:
    decided, stages = 0, []
    while decided < total:
        stages.append(count_next_stage(decided, total - decided))
        decided += stages[-1]
    assert decided == total
    assert len(stages) <= 3
    assert not stages or stages[0] <= 10


def test_stop_switch_and_end_of_campaign_prevent_it(runtime: Runtime, clock: ManualClock) -> None:
    with runtime.open_unit_of_work() as work:
        campaign = ReturnCampaign(work)
        requested = bulk.request_bulk_erase(
            work, campaign.requester, campaign.town.id, campaign.returned_ids, "fin de CM2", "RET-1"
        )
        bulk.approve_bulk_erase(work, campaign.approver, requested.id)
        stop_switch.stop(work, campaign.requester, campaign.town.id, "odd")
        with pytest.raises(DestructiveCommandsStopped):
            bulk.request_bulk_erase(work, campaign.requester, campaign.town.id, campaign.returned_ids, "again", "RET-2")
    clock.advance(timedelta(minutes=31))
    with runtime.open_unit_of_work() as work:
        assert bulk.send_due_bulk_erases(work) == 0
        returns.close_campaign(work, campaign.requester, campaign.rollover.id)
        stop_switch.request_release(work, campaign.requester, campaign.town.id, "a false alarm")
        stop_switch.approve_release(work, campaign.approver, campaign.town.id)
        assert bulk.send_due_bulk_erases(work) == 0
        assert {line.skip_reason for line, _ in bulk.get_bulk_erase(work, campaign.requester, requested.id)[1]} == {
            SkipReason.NOT_RETURNED
        }
        with pytest.raises(NotInReturnCampaign):
            bulk.request_bulk_erase(work, campaign.requester, campaign.town.id, campaign.returned_ids, "too late", "RET-3")


def test_other_roles_and_towns_may_not_erase(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        campaign = ReturnCampaign(work)
        technician = create_actor(Role.TECHNICIAN, campaign.town)
        with pytest.raises(Forbidden):
            bulk.request_bulk_erase(work, technician, campaign.town.id, campaign.returned_ids, "no", "X")
        with pytest.raises(Invalid):
            bulk.request_bulk_erase(work, campaign.requester, campaign.town.id, [], "no", "X")
        requested = bulk.request_bulk_erase(
            work, campaign.requester, campaign.town.id, campaign.returned_ids, "fin de CM2", "RET-1"
        )
        stranger = _admin(TownFactory(work).create_town())
        for function in (bulk.approve_bulk_erase, bulk.cancel_bulk_erase, bulk.get_bulk_erase):
            with pytest.raises(BulkEraseNotFound):
                function(work, stranger, requested.id)
        with pytest.raises(Forbidden):
            bulk.list_bulk_erases(work, stranger, campaign.town.id)
        assert [row.id for row in bulk.list_bulk_erases(work, technician, campaign.town.id).items] == [requested.id]
