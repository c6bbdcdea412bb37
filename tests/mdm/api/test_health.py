"""What watches the server sees: ready only when it can write, migrated, and with a living batcher; figures for those with the token."""

from __future__ import annotations

import contextlib
import ssl

import httpx
import pytest
from sqlalchemy import Engine, text

from cartable.outbox import JobLane, Topic
from cartable.scope import SYSTEM, Role
from cartable.unit_of_work import Runtime
from cartable.worker_registry import WorkerProcess
from enrollment.places.towns import create_town
from mdm.api.system.health import find_problems
from mdm.channel.batcher import Batcher
from mdm.devices.push_target_repository import PushTargetRepository
from mdm.protocol.commands.security import EraseDevice
from mdm.push.repository import PushRepository
from mdm.push.rules import StopReason
from mdm.queue import service as queue
from tests.mdm.queue.connect_loop import enroll_tablets
from tests.support.server import LiveServer
from tests.support.world import TownFactory

_TOKEN = "a token of the operator"


class _LivingBatcher(Batcher):
    def __init__(self) -> None:
        self._batch_count = self._request_count = 0

    def is_alive(self) -> bool:
        return True


def test_a_server_that_cannot_write_is_not_ready(runtime: Runtime, engine: Engine) -> None:
    assert find_problems(runtime, _LivingBatcher()) == []
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE named_lease RENAME TO hidden"))
    try:
        assert find_problems(runtime, _LivingBatcher()) == ["database_not_writable"]
    finally:
        with engine.begin() as connection:
            connection.execute(text("ALTER TABLE hidden RENAME TO named_lease"))


def test_a_server_with_a_missing_migration_is_not_ready(runtime: Runtime, engine: Engine) -> None:
    with engine.begin() as connection:
        version = connection.scalar(text("SELECT version_num FROM alembic_version"))
        connection.execute(text("DELETE FROM alembic_version"))
    try:
        assert find_problems(runtime, _LivingBatcher()) == ["migration_missing"]
    finally:
        with engine.begin() as connection:
            connection.execute(text("INSERT INTO alembic_version VALUES (:version)"), {"version": version})


def test_what_watches_the_server_sees_its_state(server: LiveServer) -> None:
    with server.runtime.open_unit_of_work() as work:
        town = TownFactory(work).create_town()
        [row, deaf] = enroll_tablets(work, 2)
        PushTargetRepository(work.session).save_push_token(deaf.id, b"t" * 32, "magic", "topic", work.now)
        PushTargetRepository(work.session).mark_token_invalid(deaf.id, work.now, "410 Unregistered", work.now)
        queue.enqueue_command(work, SYSTEM, EraseDevice(), [row.id])
        work.enqueue_job(Topic.RECONCILE, "a", lane=JobLane.BACKGROUND)
        sender = PushRepository(work.session).lock_sender_state()
        sender.stopped_at, sender.stop_reason, sender.stop_detail = work.now, StopReason.SENDER_REFUSED, "TopicDisallowed (7)"
        work.session.add(
            WorkerProcess(id="w", host="h", pid=1, kinds=["pushes"], stuck=[], started_at=work.now, heartbeat_at=work.now)
        )
    with contextlib.closing(server.sign_in(town.id, Role.TOWN_ADMIN, "admin")) as admin:
        state = admin.get("/system/state").json()
    assert (state["invalid_tokens"], state["armed_erases"]) == (1, 1)
    assert state["sender"]["stop_detail"] == "TopicDisallowed (7)"
    assert [(worker["id"], worker["alive"]) for worker in state["workers"]] == [("w", True)]
    assert {(lag["topic"], lag["lane"]) for lag in state["lag"]} >= {("push", "urgent"), ("reconcile", "background")}
    server.runtime.settings = server.runtime.settings.model_copy(update={"metrics_token": _TOKEN})
    with httpx.Client(base_url=server.url, verify=False) as client:
        assert client.get("/readyz").json() == {"status": "ready", "problems": [], "warnings": []}
        assert client.get("/metrics").status_code == 404
        metrics = client.get("/metrics", headers={"Authorization": f"Bearer {_TOKEN}"}).text
    for line in (
        'cartable_jobs_waiting{topic="push",lane="urgent"} 1',
        "cartable_push_sender_stopped 1",
        "cartable_push_tokens_invalid 1",
        "cartable_erases_armed 1",
        "cartable_workers 1",
    ):
        assert line in metrics.splitlines(), metrics


@pytest.mark.parametrize("token", ["", _TOKEN])
def test_without_the_token_there_are_no_metrics(server: LiveServer, token: str) -> None:
    server.runtime.settings = server.runtime.settings.model_copy(update={"metrics_token": token})
    with httpx.Client(base_url=server.url, verify=False) as client:
        assert client.get("/metrics", headers={"Authorization": "Bearer wrong"}).status_code == 404


def test_a_proxy_learns_which_names_may_have_a_certificate(server: LiveServer) -> None:
    with server.runtime.open_unit_of_work() as work:
        create_town(work, SYSTEM, name="Ici", host="tablets.ici.example")
    names = {
        "tablets.ici.example": 200,
        "TABLETS.ICI.EXAMPLE.": 200,
        "localhost": 200,
        "ici.example": 404,
        "": 404,
        "x" * 3000: 404,
    }
    with httpx.Client(base_url=server.url, verify=ssl.create_default_context(cafile=str(server.ca))) as client:
        assert {name: client.get("/tls/known-host", params={"domain": name}).status_code for name in names} == names
