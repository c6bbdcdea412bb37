"""An erased tablet has no rules, no apps and no proof, and looks so; a tablet that never enrolled is not lost for ever; many losses are told."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from cartable.alarms import Alarm, AlarmKind
from cartable.clock import ManualClock
from cartable.scope import SYSTEM, Role
from cartable.unit_of_work import Runtime
from enrollment.tablets import recovery
from enrollment.tablets.models import Condition, Tablet, TabletState
from mdm.care import overview
from mdm.care.commands import single
from mdm.care.commands.errors import CannotReceiveCommand
from mdm.care.commands.kinds import CommandKind
from mdm.care.erasing import service as erasing
from mdm.care.lost_mode import service as lost_mode
from mdm.care.lost_mode.recovery import recover_device
from mdm.care.lost_mode.service import MANY_LOSSES
from mdm.care.overview_repository import TabletFilter
from mdm.devices import service as devices
from mdm.devices.models import DeviceEnrollment
from mdm.devices.service import get_enrolled_channel
from mdm.queue.models import CommandState
from mdm.reconcile.models import ProfileState
from tests.mdm.reconcile.enrolled_tablet import EnrolledTablet
from tests.support.world import TownFactory, create_actor


@pytest.mark.parametrize("os_version", ["16.7.10", "26.1"], ids=["by profile", "by declarations"])
def test_an_erased_tablet_does_not_look_healthy(runtime: Runtime, clock: ManualClock, os_version: str) -> None:
    tablet = EnrolledTablet(runtime, clock, os_version=os_version)
    tablet.connect()
    if os_version == "26.1":
        tablet.prove()
        tablet.report()
        tablet.run_worker()
    with runtime.open_unit_of_work() as work:
        view = overview.view_tablet(work, SYSTEM, tablet.tablet_id)
        assert (view.rules.state, view.row.erased_at) == (ProfileState.VERIFIED, None)
        assert not overview.list_tablets(work, SYSTEM, TabletFilter(unproved=True)).items
        erasing.erase_tablet(work, SYSTEM, tablet.tablet_id, "back from repair", "INC-1")
    tablet.connect()
    with runtime.open_unit_of_work() as work:
        view = overview.view_tablet(work, SYSTEM, tablet.tablet_id)
        assert (view.rules.state, view.rules.seen_mode, view.row.apps_installed) == (None, None, 0)
        assert view.row.erased_at == clock.now()
        assert [row.tablet.id for row in overview.list_tablets(work, SYSTEM, TabletFilter(erased=True)).items] == [
            tablet.tablet_id
        ]
        assert overview.list_tablets(work, SYSTEM, TabletFilter(unproved=True)).items
        with pytest.raises(CannotReceiveCommand):
            single.give_command(work, SYSTEM, tablet.tablet_id, CommandKind.RESTART)
        enrollment = work.session.get_one(DeviceEnrollment, tablet.enrollment.id)
        devices.start_next_generation(work, enrollment, work.session.get_one(Tablet, tablet.tablet_id), "F" * 64, "t")
        assert not overview.list_tablets(work, SYSTEM, TabletFilter(erased=True)).items


def test_a_tablet_that_speaks_after_its_erase_was_not_erased(runtime: Runtime, clock: ManualClock) -> None:
    tablet = EnrolledTablet(runtime, clock)
    tablet.connect()
    with runtime.open_unit_of_work() as work:
        erasing.erase_tablet(work, SYSTEM, tablet.tablet_id, "back from repair", "INC-1")
    tablet.connect()
    with runtime.open_unit_of_work() as work:
        assert get_enrolled_channel(work, tablet.tablet_id) is None
        enrollment = work.session.get_one(DeviceEnrollment, tablet.enrollment.id)
        devices.record_return(enrollment)
        assert get_enrolled_channel(work, tablet.tablet_id) is not None


@pytest.mark.parametrize("is_scanned", [True, False])
def test_a_stock_tablet_that_never_enrolled_is_not_lost_for_ever(runtime: Runtime, is_scanned: bool) -> None:
    with runtime.open_unit_of_work() as work:
        factory = TownFactory(work)
        town = factory.create_town()
        tablet = factory.create_tablet(town)
        tablet.state = TabletState.STOCK
        helpdesk, technician = create_actor(Role.HELPDESK, town), create_actor(Role.TECHNICIAN, town)
        lost_mode.mark_lost(work, helpdesk, tablet.id, "missing at the count")
        if is_scanned:
            recovery.mark_found(work, technician, town.id, tablet.serial, Condition.GOOD, recover_device=recover_device)
        else:
            lost_mode.request_lift(work, SYSTEM, tablet.id, "in another cupboard", called_back=True)
        assert tablet.state is TabletState.FOUND
        assert overview.view_tablet(work, technician, tablet.id).case is None


def test_many_losses_in_an_hour_are_told_and_none_is_refused(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        factory = TownFactory(work)
        town = factory.create_town()
        helpdesk = create_actor(Role.HELPDESK, town)
        alarms = select(Alarm.kind)
        for number in range(MANY_LOSSES + 2):
            assert bool(work.session.scalars(alarms).all()) == (number >= MANY_LOSSES)
            lost_mode.mark_lost(work, helpdesk, factory.create_tablet(town).id, "the cart was stolen")
        assert work.session.scalars(alarms).all() == [AlarmKind.MANY_MARKED_LOST]


def test_lists_are_filtered_by_what_tablets_report(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        factory = TownFactory(work)
        town = factory.create_town()
        tablets = [factory.create_tablet(town) for _ in range(3)]
        tablets[0].battery_level, tablets[1].available_gigabytes, tablets[2].os_version = 0.1, 2.5, "17.7.2"
        work.session.flush()

        def find(filters: TabletFilter) -> list[str]:
            return [row.tablet.tag for row in overview.list_tablets(work, SYSTEM, filters).items]

        assert find(TabletFilter(battery_below=0.2)) == [tablets[0].tag]
        assert find(TabletFilter(storage_below=4)) == [tablets[1].tag]
        assert find(TabletFilter(system=17)) == [tablets[2].tag]
        assert find(TabletFilter(system=1)) == []
        assert overview.list_systems(work, SYSTEM) == [26, 17]


def test_an_erase_is_ordered_until_the_tablet_reports_it(runtime: Runtime, clock: ManualClock) -> None:
    tablet = EnrolledTablet(runtime, clock)
    tablet.connect()
    with runtime.open_unit_of_work() as work:
        assert erasing.get_erase_progress(work, tablet.tablet_id) is None
        erasing.erase_tablet(work, SYSTEM, tablet.tablet_id, "back from repair", "INC-1")
        ordered = erasing.get_erase_progress(work, tablet.tablet_id)
        assert ordered is not None
        assert (ordered.state, ordered.requested_at, ordered.confirmed_at) == (CommandState.QUEUED, clock.now(), None)
    clock.advance(timedelta(hours=1))
    tablet.connect()
    with runtime.open_unit_of_work() as work:
        confirmed = erasing.get_erase_progress(work, tablet.tablet_id)
        assert confirmed is not None
        assert (confirmed.state, confirmed.confirmed_at) == (CommandState.ACKNOWLEDGED, clock.now())
        enrollment = work.session.get_one(DeviceEnrollment, tablet.enrollment.id)
        devices.start_next_generation(work, enrollment, work.session.get_one(Tablet, tablet.tablet_id), "F" * 64, "t")
        assert erasing.get_erase_progress(work, tablet.tablet_id) is None, "what a former enrollment was told is over"
