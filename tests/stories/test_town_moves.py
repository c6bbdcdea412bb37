"""A town moves alone to another server, with another database and master key, over real HTTPS: its tablet goes on there by itself."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sqlalchemy import Engine, delete, select

from cartable.clock import SystemClock
from cartable.database import use_keyring
from cartable.settings import Settings
from cartable.unit_of_work import Runtime
from enrollment.identity.server_names import list_host_names
from enrollment.identity.tls import ensure_server_certificate
from enrollment.places.models import Town
from mdm.devices.models import DeviceEnrollment
from mdm.privacy.moving.exporting import export_for_server
from mdm.privacy.moving.importing import import_town
from mdm.push.models import PushCertificate
from simulator import SimulatedTablet
from tests.conftest import KEYRING
from tests.stories.conftest import render_url
from tests.stories.test_town_hosts import (
    HOSTS,
    PASSPHRASE,
    SECOND_ADDRESS,
    SECOND_NAME,
    create_join_url,
    enrol,
    get_server_host,
    obeys,
    renew_tablet_identity,
)
from tests.support import databases
from tests.support.installation import install
from tests.support.second_server import SECOND_KEYRING
from tests.support.server import LiveServer, start_live_server


@pytest.fixture
def second_engine(engine: Engine, tmp_path: Path) -> Iterator[Engine]:
    """The database of the second server, of the other kind than `engine`."""
    if engine.dialect.name == "sqlite":
        yield databases.empty_postgres_engine()
        return
    (tmp_path / "second").mkdir()
    made = databases.create_sqlite_engine(tmp_path / "second")
    yield made
    made.dispose()


def _prepare_second_server(first: Runtime, engine: Engine, folder: Path, port: int | None) -> Runtime:
    """Install a server of its own, then what an operator gives it beforehand: the push certificate, and the CA of the server's TLS."""
    with first.open_unit_of_work() as work:
        [certificate] = work.session.scalars(select(PushCertificate))
    use_keyring(SECOND_KEYRING)
    settings = Settings(
        _env_file=None, data_dir=folder, public_url=f"https://{SECOND_NAME}:{port}", database_url=render_url(engine)
    )
    runtime = Runtime(settings=settings, engine=engine, clock=SystemClock(), keyring=SECOND_KEYRING)
    install(runtime)
    for name in ("tls-ca.pem", "tls-ca.key", "push-test-ca.pem"):
        shutil.copy(first.settings.secrets_dir / name, settings.secrets_dir / name)
    (settings.secrets_dir / "tls.pem").unlink()
    with runtime.open_unit_of_work() as work:
        work.session.execute(delete(PushCertificate))
        names = {column.name for column in PushCertificate.__table__.columns}
        work.session.add(PushCertificate(**{name: getattr(certificate, name) for name in names}))
    return runtime


def test_a_town_moves_alone_and_its_tablet_goes_on(engine: Engine, second_engine: Engine, tmp_path: Path) -> None:
    archive, host = tmp_path / "ici.town", HOSTS[0]
    names = {host: "127.0.0.1"}
    with asyncio.Runner() as runner:
        with start_live_server(engine, KEYRING, tmp_path / "data", database_url=render_url(engine)) as first:
            tablet = runner.run(enrol(first, create_join_url(first, host), names))
            create_join_url(first, HOSTS[1])  # another town, which stays
            assert runner.run(obeys(first, tablet))
            identity = tablet.identity
            with first.runtime.open_unit_of_work() as work:
                town = work.session.query(Town).filter_by(host=host).one()
            export_for_server(first.runtime, town, archive, PASSPHRASE)
            runner.run(tablet.network.disconnect())
        port = urlsplit(first.url).port
        prepared = _prepare_second_server(first.runtime, second_engine, tmp_path / "second-data", port)
        with prepared.open_unit_of_work() as work:
            import_town(work, archive, PASSPHRASE)
        with prepared.open_unit_of_work() as work:
            ensure_server_certificate(work, list_host_names(work))
        names |= {host: SECOND_ADDRESS, SECOND_NAME: SECOND_ADDRESS}  # the town changes its DNS, and nothing else
        with start_live_server(
            second_engine, SECOND_KEYRING, prepared.settings.data_dir, restored_at_port=port, address=SECOND_ADDRESS,
            database_url=prepared.settings.database_url, public_url=prepared.settings.public_url,
        ) as second:  # fmt: skip
            assert runner.run(obeys(second, tablet)), "an order of the new server reaches it, and its result is stored"
            assert tablet.identity == identity, "the identity of the old CA goes on"
            _check_push(second, tablet)
            runner.run(renew_tablet_identity(second, tablet))
            assert (tablet.is_enrolled, get_server_host(tablet)) == (True, host)
            assert runner.run(obeys(second, tablet)), "with an identity of the new server's CA"
            with second.runtime.open_unit_of_work() as work:
                assert work.session.scalars(select(Town.host)).all() == [host]
            runner.run(tablet.close())


def _check_push(server: LiveServer, tablet: SimulatedTablet) -> None:
    """The new server wakes the tablet with the token that the old one knew."""
    with server.runtime.open_unit_of_work() as work:
        enrollment = work.session.query(DeviceEnrollment).filter_by(udid=tablet.udid).one()
        assert enrollment.generation == 1, "it did not enroll anew"
    server.run_worker()
    assert server.hub.received
