"""A worker as threads: jobs of a commit and jobs that nobody announced are done, and its end gives back what is left."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from cartable.clock import SystemClock
from cartable.leases import NamedLease, acquire_lease
from cartable.outbox import OutboxRow, Topic
from cartable.unit_of_work import Runtime
from cartable.worker_registry import WorkerProcess
from mdm.worker.embedded import EmbeddedWorker
from mdm.worker.kinds import WorkKind
from mdm.worker.threads import WorkerThreads
from tests.support.server import find_free_port
from tests.support.waiting import wait_until


@pytest.fixture
def live(runtime: Runtime) -> Runtime:
    runtime.clock = SystemClock()
    return runtime


def _count(runtime: Runtime, model: type[OutboxRow | WorkerProcess | NamedLease]) -> int:
    with runtime.open_unit_of_work() as work:
        return work.session.query(model).count()


def test_embedded_worker_processes_notified_and_forgotten_jobs(live: Runtime) -> None:
    worker = EmbeddedWorker(live)
    worker.start()
    try:
        with live.open_unit_of_work() as work:
            work.enqueue_job(Topic.RECONCILE, uuid4())
        assert wait_until(lambda: _count(live, OutboxRow) == 0)
        live.notify_worker = lambda _topic: None  # the notification is lost
        with live.open_unit_of_work() as work:
            work.enqueue_job(Topic.RECONCILE, uuid4())
        assert wait_until(lambda: _count(live, OutboxRow) == 0), "the worker finds the job by itself"
        assert _count(live, WorkerProcess) == 1
    finally:
        worker.stop()
    assert _count(live, WorkerProcess) == 0
    assert _count(live, NamedLease) == 0


def test_a_worker_takes_only_its_kinds_of_work(live: Runtime) -> None:
    worker = WorkerThreads(live, [WorkKind.RESULTS])
    worker.start()
    try:
        with live.open_unit_of_work() as work:
            work.enqueue_job(Topic.RECONCILE, uuid4())
            work.enqueue_job(Topic.ENROLLED, 404)
        assert wait_until(lambda: _count(live, OutboxRow) == 1)
        with live.open_unit_of_work() as work:
            assert work.session.query(OutboxRow).one().topic is Topic.RECONCILE
    finally:
        worker.stop()


def test_only_one_process_is_the_sender_of_pushes(live: Runtime) -> None:
    taken = []
    for holder in ("a", "b", "a"):
        with live.open_unit_of_work() as work:
            taken.append(acquire_lease(work, "push_sender", holder, timedelta(seconds=30)))
    assert taken == [True, False, True]


_PASSWORD, _NEXT = "correct-horse-battery", "---- next format ----"


def test_a_worker_that_fails_prints_no_secret(tmp_path: Path) -> None:
    """The database cannot be reached: the failure is printed in both formats, the password in the database's address is not."""
    environment = os.environ | {
        "CARTABLE_DATA_DIR": str(tmp_path / "data"),
        "CARTABLE_DATABASE_URL": f"postgresql+psycopg://cartable:{_PASSWORD}@127.0.0.1:{find_free_port()}/cartable",
        "CARTABLE_BROKER_URL": f"redis://user:{_PASSWORD}@127.0.0.1:1/0",
        "COLUMNS": "1000",
    }
    script = (
        "import sys, structlog, threading\n"
        "from cartable.settings import Settings\n"
        "from cartable.outbox import Topic\n"
        "from cartable.telemetry import configure_logging\n"
        "from mdm.composition import compose\n"
        "from mdm.worker.app import create_celery_app\n"
        "from mdm.worker.threads import WorkerThreads\n"
        "for json in (True, False):\n"
        "    settings = Settings(log_json=json)\n"
        "    configure_logging(json=json)\n"
        "    worker = WorkerThreads(compose(settings))\n"
        "    create_celery_app(settings, worker.wake)\n"
        "    worker.start()\n"
        "    worker.wake(Topic.RECONCILE)\n"
        "    threading.Event().wait(1)\n"
        "    worker.stop(1)\n"
        "    structlog.get_logger().info('settings', settings=repr(settings))\n"
        f"    print('{_NEXT}', file=sys.stderr, flush=True)\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", script], check=False, env=environment, capture_output=True, text=True, timeout=60
    )
    assert _PASSWORD not in finished.stdout
    in_json, in_lines, _ = finished.stderr.split(_NEXT)
    for printed in (in_json, in_lines):
        assert "OperationalError" in printed, printed
        assert "worker.keeper_failed" in printed
        assert _PASSWORD not in printed
        assert " locals " not in printed, "no traceback shows the values of variables"
