"""One trace from a person's act to the tablet's acknowledgement, received by a collector; nothing personal or secret is in it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, update

from cartable import tracing
from cartable.scope import Role
from enrollment.tablets.models import Tablet
from mdm.devices.models import PushTarget
from mdm.queue.models import CommandBody
from simulator import SimulatedTablet
from tests.conftest import KEYRING
from tests.support.enrolled import run_scenario
from tests.support.server import LiveServer, start_live_server
from tests.support.trace_collector import TraceCollector, run_collector

pytestmark = pytest.mark.one_database


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[TraceCollector]:
    """A collector that this process sends its traces to, as the environment says."""
    with run_collector() as running:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", running.url)
        tracing.configure_tracing("cartable-test")
        yield running
        tracing.stop_tracing()


@pytest.fixture
def server(collector: TraceCollector, engine: Engine, tmp_path: Path) -> Iterator[LiveServer]:
    with start_live_server(engine, KEYRING, tmp_path / "data") as running:
        yield running


def give_restart(server: LiveServer) -> list[str]:
    """Sign in as a person and restart the only tablet. Returns what no trace may contain."""
    with server.runtime.open_unit_of_work() as work:
        tablet = work.session.query(Tablet).one()
        work.session.execute(update(PushTarget).values(pushed_at=None))  # else the next push would wait three seconds
    with contextlib.closing(server.sign_in(tablet.town_id, Role.TOWN_ADMIN, "odile.personne")) as client:
        answer = client.post(f"/tablets/{tablet.id}/commands", json={"kind": "restart"})
        assert answer.status_code == 202, answer.text
        assert client.get(f"{server.url}/join/secret-of-an-invitation").status_code == 404
        token = str(client.headers["Authorization"]).removeprefix("Bearer ")
    return [tablet.serial, tablet.tag, str(tablet.id), "odile.personne", "secret-of-an-invitation", token]


def test_a_trace_leads_from_the_act_to_the_acknowledgement(server: LiveServer, collector: TraceCollector) -> None:
    private: list[str] = []

    async def act(tablet: SimulatedTablet) -> None:
        private.extend(await asyncio.to_thread(give_restart, server))
        private.append(tablet.udid)
        await asyncio.to_thread(server.run_worker)
        await tablet.poll()
        await asyncio.to_thread(server.run_worker)

    run_scenario(server, act)
    tracing.stop_tracing()
    trace = collector.list_trace("POST /tablets/{tablet_id}/commands")
    names = [span.name for span in trace]
    steps = ["POST /tablets/{tablet_id}/commands", "INSERT command_body", "job.push", "command.deliver", "command.result"]
    assert [name for name in names if name in steps] == steps
    result = trace[names.index("command.result")]
    attributes = {each.key: each.value.string_value or each.value.int_value for each in result.attributes}
    assert (attributes["command.type"], attributes["command.status"]) == ("RestartDevice", "Acknowledged")
    assert result.parent_span_id in {span.span_id for span in trace}
    for secret in private:
        assert secret.encode() not in collector.received, secret


def test_nothing_is_stored_or_opened_while_traces_are_off(engine: Engine, tmp_path: Path) -> None:
    assert not tracing.is_enabled()

    async def act(_tablet: SimulatedTablet) -> None:
        await asyncio.to_thread(give_restart, running)

    with start_live_server(engine, KEYRING, tmp_path / "data") as running:
        run_scenario(running, act)
        with running.runtime.open_unit_of_work() as work:
            assert {row.traceparent for row in work.session.query(CommandBody)} == {None}
