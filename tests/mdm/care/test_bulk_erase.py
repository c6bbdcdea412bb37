"""Erasing in bulk: an open campaign, two people, half an hour, and each tablet judged anew when it leaves."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from cartable.audit import AuditEvent
from cartable.clock import ManualClock
from cartable.errors import Forbidden, Invalid
from cartable.scope import SYSTEM, Actor, Role, RoleAssignment
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.places.models import Level, Town
from enrollment.rollover import returns
from enrollment.rollover import service as years
from enrollment.tablets import custody
from enrollment.tablets.errors import SamePerson
from enrollment.tablets.models import Condition, Tablet
from mdm.care.erasing import bulk
from mdm.care.erasing.service import set_stop
from mdm.care.errors import BulkNotFound, BulkOver, NotInCampaign, Stopped
from mdm.care.models import LeftOut
from mdm.devices.models import DeviceEnrollment, EnrollmentState
from mdm.queue.models import Command, CommandBody
from tests.support.world import World


def _admin(town: Town) -> Actor:
    return Actor(uuid4(), "admin", (RoleAssignment(Role.TOWN_ADMIN, town.id),))


class June:
    """A town with four leavers: three have given their tablets back, one has not; the campaign is open."""

    def __init__(self, work: UnitOfWork) -> None:
        world = World(work)
        self.town = world.town()
        self.one, self.two = _admin(self.town), _admin(self.town)
        school_class = world.school_class(world.school(self.town), "CM2")
        tablets = [world.tablet(self.town) for _ in range(4)]
        for number, tablet in enumerate(tablets):
            world.lend(tablet, world.pupil(school_class, Level.CM2))
            work.session.add(
                DeviceEnrollment(
                    town_id=self.town.id, tablet_id=tablet.id, channel_key=f"K{number}", udid=f"K{number}", generation=1,
                    state=EnrollmentState.ENROLLED, fingerprint=f"{number:064d}", topic="t", authenticated_at=work.now,
                )
            )  # fmt: skip
        work.session.flush()
        self.rollover = years.preview(work, self.one, self.town.id)
        returns.open_(work, self.one, self.rollover.id)
        for tablet in tablets[:3]:
            custody.take_back(work, SYSTEM, tablet, Condition.WORN, ())
        self.back, self.out = [tablet.id for tablet in tablets[:3]], tablets[3].id


def _erases(work: UnitOfWork) -> set[UUID]:
    statement = (
        select(DeviceEnrollment.tablet_id)
        .join(Command, Command.enrollment_id == DeviceEnrollment.id)
        .join(CommandBody, CommandBody.id == Command.body_id)
        .where(CommandBody.request_type == "EraseDevice")
    )
    return set(work.session.scalars(statement))


def test_two_people_and_half_an_hour(runtime: Runtime, clock: ManualClock) -> None:
    with runtime.open_unit_of_work() as work:
        june = June(work)
        with pytest.raises(NotInCampaign) as refused:
            bulk.ask(work, june.one, june.town.id, [*june.back, june.out], "fin de CM2", "RET-1")
        assert refused.value.details["count"] == 1
        asked = bulk.ask(work, june.one, june.town.id, june.back, "fin de CM2", "RET-1")
        with pytest.raises(SamePerson):
            bulk.approve(work, june.one, asked.id)
        bulk.approve(work, june.two, asked.id)
        assert bulk.send_due(work) == 0
    clock.advance(timedelta(minutes=29))
    with runtime.open_unit_of_work() as work:
        assert (bulk.send_due(work), _erases(work)) == (0, set())
    clock.advance(timedelta(minutes=1))
    with runtime.open_unit_of_work() as work:
        assert bulk.send_due(work) == 3
        assert _erases(work) == set(june.back)
        assert bulk.send_due(work) == 0
        with pytest.raises(BulkOver):
            bulk.cancel(work, june.two, asked.id)
        told = work.session.scalars(select(AuditEvent.action).order_by(AuditEvent.id)).all()
        assert [action for action in told if "erase" in action] == [
            "bulk_erase.ask", "bulk_erase.approve", *["tablet.erase_in_bulk"] * 3,
        ]  # fmt: skip


def test_who_cares_for_tablets_may_stop_it_in_time(runtime: Runtime, clock: ManualClock) -> None:
    with runtime.open_unit_of_work() as work:
        june = June(work)
        asked = bulk.ask(work, june.one, june.town.id, june.back, "fin de CM2", "RET-1")
        bulk.approve(work, june.two, asked.id)
        helpdesk = Actor(uuid4(), "h", (RoleAssignment(Role.HELPDESK, june.town.id),))
        bulk.cancel(work, helpdesk, asked.id)
        with pytest.raises(BulkOver):
            bulk.approve(work, june.two, asked.id)
    clock.advance(timedelta(hours=1))
    with runtime.open_unit_of_work() as work:
        assert (bulk.send_due(work), _erases(work)) == (0, set())


def test_each_tablet_is_judged_anew_when_the_orders_leave(runtime: Runtime, clock: ManualClock) -> None:
    with runtime.open_unit_of_work() as work:
        june = June(work)
        asked = bulk.ask(work, june.one, june.town.id, june.back, "fin de CM2", "RET-1")
        bulk.approve(work, june.two, asked.id)
        kept, gone, good = (work.session.get_one(Tablet, each) for each in june.back)
        kept.evidence_hold = True
        channel = work.session.scalars(select(DeviceEnrollment).where(DeviceEnrollment.tablet_id == gone.id)).one()
        channel.state = EnrollmentState.CHECKED_OUT
    clock.advance(timedelta(minutes=31))
    with runtime.open_unit_of_work() as work:
        assert bulk.send_due(work) == 1
        assert _erases(work) == {good.id}
        _, lines = bulk.view(work, june.one, asked.id)
        assert {tablet.id: why for tablet, why in lines} == {
            kept.id: LeftOut.EVIDENCE_HOLD, gone.id: LeftOut.NOT_ENROLLED, good.id: None,
        }  # fmt: skip


def test_the_switch_and_the_end_of_the_campaign_stop_it(runtime: Runtime, clock: ManualClock) -> None:
    with runtime.open_unit_of_work() as work:
        june = June(work)
        asked = bulk.ask(work, june.one, june.town.id, june.back, "fin de CM2", "RET-1")
        bulk.approve(work, june.two, asked.id)
        set_stop(work, june.one, june.town.id, "odd", stopped=True)
        with pytest.raises(Stopped):
            bulk.ask(work, june.one, june.town.id, june.back, "again", "RET-2")
    clock.advance(timedelta(minutes=31))
    with runtime.open_unit_of_work() as work:
        assert bulk.send_due(work) == 0
        returns.close(work, june.one, june.rollover.id)
        set_stop(work, june.one, june.town.id, "", stopped=False)
        assert bulk.send_due(work) == 0
        assert {why for _, why in bulk.view(work, june.one, asked.id)[1]} == {LeftOut.NOT_RETURNED}
        with pytest.raises(NotInCampaign):
            bulk.ask(work, june.one, june.town.id, june.back, "too late", "RET-3")


def test_who_may_not(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        june = June(work)
        technician = Actor(uuid4(), "t", (RoleAssignment(Role.TECHNICIAN, june.town.id),))
        with pytest.raises(Forbidden):
            bulk.ask(work, technician, june.town.id, june.back, "no", "X")
        with pytest.raises(Invalid):
            bulk.ask(work, june.one, june.town.id, [], "no", "X")
        asked = bulk.ask(work, june.one, june.town.id, june.back, "fin de CM2", "RET-1")
        stranger = _admin(World(work).town())
        for act in (bulk.approve, bulk.cancel, bulk.view):
            with pytest.raises(BulkNotFound):
                act(work, stranger, asked.id)
        with pytest.raises(Forbidden):
            bulk.listed(work, stranger, june.town.id)
        assert [row.id for row in bulk.listed(work, technician, june.town.id)] == [asked.id]
