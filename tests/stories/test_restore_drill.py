"""The restore drill over real HTTPS: backup, life goes on, restore at another place, and every tablet is still managed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Engine

from cartable.alarms import Alarm, AlarmKind
from cartable.backups.service import make_backup, restore_backup
from cartable.scope import SYSTEM
from cartable.settings import Settings
from cartable.timeline.models import DatabaseRestore, RestoreEvidence
from enrollment.joining.models import InvitationKind
from enrollment.joining.service import create_invitations
from enrollment.joining.targets import InvitationSpec
from enrollment.safeguards.stop_switch import is_stopped
from enrollment.tablets import service as inventory
from enrollment.tablets.models import Tablet
from enrollment.tablets.service import TabletDetails
from mdm.care.restores.service import TimelineWatch
from mdm.channel.models import Readoption
from mdm.devices.models import DeviceEnrollment
from mdm.protocol.commands.queries import ProfileList
from mdm.protocol.commands.security import EraseDevice
from mdm.queue import service as queue
from mdm.queue.models import CommandBody, QueuedCommand
from simulator import SimulatedTablet
from tests.conftest import KEYRING
from tests.stories.conftest import render_url
from tests.support.server import LiveServer, start_live_server
from tests.support.world import TownFactory

PASSPHRASE = b"correct horse battery staple"


def build_settings(server: LiveServer, engine: Engine, folder: Path) -> Settings:
    return Settings(_env_file=None, data_dir=folder, public_url=server.url, database_url=render_url(engine))


class Drill:
    """A town with three tablets before the backup, and two invitations."""

    def __init__(self, server: LiveServer) -> None:
        self.server = server
        with server.runtime.open_unit_of_work() as work:
            town = TownFactory(work).create_town()
            self.town_id = town.id
            spec = InvitationSpec(InvitationKind.STOCK, town.id, max_uses=9)
            [invitation] = create_invitations(work, SYSTEM, spec)
            self.code = invitation.code

    async def enrol(self, code: str) -> SimulatedTablet:
        tablet = SimulatedTablet(self.server.url, code, ca=self.server.ca)
        await tablet.enrol()
        await asyncio.to_thread(self.server.run_worker)
        await tablet.poll()
        return tablet

    def create_late_invitation(self) -> str:
        with self.server.runtime.open_unit_of_work() as work:
            [invitation] = create_invitations(work, SYSTEM, InvitationSpec(InvitationKind.STOCK, self.town_id, max_uses=9))
            return invitation.code

    def order(self, server: LiveServer, tablet: SimulatedTablet, command: Any) -> int:
        with server.runtime.open_unit_of_work() as work:
            enrollment = work.session.query(DeviceEnrollment).filter_by(udid=tablet.udid).one()
            body = queue.enqueue_command(work, SYSTEM, command, [enrollment.id]).body_id
            return work.session.query(QueuedCommand).filter_by(body_id=body).one().id


def test_a_restored_server_erases_nothing_and_loses_no_tablet(engine: Engine, empty_engine: Engine, tmp_path: Path) -> None:
    archive, folder = tmp_path / "monday.backup", tmp_path / "elsewhere" / "data"
    with asyncio.Runner() as runner:
        with start_live_server(engine, KEYRING, tmp_path / "data", database_url=render_url(engine)) as first:
            drill = Drill(first)
            tablets = runner.run(_live_on(drill, archive))
        settings = build_settings(first, empty_engine, folder)
        restore_backup(settings, empty_engine, archive, PASSPHRASE)
        port = urlsplit(first.url).port
        with start_live_server(
            empty_engine, KEYRING, folder, restored_at_port=port, database_url=settings.database_url
        ) as second:
            TimelineWatch(second.runtime).check()  # as at the start of the server
            runner.run(_check_known_tablets(drill, second, *tablets[:3]))
            runner.run(_check_lost_tablets(second, *tablets[3:]))
            _check_what_people_see(drill, second)
            for tablet in tablets:
                runner.run(tablet.close())
                assert (tablet.is_enrolled, tablet.is_erased) == (True, False)


async def _live_on(drill: Drill, archive: Path) -> list[SimulatedTablet]:
    """Enrol, order an erase, make the backup; then cancel the erase, renew a certificate and enrol two more. Returns the tablets."""
    runtime = drill.server.runtime
    wiped, renewed, quiet = [await drill.enrol(drill.code) for _ in range(3)]
    command_id = drill.order(drill.server, wiped, EraseDevice())
    watch = TimelineWatch(runtime)
    watch.check()
    head = make_backup(runtime.settings, runtime.engine, archive, PASSPHRASE, runtime.clock.now())
    assert head.facts["dialect"] == runtime.engine.dialect.name
    watch.check()

    with runtime.open_unit_of_work() as work:
        queue.cancel_command(work, SYSTEM, command_id)
    await renewed.renew_certificate()
    tablets = [wiped, renewed, quiet, await drill.enrol(drill.code), await drill.enrol(drill.create_late_invitation())]
    for tablet in tablets:
        assert (await tablet.poll()).http_status == 200
        await tablet.network.disconnect()
    return tablets


async def _check_known_tablets(
    drill: Drill, server: LiveServer, wiped: SimulatedTablet, renewed: SimulatedTablet, quiet: SimulatedTablet
) -> None:
    for tablet in (wiped, quiet):
        log = await tablet.poll()
        assert (log.http_status, "EraseDevice" in log.request_types) == (200, False)
    log = await renewed.poll()
    assert (log.http_status, log.anomalies) == (200, [])
    await asyncio.to_thread(server.run_worker)
    assert "DeviceInformation" in (await renewed.poll()).request_types, "its first commands, as after an enrollment"
    drill.order(server, renewed, ProfileList())
    assert "ProfileList" in (await renewed.poll()).request_types
    with server.runtime.open_unit_of_work() as work:
        enrollment = work.session.query(DeviceEnrollment).filter_by(udid=renewed.udid).one()
        assert enrollment.generation == 2
        assert work.session.query(CommandBody).filter_by(request_type="EraseDevice").count() == 1


async def _check_lost_tablets(server: LiveServer, known_invitation: SimulatedTablet, lost_invitation: SimulatedTablet) -> None:
    for _ in range(2):
        for tablet in (known_invitation, lost_invitation):
            log = await tablet.poll()
            assert (log.http_status, log.anomalies) == (200, [])
        await asyncio.to_thread(server.run_worker)
    with server.runtime.open_unit_of_work() as work:
        adopted = work.session.query(Tablet).filter_by(serial=known_invitation.serial).one()
        assert work.session.query(DeviceEnrollment).filter_by(tablet_id=adopted.id).one().udid == known_invitation.udid
        inventory.register_tablet(  # a person enters it
            work, town_id=adopted.town_id, school_id=None, serial=lost_invitation.serial, details=TabletDetails()
        )
    await lost_invitation.poll()
    await asyncio.to_thread(server.run_worker)
    assert "DeviceInformation" in (await lost_invitation.poll()).request_types


def _check_what_people_see(drill: Drill, server: LiveServer) -> None:
    with server.runtime.open_unit_of_work() as work:
        assert is_stopped(work, drill.town_id)
        [restore] = work.session.query(DatabaseRestore)
        assert (restore.evidence, restore.expired_commands) == (RestoreEvidence.TIMELINE, 1)
        assert {row.outcome.value for row in work.session.query(Readoption)} == {"readopted"}
        assert work.session.query(Readoption).count() == 3
        assert {alarm.kind for alarm in work.session.query(Alarm)} >= {AlarmKind.DATABASE_RESTORED, AlarmKind.TABLET_OF_RESTORE}
