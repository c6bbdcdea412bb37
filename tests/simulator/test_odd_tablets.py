"""What simulated tablets do wrong on purpose: odd bytes in results, refused and declined apps, odd status items."""

from __future__ import annotations

import asyncio
import plistlib
from datetime import UTC, datetime
from inspect import isawaitable

import pytest

from mdm.protocol.commands.queries import DeviceInformation
from mdm.queue.models import CommandState, QueuedCommand
from simulator import SimulatedTablet
from simulator.behaviours import OddBytes, parse_behaviour
from simulator.commands.apps import install_application, managed_application_list
from simulator.commands.base import ReceivedCommand, ResultBody
from simulator.device import DeviceState
from simulator.hardware import Hardware
from simulator.reporting import send_status_report
from simulator.store import ALREADY_PROMPTING, LICENCE_NOT_FOUND, AppStore
from tests.support.enrolled import enqueue, run_scenario
from tests.support.server import LiveServer

APP = "fr.test.atlas"


class NoNetwork:
    """A network that no command of these tests uses."""

    async def fetch(self, url: str) -> bytes:
        raise AssertionError(url)

    async def obtain_identity(self, profile: object) -> None:
        raise AssertionError(profile)


def _receive(device: DeviceState, **arguments: object) -> ReceivedCommand:
    return ReceivedCommand(device, arguments, NoNetwork())


async def _install(device: DeviceState, store_id: int) -> ResultBody:
    result = install_application(_receive(device, iTunesStoreID=store_id))
    return await result if isawaitable(result) else result


def test_odd_bytes_are_what_a_strict_parser_refuses() -> None:
    behaviour = OddBytes()
    body = plistlib.dumps({"Status": "Acknowledged", "QueryResponses": {}})
    for _ in OddBytes.ODDITIES:
        with pytest.raises(Exception, match=r".*"):
            plistlib.loads(behaviour.corrupt_body(body))
    assert behaviour.corrupt_body(body) == body


def test_a_tablet_with_odd_bytes_is_answered_and_served(server: LiveServer) -> None:
    async def scenario(tablet: SimulatedTablet) -> None:
        for number in range(3):
            enqueue(server, DeviceInformation(queries=(f"Q{number}",)))
        log = await tablet.poll()
        assert not log.anomalies
        await asyncio.to_thread(server.run_worker)
        with server.runtime.open_unit_of_work() as work:
            rows = work.session.query(QueuedCommand).filter(QueuedCommand.dedupe_key.like("DeviceInformation%"))
            assert {row.state for row in rows} == {CommandState.ACKNOWLEDGED}

    run_scenario(server, scenario, behaviour="odd_bytes")


def test_an_app_is_refused_as_tablets_refuse_it() -> None:
    store = AppStore({1: APP, 2: "fr.test.carte"}, refusals={APP: LICENCE_NOT_FOUND, "fr.test.carte": ALREADY_PROMPTING})
    device = DeviceState(Hardware.from_seed("odd"), store=store)
    body = asyncio.run(_install(device, 1))
    assert (body["Status"], body["RejectionReason"]) == ("Error", "Other")
    assert [link["ErrorCode"] for link in body["ErrorChain"]] == [12064, 2605]
    body = asyncio.run(_install(device, 2))
    assert "RejectionReason" not in body


def test_a_declined_app_is_reported_once() -> None:
    device = DeviceState(Hardware.from_seed("odd"), store=AppStore(reported_statuses={APP: "UserRejected"}, install_seconds=0))
    device.install_app(APP)
    listed = managed_application_list(_receive(device))
    assert isinstance(listed, dict)
    assert listed["ManagedApplicationList"][APP]["Status"] == "UserRejected"
    assert APP not in device.apps


def test_an_app_removed_by_hand_stays_managed() -> None:
    device = DeviceState(Hardware.from_seed("odd"), store=AppStore(install_seconds=0))
    device.install_app(APP)
    device.uninstall_app(APP)
    assert device.apps[APP].get_state(datetime.now(UTC)).value == "ManagedButUninstalled"


def test_odd_status_items_are_reported_and_accepted(server: LiveServer) -> None:
    async def scenario(tablet: SimulatedTablet) -> None:
        await tablet.poll()
        tablet.device.odd_status_items = {"mdm.app": [{"identifier": ["a"], "name": "Jeu\x00"}]}
        await send_status_report(tablet.channel)
        await asyncio.to_thread(server.run_worker)
        assert (await tablet.poll()).http_status == 200

    run_scenario(server, scenario)


def test_a_tablet_refuses_apps_for_another_reason_each_time_and_then_obeys() -> None:
    behaviour = parse_behaviour("refuses_apps:5")
    order = {"RequestType": "InstallApplication", "iTunesStoreID": 4711}
    assert behaviour.refuse_command({"RequestType": "InstallProfile"}) is None
    codes = [[error["ErrorCode"] for error in behaviour.refuse_command(order) or ()] for _ in range(6)]
    assert codes == [[12064, 2605], [1407], [12023], [12024, 28], [12064, 2605], []]
