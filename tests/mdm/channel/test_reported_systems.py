"""A text that is no system version counts as absent: it makes no request fail, and keeps no command and no rule from the tablet."""

from __future__ import annotations

import asyncio

import pytest

from cartable.outbox import OutboxRow
from cartable.unit_of_work import Runtime
from enrollment.tablets import service as tablets
from enrollment.tablets.models import Tablet
from enrollment.tablets.service import TabletDetails
from mdm.protocol.commands.queries import SecurityInfo
from mdm.queue.models import CommandState, QueuedCommand
from simulator import SimulatedTablet
from tests.mdm.queue.connect_loop import enqueue_for, enroll_tablets, send_status
from tests.support.enrolled import enqueue, run_scenario, send_idle
from tests.support.server import LiveServer

ODD_VERSIONS = ("17.\u00b2", "-", "00", "0.1", "many", "\uff11\uff17.5", "17,5", " 17.5")


@pytest.mark.parametrize("version", ODD_VERSIONS)
def test_an_odd_version_changes_nothing_and_commands_are_delivered(runtime: Runtime, version: str) -> None:
    with runtime.open_unit_of_work() as work:
        [row] = enroll_tablets(work, os_version="18.1")
        assert row.tablet_id is not None
        tablets.update_details(work, row.tablet_id, TabletDetails(os_version=version, build_version="22B1"))
        tablets.update_systems(work, {row.tablet_id: TabletDetails(os_version=version, build_version="22B1")})
    enqueue_for(runtime, [row.id], SecurityInfo())
    assert send_status(runtime, row) is not None
    with runtime.open_unit_of_work() as work:
        assert work.session.get_one(Tablet, row.tablet_id).os_version == "18.1"


@pytest.mark.parametrize("version", ["18.1", "16.1 (a)", "26.0.1", "9.3.5", "17"])
def test_a_version_is_kept_as_reported(version: str) -> None:
    assert TabletDetails(os_version=version).os_version == version


def test_a_tablet_that_enrolls_with_an_odd_version_is_managed(server: LiveServer) -> None:
    async def scenario(tablet: SimulatedTablet) -> None:
        serial = tablet.device.hardware.serial
        for version in ODD_VERSIONS[:2]:
            message = {"SerialNumber": serial, "OSVersion": version, "ProductName": "iPad13,18"}
            assert (await tablet.channel.send_check_in("Authenticate", message)).status == 200
            await tablet.channel.send_token_update()
            await asyncio.to_thread(server.run_worker)
            enqueue(server, SecurityInfo())
            assert await send_idle(tablet) is not None, version
        with server.runtime.open_unit_of_work() as work:
            assert {job.last_error for job in work.session.query(OutboxRow)} <= {None}

    run_scenario(server, scenario)


def test_a_tablet_is_asked_to_come_again_when_one_contact_cannot_end_all_that_must_not_be_delivered(runtime: Runtime) -> None:
    """Otherwise what waits behind ten such commands would wait for the next contact by chance."""
    with runtime.open_unit_of_work() as work:
        [row] = enroll_tablets(work, os_version="3.2")
    enqueue_for(runtime, [row.id], *(SecurityInfo() for _ in range(1)))
    with runtime.open_unit_of_work() as work:
        first = work.session.query(QueuedCommand).one()
        values = {column.name: getattr(first, column.name) for column in QueuedCommand.__table__.columns if column.name != "id"}
        work.session.add_all(QueuedCommand(**values | {"dedupe_key": None}) for _ in range(9))
        work.session.query(OutboxRow).delete()
    assert send_status(runtime, row) is None
    with runtime.open_unit_of_work() as work:
        assert {job.key for job in work.session.query(OutboxRow)} == {str(row.id)}
    assert send_status(runtime, row) is None
    with runtime.open_unit_of_work() as work:
        assert {command.state for command in work.session.query(QueuedCommand)} == {CommandState.REJECTED}
