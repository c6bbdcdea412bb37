"""The read replica: a real streaming standby is read while it is recent, and the database itself when it is behind or gone."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine, func, select, text
from sqlalchemy.exc import DBAPIError

from cartable import audit, read_replica
from cartable.clock import ManualClock
from cartable.database import make_engine
from cartable.embedded_postgres import PostgresServer, find_binaries, get_unprivileged_prefix
from cartable.migrate import upgrade
from cartable.read_replica import ReadReplica
from cartable.scope import SYSTEM
from cartable.settings import Settings
from cartable.unit_of_work import Runtime
from enrollment.places.models import Town
from mdm.cli.doctor.storage import check_replica
from mdm.privacy.audit_trail import export_events
from tests.conftest import KEYRING
from tests.support.statements import count_statements
from tests.support.waiting import wait_until
from tests.support.world import TownFactory


@pytest.fixture(scope="module")
def primary() -> Iterator[PostgresServer]:
    binaries = find_binaries()
    assert binaries is not None
    server = PostgresServer(binaries)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def standby(primary: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A standby that streams from the primary. Returns the folder of its socket."""
    binaries, folder = find_binaries(), tmp_path_factory.mktemp("standby")
    assert binaries is not None
    wrap = get_unprivileged_prefix()
    data = str(folder / "data")
    copy = [
        str(binaries / "pg_basebackup"),
        "-h",
        str(primary.folder),
        "-U",
        "cartable",
        "-D",
        data,
        "-R",
        "-c",
        "fast",
        "--no-sync",
    ]
    subprocess.run([*wrap, *copy], check=True)
    options = ["-c", f"unix_socket_directories={folder}", "-c", "listen_addresses=", "-c", "fsync=off"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*wrap, str(binaries / "postgres"), "-D", data, *options], stdout=log, stderr=log)
    yield folder
    process.terminate()
    process.wait(10)


@pytest.fixture
def engine(primary: PostgresServer) -> Iterator[Engine]:
    made = make_engine(primary.build_url("postgres"))
    upgrade(made)
    yield made
    made.dispose()


@pytest.fixture
def runtime(engine: Engine, standby: Path, clock: ManualClock, settings: Settings) -> Iterator[Runtime]:
    reading = make_engine(f"postgresql+psycopg://cartable@/postgres?host={standby}")
    made = Runtime(settings=settings, engine=engine, clock=clock, keyring=KEYRING, replica=ReadReplica(reading))
    assert made.replica is not None
    assert wait_until(made.replica.is_recent)
    yield made
    reading.dispose()


def count_towns(runtime: Runtime) -> tuple[int, bool]:
    """Return the number of towns that a reading sees, and whether it is one of the standby."""
    with runtime.open_reading() as reading:
        count = reading.session.scalar(select(func.count()).select_from(Town)) or 0
        return count, bool(reading.session.scalar(text("SELECT pg_is_in_recovery()")))


def pause_replay(runtime: Runtime, *, pause: bool) -> None:
    assert runtime.replica is not None
    with runtime.replica.engine.connect() as connection:
        connection.execute(text(f"SELECT pg_wal_replay_{'pause' if pause else 'resume'}()"))


def test_a_recent_standby_is_read_and_one_that_is_behind_is_not(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    before, _ = count_towns(runtime)
    assert count_towns(runtime) == (before, True)
    assert [each.health for each in check_replica(runtime)] == ["good"]
    pause_replay(runtime, pause=True)
    try:
        with runtime.open_unit_of_work() as work:
            TownFactory(work).create_town()
        replica = runtime.replica
        assert replica is not None
        assert wait_until(lambda: replica.measure_lag() != timedelta(0))
        assert count_towns(runtime) == (before, True), "some seconds old is recent enough"
        monkeypatch.setattr(read_replica, "MAX_LAG", timedelta(0))
        assert count_towns(runtime) == (before + 1, False)
    finally:
        pause_replay(runtime, pause=False)
    assert wait_until(lambda: count_towns(runtime) == (before + 1, True))


def test_a_reading_stores_nothing_and_stands_beside_another_unit_of_work(runtime: Runtime) -> None:
    alone = replace(runtime, replica=None)
    for each in (runtime, alone):
        with pytest.raises(DBAPIError, match="read-only"), each.open_reading() as reading:
            TownFactory(reading).create_town("Nulle-Part")
    with alone.open_unit_of_work() as work, alone.open_reading(beside=work) as reading:
        assert reading is work
    with runtime.open_unit_of_work() as work, runtime.open_reading(beside=work) as reading:
        assert reading is not work


def test_the_audit_trail_is_exported_from_the_standby(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        town = TownFactory(work).create_town()
        for number in range(3):
            audit.record_event(work, SYSTEM, "tablet.refresh", "tablet", number, town_id=town.id)
    assert wait_until(lambda: len(list(export_events(runtime, [str(town.id)]))) == 3)
    with count_statements(runtime.engine) as statements:
        assert [line["sequence"] for line in export_events(runtime, [str(town.id)])] == [1, 2, 3]
    assert statements == [], "none on the database itself"


def test_what_is_no_standby_or_gone_is_not_read(runtime: Runtime, primary: PostgresServer, tmp_path: Path) -> None:
    for url in (primary.build_url("postgres"), f"postgresql+psycopg://cartable@/postgres?host={tmp_path}"):
        other = replace(runtime, replica=ReadReplica(make_engine(url)))
        assert count_towns(other)[1] is False
        assert [each.health for each in check_replica(other)] == ["warning"]
        assert other.replica is not None
        other.replica.engine.dispose()
    with psycopg.connect(f"host={primary.folder} user=cartable dbname=postgres", autocommit=True) as connection:
        assert connection.execute("SELECT count(*) FROM pg_stat_replication").fetchone() == (1,)
