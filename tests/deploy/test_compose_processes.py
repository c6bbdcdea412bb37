"""The processes of the compose file, started by its own commands: from an empty volume to commands that tablets answered, some killed."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path

import httpx
import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from cartable.conflicts import run_with_retries
from cartable.embedded_postgres import PostgresServer, find_binaries
from cartable.scope import SYSTEM
from cartable.settings import Settings
from cartable.unit_of_work import Runtime
from enrollment.identity import tls
from enrollment.joining import service as joining
from enrollment.joining.models import InvitationKind
from enrollment.joining.targets import InvitationSpec
from enrollment.places.towns import create_town
from mdm.composition import compose
from mdm.devices.models import DeviceEnrollment
from mdm.protocol.commands.security import DeviceLock
from mdm.push import certificates
from mdm.queue import service as queue
from mdm.queue.models import CommandResult, CommandState, QueuedCommand
from simulator.fleet import Fleet, FleetPlan
from tests.deploy.compose_file import Installation
from tests.interop.conftest import require_program
from tests.support.waiting import wait_until
from tests.support.world import TownFactory

WORKERS = ("worker-pushes", "worker-results", "worker-decisions", "scheduler")
TABLETS = 4


@pytest.fixture
def cluster() -> Iterator[PostgresServer]:
    """A PostgreSQL of the test alone, which writes to the disk as in production: it is killed."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL is installed")
    started = PostgresServer(binaries, durable=True)
    started.create_database("cartable")
    yield started
    started.stop()


@pytest.fixture
def installation(tmp_path: Path, cluster: PostgresServer) -> Iterator[Installation]:
    caddy, pgbouncer = require_program("caddy"), require_program("pgbouncer")
    started = Installation(tmp_path, "")
    try:
        started.start_pgbouncer(pgbouncer, cluster.folder, "cartable")
        # Two machines begin at once: one migrates, the other waits for it.
        migrations = [started.start("migrate"), started.start("migrate")]
        assert [process.wait(150) for process in migrations] == [0, 0], started.read_log("migrate")
        for name in (*started.web_ports, *WORKERS):
            started.start(name)
        started.start_caddy(caddy, *_create_tls_files(started))
        yield started
    finally:
        started.stop()


def _create_tls_files(installation: Installation) -> tuple[Path, Path]:
    """Certificate and key of the public name, by the installation's own CA."""
    with _open_runtime(installation) as runtime, runtime.open_unit_of_work() as work:
        return tls.ensure_server_certificate(work, ["localhost", "127.0.0.1"])


@contextlib.contextmanager
def _open_runtime(installation: Installation) -> Iterator[Runtime]:
    """A runtime of the test on the same database and data folder."""
    names = {
        name.removeprefix("CARTABLE_").lower(): value
        for name, value in installation.build_environment().items()
        if name.startswith("CARTABLE_")
    }
    runtime = compose(Settings(_env_file=None, **names))  # type: ignore[arg-type]
    try:
        yield runtime
    finally:
        runtime.engine.dispose()


@pytest.mark.timeout(400)
def test_commands_reach_tablets_while_processes_are_killed(installation: Installation, cluster: PostgresServer) -> None:
    with _open_runtime(installation) as runtime:
        _enrol_and_obey_while_killing(installation, cluster, runtime)
    codes_of = installation.terminate(*installation.web_ports, *WORKERS)
    # The web server ends by the signal itself once its requests are answered; so does a process that was still starting. One that was
    # starting while the database was away has ended with 1, and its service manager would start it again.
    assert set(codes_of.values()) <= {0, 1, -signal.SIGTERM}, codes_of


def _enrol_and_obey_while_killing(installation: Installation, cluster: PostgresServer, runtime: Runtime) -> None:
    ca = runtime.settings.secrets_dir / "tls-ca.pem"
    assert wait_until(lambda: _is_ready(installation, ca), 150), installation.read_log("web-1") + installation.read_log("caddy")
    with runtime.open_unit_of_work() as work:
        certificates.ensure_simulated_certificate(work)
        create_town(work, SYSTEM, name="Ici", host="tablets.ici.example")
        town = TownFactory(work).create_town()
        codes = [
            row.code
            for row in joining.create_invitations(work, SYSTEM, InvitationSpec(InvitationKind.STOCK, town.id, max_uses=TABLETS))
        ]
    assert [_serves_name(installation, name) for name in ("tablets.ici.example", "unknown.example")] == [True, False]
    fleet = Fleet(FleetPlan(installation.url, codes, TABLETS, ca=ca.read_bytes(), pace=0.05))
    asyncio.run(_enrol_and_obey(installation, cluster, runtime, fleet))
    assert fleet.tally.failures.total() == 0, fleet.tally.format_summary()


def _serves_name(installation: Installation, name: str) -> bool:
    """Whether Caddy has a certificate for a host name, which it gets once it is known to be a town's."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection(("localhost", installation.port), 30) as plain,
            context.wrap_socket(plain, server_hostname=name) as secured,
        ):
            return name.encode() in (secured.getpeercert(binary_form=True) or b"")
    except ssl.SSLError:
        return False


async def _enrol_and_obey(installation: Installation, cluster: PostgresServer, runtime: Runtime, fleet: Fleet) -> None:
    """Enrol, then let the tablets obey a command of each round, while a process is killed or comes back."""
    await fleet.enrol_all()
    assert fleet.tally.enrolled == TABLETS, fleet.tally.format_summary()
    faults: tuple[Callable[[], object], ...] = (
        partial(installation.kill, "scheduler"),
        partial(installation.start, "scheduler"),
        partial(installation.kill, "web-1"),
        partial(installation.start, "web-1"),
        partial(installation.kill, "worker-results"),
        partial(installation.start, "worker-results"),
        partial(_kill_broker, installation),
        installation.start_broker,
        partial(_kill_database, cluster, runtime),
    )
    body_ids = []
    for number, act in enumerate(faults, 1):
        body_id = await asyncio.to_thread(_order_command, runtime)
        body_ids.append(body_id)
        await asyncio.to_thread(act)
        end = time.monotonic() + 90
        while (acknowledged := await asyncio.to_thread(_count_acknowledged, runtime, body_id)) < TABLETS:
            assert time.monotonic() < end, f"round {number}: {_list_states(runtime)}\n{fleet.tally.format_summary()}"
            await fleet.poll_all()
        assert acknowledged == TABLETS
    assert await asyncio.to_thread(_count_results, runtime, body_ids) == len(faults) * TABLETS, "nothing lost, nothing doubled"
    await fleet.close()


def _kill_broker(installation: Installation) -> None:
    """End the broker at once. Until then no process has had an error that it did not expect."""
    logs = "".join(installation.read_log(name) for name in (*installation.web_ports, *WORKERS))
    assert "Traceback" not in logs, logs[max(0, logs.index("Traceback") - 500) :][:6000]
    installation.kill_broker()


def _kill_database(cluster: PostgresServer, runtime: Runtime) -> None:
    """End the database at once while an order is under way, and start it again: it recovers from its log."""
    cluster.kill()
    cluster.start()
    runtime.engine.dispose()


def _is_ready(installation: Installation, ca: Path) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return (
            httpx.get(f"{installation.url}/readyz", verify=ssl.create_default_context(cafile=str(ca))).status_code
            == httpx.codes.OK
        )
    return False


def _order_command(runtime: Runtime) -> int:
    """Order one command for every tablet, again after a conflict, as a request does. Return the identifier of its body."""
    return run_with_retries(lambda: _order_once(runtime), "order of the test")


def _order_once(runtime: Runtime) -> int:
    with runtime.open_unit_of_work() as work:
        ids = list(work.session.scalars(select(DeviceEnrollment.id)))
        result = queue.enqueue_command(work, SYSTEM, DeviceLock(message="test"), ids)
        assert result.count == TABLETS
        return result.body_id


def _count_acknowledged(runtime: Runtime, body_id: int) -> int:
    statement = select(func.count()).where(QueuedCommand.body_id == body_id, QueuedCommand.state == CommandState.ACKNOWLEDGED)
    with contextlib.suppress(OperationalError), runtime.open_unit_of_work() as work:
        return work.session.scalar(statement) or 0
    return 0  # PgBouncer lets nobody in for some seconds after the database was killed


def _count_results(runtime: Runtime, body_ids: list[int]) -> int:
    """Return how many results the commands of these bodies have; all of them must be acknowledged."""
    with runtime.open_unit_of_work() as work:
        rows = work.session.execute(
            select(QueuedCommand.state, CommandResult.status)
            .join(CommandResult, CommandResult.command_id == QueuedCommand.id)
            .where(QueuedCommand.body_id.in_(body_ids))
        ).all()
    assert {(row.state, row.status) for row in rows} == {(CommandState.ACKNOWLEDGED, "Acknowledged")}
    return len(rows)


def _list_states(runtime: Runtime) -> list[tuple[int, CommandState, datetime | None]]:
    with runtime.open_unit_of_work() as work:
        columns = (QueuedCommand.enrollment_id, QueuedCommand.state, QueuedCommand.sent_at)
        return [(enrollment, state, sent) for enrollment, state, sent in work.session.execute(select(*columns))]
