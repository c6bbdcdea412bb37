"""Two towns with host names of their own on one server, over real HTTPS; then one moves to a server of its own and keeps its tablets."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sqlalchemy import Engine

from cartable.backups.service import make_backup, restore_backup
from cartable.scope import SYSTEM
from cartable.settings import Settings
from enrollment.identity.server_names import list_host_names, renew_server_certificate
from enrollment.identity.tls import ensure_server_certificate
from enrollment.joining.models import InvitationKind
from enrollment.joining.service import build_join_url, create_invitations
from enrollment.joining.targets import InvitationSpec
from enrollment.places.towns import create_town
from mdm.care.restores.service import TimelineWatch
from mdm.devices.models import DeviceEnrollment
from mdm.protocol.commands.queries import ProfileList
from mdm.queue import service as queue
from mdm.reconcile.renewals import renew_identity
from simulator import SimulatedTablet
from tests.conftest import KEYRING
from tests.stories.conftest import render_url
from tests.support.server import LiveServer, start_live_server

PASSPHRASE = b"correct horse battery staple"
HOSTS = ("tablets.ici.example", "tablets.ailleurs.example")
#: The second server listens at another address of this machine, at the same port: the port is in the address that tablets keep.
SECOND_ADDRESS, SECOND_NAME = "127.0.0.2", "second.example"


def create_join_url(server: LiveServer, host: str) -> str:
    """Create a town with a host name, and return the address of an invitation to it."""
    with server.runtime.open_unit_of_work() as work:
        town = create_town(work, SYSTEM, name=host.split(".")[1], host=host)
        [invitation] = create_invitations(work, SYSTEM, InvitationSpec(InvitationKind.STOCK, town.id, max_uses=9))
        url = build_join_url(work, invitation)
    with server.runtime.open_unit_of_work() as work:
        renew_server_certificate(work)  # as the schedule does, while the server runs
    return url


def order_profile_list(server: LiveServer, tablet: SimulatedTablet) -> None:
    with server.runtime.open_unit_of_work() as work:
        enrollment = work.session.query(DeviceEnrollment).filter_by(udid=tablet.udid).one()
        queue.enqueue_command(work, SYSTEM, ProfileList(), [enrollment.id])


async def obeys(server: LiveServer, tablet: SimulatedTablet) -> bool:
    order_profile_list(server, tablet)
    log = await tablet.poll()
    return log.http_status == 200 and not log.anomalies and "ProfileList" in log.request_types


async def enrol(server: LiveServer, url: str, names: dict[str, str]) -> SimulatedTablet:
    tablet = SimulatedTablet(code=url, ca=server.ca, addresses=names)
    await tablet.enrol()
    await asyncio.to_thread(server.run_worker)
    await tablet.poll()
    return tablet


def get_server_host(tablet: SimulatedTablet) -> str | None:
    [settings] = [each.mdm_settings for each in tablet.profiles.values() if each.mdm_settings is not None]
    return urlsplit(settings.server_url).hostname


async def renew_tablet_identity(server: LiveServer, tablet: SimulatedTablet) -> None:
    """The server sends the enrollment profile again; a tablet refuses one whose addresses differ from those it enrolled with."""
    with server.runtime.open_unit_of_work() as work:
        renew_identity(work, work.session.query(DeviceEnrollment).filter_by(udid=tablet.udid).one().id)
    before = tablet.identity
    log = await tablet.poll()
    assert ("InstallProfile" in log.request_types, log.anomalies) == (True, [])
    assert tablet.identity != before


@pytest.fixture
def names() -> dict[str, str]:
    """The DNS: where each name leads."""
    return dict.fromkeys(HOSTS, "127.0.0.1")


def test_a_town_moves_to_another_server_and_keeps_its_tablets(
    engine: Engine, empty_engine: Engine, tmp_path: Path, names: dict[str, str]
) -> None:
    archive, folder = tmp_path / "monday.backup", tmp_path / "elsewhere" / "data"
    with (
        asyncio.Runner() as runner,
        start_live_server(engine, KEYRING, tmp_path / "data", database_url=render_url(engine)) as first,
    ):
        tablets = [runner.run(enrol(first, create_join_url(first, host), names)) for host in HOSTS]
        assert [get_server_host(tablet) for tablet in tablets] == list(HOSTS)
        assert all(runner.run(obeys(first, tablet)) for tablet in tablets)
        TimelineWatch(first.runtime).check()
        make_backup(first.runtime.settings, first.runtime.engine, archive, PASSPHRASE, first.runtime.clock.now())

        port = urlsplit(first.url).port
        settings = Settings(
            _env_file=None, data_dir=folder, public_url=f"https://{SECOND_NAME}:{port}", database_url=render_url(empty_engine)
        )
        restore_backup(settings, empty_engine, archive, PASSPHRASE)
        with start_live_server(
            empty_engine, KEYRING, folder, restored_at_port=port, address=SECOND_ADDRESS, database_url=settings.database_url,
            public_url=settings.public_url,
        ) as second:  # fmt: skip
            TimelineWatch(second.runtime).check()
            with second.runtime.open_unit_of_work() as work:
                ensure_server_certificate(work, list_host_names(work))
            names |= {HOSTS[0]: SECOND_ADDRESS, SECOND_NAME: SECOND_ADDRESS}  # the town changes its DNS, and nothing else
            moved, stayed = tablets
            runner.run(moved.network.disconnect())
            assert runner.run(obeys(second, moved))
            assert runner.run(obeys(first, stayed))
            runner.run(renew_tablet_identity(second, moved))
            assert (moved.is_enrolled, get_server_host(moved)) == (True, HOSTS[0])
            assert runner.run(obeys(second, moved))
            for tablet in tablets:
                runner.run(tablet.close())
