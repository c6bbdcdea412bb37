"""Commands that people give, as far as the tablet's own report: a simulated one obeys, puts off or refuses as an iPad does."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from cartable.scope import SYSTEM
from enrollment.tablets.models import Tablet
from mdm.care.commands import bulk, reports, single
from mdm.care.commands.errors import CannotReceiveCommand
from mdm.care.commands.kinds import CommandKind
from mdm.care.commands.parameters import CommandParameters, WallpaperPlace
from mdm.care.commands.reports import TabletReport, TabletReportKind
from mdm.care.commands.repository import TabletSelection
from mdm.queue.models import CommandState
from simulator import Hardware, SimulatedTablet
from simulator.device import DeviceState
from tests.support.enrolled import run_scenario
from tests.support.server import LiveServer

pytestmark = pytest.mark.one_database

PNG = b"\x89PNG\r\n\x1a\n and a picture"


class GivenCommands:
    """What a person gives to the only tablet of a server, and what became of it."""

    def __init__(self, server: LiveServer, tablet: SimulatedTablet) -> None:
        self.server, self.tablet = server, tablet
        with server.runtime.open_unit_of_work() as work:
            self.row = work.session.query(Tablet).one()
            work.session.expunge(self.row)

    async def give(self, kind: CommandKind, parameters: CommandParameters | None = None) -> tuple[CommandState, str | None]:
        """Give a command as one of a group, let the tablet poll, and return state and reason of its command."""

        def request() -> object:
            with self.server.runtime.open_unit_of_work() as work:
                selection = TabletSelection(self.row.town_id, tablet_ids=frozenset({self.row.id}))
                return bulk.request_bulk_command(work, SYSTEM, selection, kind, parameters or CommandParameters()).id

        bulk_id = await asyncio.to_thread(request)
        await self.poll()

        def read() -> tuple[CommandState, str | None]:
            with self.server.runtime.open_unit_of_work() as work:
                [(_, _, state, reason)] = bulk.list_bulk_lines(work, SYSTEM, bulk_id).items  # type: ignore[arg-type]
                assert state is not None
                return state, reason

        return await asyncio.to_thread(read)

    async def poll(self) -> None:
        await self.tablet.poll()
        await asyncio.to_thread(self.server.run_worker)

    async def ask(self, kind: TabletReportKind) -> TabletReport:
        def request() -> None:
            with self.server.runtime.open_unit_of_work() as work:
                reports.request_report(work, SYSTEM, self.row.id, kind)

        def load() -> TabletReport:
            with self.server.runtime.open_unit_of_work() as work:
                return reports.load_report(work, SYSTEM, self.row.id, kind)

        await asyncio.to_thread(request)
        await self.poll()
        return await asyncio.to_thread(load)


def run(server: LiveServer, scenario: Callable[[GivenCommands], Awaitable[None]], **tablet: Any) -> None:
    async def act(simulated: SimulatedTablet) -> None:
        given = await asyncio.to_thread(GivenCommands, server, simulated)
        for _ in range(2):
            await given.poll()
        await scenario(given)

    run_scenario(server, act, **tablet)


def test_a_tablet_obeys_what_people_order(server: LiveServer) -> None:
    async def scenario(given: GivenCommands) -> None:
        device = given.tablet.channel.device
        done = (CommandState.ACKNOWLEDGED, None)
        assert await given.give(CommandKind.RENAME, CommandParameters(name="Ville {tag}")) == done
        assert device.name == f"Ville {given.row.tag}"
        picture = CommandParameters(image=PNG, place=WallpaperPlace.LOCK_SCREEN)
        assert await given.give(CommandKind.WALLPAPER, picture) == done
        assert device.settings == device.settings | {"Wallpaper.lock": len(PNG)}
        assert "Wallpaper.home" not in device.settings
        device.settings["ScreenTimePasscode"] = "1234"
        assert await given.give(CommandKind.CLEAR_SCREEN_TIME) == done
        assert "ScreenTimePasscode" not in device.settings
        assert await given.give(CommandKind.CLEAR_PASSCODE) == done
        assert not device.has_passcode
        assert await given.give(CommandKind.LOCK, CommandParameters(message="Rangez les tablettes")) == done
        state, reason = await given.give(CommandKind.TIME_ZONE, CommandParameters(time_zone="Indian/Reunion"))
        is_automatic = any(payload.get("forceAutomaticDateAndTime") for payload in device.installed_payloads)
        assert (state is CommandState.FAILED) == is_automatic, reason
        assert device.settings.get("TimeZone") == (None if is_automatic else "Indian/Reunion")
        assert await given.give(CommandKind.SHUT_DOWN) == done
        assert not device.powered

    run(server, scenario)


def test_a_setting_that_the_tablet_refuses_is_a_failure(server: LiveServer) -> None:
    async def scenario(given: GivenCommands) -> None:
        given.tablet.channel.device.supervised = False  # the server does not know yet
        state, reason = await given.give(CommandKind.RENAME, CommandParameters(name="{tag}"))
        assert state is CommandState.FAILED
        assert re.match(r"DeviceName: 12019 ", reason or "")

    run(server, scenario)


def test_the_bypass_code_is_known_after_the_enrolment(server: LiveServer) -> None:
    async def scenario(given: GivenCommands) -> None:
        code = given.tablet.channel.device.bypass_code

        def reveal() -> str:
            with server.runtime.open_unit_of_work() as work:
                return single.reveal_bypass_code(work, SYSTEM, given.row.id, "asks for an Apple Account")

        assert code is not None
        assert await asyncio.to_thread(reveal) == code

    run(server, scenario)


def test_a_tablet_tells_its_apps_certificates_and_restrictions(server: LiveServer) -> None:
    async def scenario(given: GivenCommands) -> None:
        given.tablet.channel.device.install_app("fr.ville.lecture").managed = False
        apps = await given.ask(TabletReportKind.APPS)
        assert ("Lecture", "1.0") in apps.lines
        assert (await given.ask(TabletReportKind.RESTRICTIONS)).lines
        given.tablet.channel.device.unlocked = False
        certificates = await given.ask(TabletReportKind.CERTIFICATES)
        assert (certificates.state, certificates.lines) == (CommandState.NOT_NOW, ())
        given.tablet.unlock()
        await given.poll()
        assert (await given.ask(TabletReportKind.CERTIFICATES)).lines

    run(server, scenario)


def test_an_unsupervised_tablet_is_refused_before_it_is_asked(server: LiveServer) -> None:
    async def scenario(given: GivenCommands) -> None:
        def give(kind: CommandKind) -> None:
            with server.runtime.open_unit_of_work() as work:
                single.give_command(work, SYSTEM, given.row.id, kind)

        with pytest.raises(CannotReceiveCommand):
            await asyncio.to_thread(give, CommandKind.RESTART)
        await asyncio.to_thread(give, CommandKind.LOCK)

    run(server, scenario, device=DeviceState(Hardware.from_seed("unsupervised", 1), supervised=False))
