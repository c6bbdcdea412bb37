"""Anybody reads the daily roots, and a stranger proves with the script of the guide, without Cartable, that a town's events are part of one."""

from __future__ import annotations

import base64
import contextlib
import hmac
import json
import re
import ssl
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from sqlalchemy import Engine

from cartable import audit
from cartable.clock import ManualClock
from cartable.outbox import OutboxRow, Topic
from cartable.scope import SYSTEM, Role
from cartable.unit_of_work import Runtime
from mdm.privacy.audit_jobs import write_anchors
from mdm.worker.drains import drain
from tests.conftest import KEYRING
from tests.support.mail_server import WebhookReceiver, start_webhook_receiver
from tests.support.server import LiveServer, start_live_server
from tests.support.world import TownFactory

GUIDE = Path(__file__).parents[3] / "docs/operator/records.md"
PAGE = "/.well-known/cartable-audit-roots"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime.now(UTC))


@pytest.fixture
def server(engine: Engine, tmp_path: Path, clock: ManualClock) -> Iterator[LiveServer]:
    with start_live_server(engine, KEYRING, tmp_path / "data", clock) as running:
        yield running


def record_and_anchor(runtime: Runtime, *town_ids: UUID) -> None:
    with runtime.open_unit_of_work() as work:
        for town_id in town_ids:
            audit.record_event(work, SYSTEM, "tablet.refresh", "tablet", 1, town_id=town_id)
    with runtime.open_unit_of_work() as work:
        write_anchors(work)


def test_a_stranger_verifies_the_end_of_a_towns_trail(server: LiveServer, clock: ManualClock, tmp_path: Path) -> None:
    with server.runtime.open_unit_of_work() as work:
        towns = [TownFactory(work).create_town().id for _ in range(3)]
    record_and_anchor(server.runtime, *towns)
    officer = server.sign_in(towns[1], Role.DPO, "officer")
    clock.advance(timedelta(days=1, minutes=10))
    record_and_anchor(server.runtime, *towns)
    with httpx.Client(base_url=server.url, verify=ssl.create_default_context(cafile=str(server.ca)), timeout=20) as stranger:
        page = stranger.get(PAGE)
    assert page.status_code == 200, "no account is needed"
    assert page.headers["cache-control"].startswith("public")
    assert not re.search("town|tablet", page.text), "it tells nothing but hashes"
    assert len(page.json()["roots"]) == 2
    clock.advance(-timedelta(days=1))  # back within the session of the officer
    with contextlib.closing(officer):
        answer = officer.get("/privacy/audit-trail/anchors", params={"town_id": str(towns[1])})
    anchors = answer.raise_for_status().json()
    (tmp_path / "anchors.json").write_text(json.dumps(anchors))
    (tmp_path / "roots.json").write_text(page.text)
    script = re.search(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert script
    (tmp_path / "verify.py").write_text(script[1])

    def verify() -> str:
        command = [sys.executable, "-I", "verify.py", str(towns[1]), "anchors.json", "roots.json"]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    assert verify().startswith("proved by the root of ")
    anchors["daily_root"]["sequence"] -= 1
    (tmp_path / "anchors.json").write_text(json.dumps(anchors))
    assert verify() == "NOT proved\n", "one event fewer is another root"


def test_the_files_are_read_once_in_five_minutes_however_many_ask(server: LiveServer, clock: ManualClock) -> None:
    with httpx.Client(base_url=server.url, verify=ssl.create_default_context(cafile=str(server.ca)), timeout=20) as stranger:
        before = len(stranger.get(PAGE).json()["roots"])
        with server.runtime.open_unit_of_work() as work:
            town_id = TownFactory(work).create_town().id
        clock.advance(timedelta(minutes=4))
        record_and_anchor(server.runtime, town_id)
        assert len(stranger.get(PAGE).json()["roots"]) == before
        clock.advance(timedelta(minutes=1))
        assert len(stranger.get(PAGE).json()["roots"]) == before + 1


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with start_webhook_receiver() as running:
        yield running


def test_each_daily_root_is_posted_signed_and_again_until_it_is_accepted(
    runtime: Runtime, clock: ManualClock, receiver: WebhookReceiver
) -> None:
    secret = base64.b64encode(b"x" * 32).decode()
    update = {"audit_webhook": receiver.url, "audit_webhook_secret": f"whsec_{secret}"}
    runtime.settings = runtime.settings.model_copy(update=update)
    with runtime.open_unit_of_work() as work:
        town_id = TownFactory(work).create_town().id
    record_and_anchor(runtime, town_id)
    receiver.status = 503
    drain(runtime, Topic.AUDIT_ROOT)
    record_and_anchor(runtime, town_id)
    receiver.status = 204
    clock.advance(timedelta(minutes=1))
    drain(runtime, Topic.AUDIT_ROOT)
    (first, body), (second, _) = receiver.received
    assert first["webhook-id"] == second["webhook-id"], "the same root keeps its id"
    content = f"{first['webhook-id']}.{first['webhook-timestamp']}.".encode() + body
    assert first["webhook-signature"] == f"v1,{base64.b64encode(hmac.new(b'x' * 32, content, sha256).digest()).decode()}"
    assert len(json.loads(body)["data"]["root"]) == 64
    with runtime.open_unit_of_work() as work:
        assert work.session.query(OutboxRow).filter(OutboxRow.topic == Topic.AUDIT_ROOT).count() == 0
    clock.advance(timedelta(days=1))
    record_and_anchor(runtime, town_id)
    drain(runtime, Topic.AUDIT_ROOT)
    assert receiver.received[2][0]["webhook-id"] != first["webhook-id"]
