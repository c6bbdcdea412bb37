"""Summer: nobody is missed over the holidays, carts are put away without alarms and come back checked."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from cartable.audit import AuditEvent
from cartable.clock import ManualClock
from cartable.errors import Forbidden
from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.places.models import Grade
from enrollment.tablets import storage
from enrollment.tablets.models import Cart, CartSlot, Tablet, TabletState
from enrollment.tablets.storage import ReadinessProblem
from mdm.devices.models import DeviceEnrollment, LastSeen
from mdm.worker.schedule import update_absences
from profiles.schedule import authoring
from tests.enrollment.rollover.school_year import RolloverTown, school_day, set_clock
from tests.support.custody import check_readiness, return_ready_tablets
from tests.support.world import TownFactory


def _record_contact(work: UnitOfWork, tablet: Tablet) -> None:
    """A contact of this moment."""
    channel = work.session.scalar(select(DeviceEnrollment).where(DeviceEnrollment.tablet_id == tablet.id))
    if channel is None:
        channel = TownFactory(work).enroll_tablet(tablet)
    work.session.merge(LastSeen(enrollment_id=channel.id, town_id=channel.town_id, last_seen_at=work.now))
    work.session.flush()


def test_nobody_is_missed_over_the_summer(runtime: Runtime, clock: ManualClock) -> None:
    set_clock(clock, school_day(7, 2, 15))
    with runtime.open_unit_of_work() as work:
        town = RolloverTown(work)
        _, tablet = town.with_tablet(town.world.create_class(town.school), Grade.CE1)
        stored = town.world.create_tablet(town.town)
        _record_contact(work, tablet)
        _record_contact(work, stored)
        stored.state = TabletState.STORAGE
    for at in (school_day(7, 20), school_day(8, 31), school_day(9, 1), school_day(9, 10)):
        set_clock(clock, at)
        with runtime.open_unit_of_work() as work:
            assert update_absences(work) == 0, at
    set_clock(clock, school_day(9, 30))
    with runtime.open_unit_of_work() as work:
        assert update_absences(work) == 1
        assert work.session.get_one(Tablet, tablet.id).state is TabletState.ABSENT
        assert work.session.get_one(Tablet, stored.id).state is TabletState.STORAGE, "nobody waits for what is put away"


def test_carts_are_put_away_in_one_act_and_come_back_checked(runtime: Runtime, clock: ManualClock) -> None:
    set_clock(clock, school_day(7, 5))
    with runtime.open_unit_of_work() as work:
        town = RolloverTown(work)
        authoring.save_timetable(work, SYSTEM, town.town.id, None, week={}, calendar="C", night=("20:00", "07:00"))
        _, lent = town.with_tablet(town.world.create_class(town.school), Grade.CE1)
        cart = Cart(town_id=town.town.id, school_id=town.school.id, label="Chariot")
        work.session.add(cart)
        work.session.flush()
        in_cart, in_stock, absent, held = (town.world.create_tablet(town.town, school_id=town.school.id) for _ in range(4))
        work.session.add(CartSlot(town_id=town.town.id, cart_id=cart.id, number=1, tablet_id=in_cart.id))
        in_stock.state, absent.state, held.evidence_hold = TabletState.STOCK, TabletState.ABSENT, True
        work.session.flush()
        assert storage.count_storable(work, town.admin, town.town.id) == 2
        with pytest.raises(Forbidden):
            storage.store_tablets(work, town.create_head(), town.town.id, town.school.id)
        assert storage.store_tablets(work, town.admin, town.town.id, town.other.id) == storage.BatchProgress(0, 0)
        assert storage.store_tablets(work, town.admin, town.town.id) == storage.BatchProgress(2, 0)
        assert {each.state for each in (in_cart, in_stock)} == {TabletState.STORAGE}
        assert lent.state is TabletState.IN_USE, "pupils' tablets stay with them"
        assert work.session.scalar(select(AuditEvent.id).where(AuditEvent.subject_id == str(in_cart.id))) is not None
        in_cart.battery_level, in_stock.battery_level, in_stock.os_version = 0.9, 0.2, "18.6"
    set_clock(clock, school_day(8, 30))
    with runtime.open_unit_of_work() as work:
        town.bind(work)
        problems_by_tablet = {each.tablet.id: each.problems for each in check_readiness(work, town.admin, town.town.id)}
        assert problems_by_tablet == {
            in_cart.id: (ReadinessProblem.NOT_SEEN,),
            in_stock.id: (ReadinessProblem.NOT_SEEN, ReadinessProblem.SYSTEM),
        }
        for tablet in (in_cart, in_stock):
            _record_contact(work, tablet)
        problems_by_tablet = {each.tablet.id: each.problems for each in check_readiness(work, town.admin, town.town.id)}
        assert problems_by_tablet == {in_cart.id: (), in_stock.id: (ReadinessProblem.BATTERY, ReadinessProblem.SYSTEM)}
        assert return_ready_tablets(work, town.admin, town.town.id) == storage.BatchProgress(1, 1)
        assert work.session.get_one(Tablet, in_cart.id).state is TabletState.IN_USE
        ready = work.session.get_one(Tablet, in_stock.id)
        ready.battery_level, ready.os_version = 0.8, "26.1"
        work.session.flush()
        assert return_ready_tablets(work, town.admin, town.town.id) == storage.BatchProgress(1, 0)
        assert ready.state is TabletState.STOCK


def test_a_timetable_that_ends_too_soon_keeps_tablets_away(runtime: Runtime, clock: ManualClock) -> None:
    set_clock(clock, school_day(8, 30))
    with runtime.open_unit_of_work() as work:
        town = RolloverTown(work)
        tablet = town.world.create_tablet(town.town)
        tablet.state, tablet.battery_level = TabletState.STORAGE, 1.0
        _record_contact(work, tablet)
        assert [each.problems for each in check_readiness(work, town.admin, town.town.id)] == [(ReadinessProblem.TIMETABLE,)]
