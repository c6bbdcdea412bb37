"""A rogue tablet with a genuine certificate: whatever it sends, rows stay bounded, and no answer unenrolls it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from cartable.audit import AuditEvent
from cartable.clock import ManualClock
from mdm.channel import limits
from mdm.channel.errors import RejectionReason
from mdm.channel.limits import WindowCounter
from mdm.channel.models import ChannelNote
from mdm.devices.models import DeclarativeState, DeviceEnrollment, PushTarget
from mdm.protocol import ddm
from simulator import SimulatedTablet
from tests.support.enrolled import list_note_kinds, run_scenario
from tests.support.server import LiveServer

TOKEN: dict[str, Any] = {"Token": b"t" * 32, "PushMagic": "magic"}


def count_rows(server: LiveServer, model: Any) -> int:
    with server.runtime.open_unit_of_work() as work:
        return work.session.scalar(select(func.count()).select_from(model)) or 0


def read_token(server: LiveServer) -> tuple[bytes, str, str]:
    with server.runtime.open_unit_of_work() as work:
        target = work.session.scalars(select(PushTarget)).one()
        return target.token, target.topic, target.magic


REFUSED_TOKENS: dict[str, tuple[dict[str, Any], RejectionReason]] = {
    "foreign topic": ({"Topic": "com.apple.mgmt.External.foreign"}, RejectionReason.WRONG_TOPIC),
    "huge token": ({"Token": b"t" * 100_000}, RejectionReason.TOO_LARGE),
    "no token": ({"Token": b""}, RejectionReason.TOO_LARGE),
    "no magic": ({"PushMagic": ""}, RejectionReason.TOO_LARGE),
    "huge magic": ({"PushMagic": "m" * 1000}, RejectionReason.TOO_LARGE),
}


def test_what_cannot_be_genuine_is_refused_and_what_was_stored_stays(server: LiveServer) -> None:
    async def scenario(tablet: SimulatedTablet) -> None:
        send, before = tablet.channel.send_check_in, read_token(server)
        for name, (change, reason) in REFUSED_TOKENS.items():
            response = await send("TokenUpdate", TOKEN | change)
            assert (response.status, response.body) == (400, b""), name
            assert read_token(server) == before, name
            assert reason in list_note_kinds(server), name
        assert (await send("TokenUpdate", TOKEN)).status == 200
        assert (await send("Authenticate", {"Topic": "com.apple.mgmt.External.foreign"})).status == 400
        assert (await send("SetBootstrapToken", {"BootstrapToken": b"b" * 100_000})).status == 400
        assert (await send("SetBootstrapToken", {"BootstrapToken": b"b" * 100})).status == 200
        assert (await send("GetBootstrapToken", {})).body
        assert (await tablet.poll()).request_types, "it is still enrolled"

    run_scenario(server, scenario)


def test_users_notes_reports_and_events_of_a_rogue_tablet_stay_bounded(
    server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mdm.channel.authenticate.MAX_USER_CHANNELS", 5)
    monkeypatch.setattr("mdm.channel.repository.MAX_NOTES_PER_HOUR", 4)
    monkeypatch.setattr(ddm, "MAX_STATUS", 4096)

    async def scenario(tablet: SimulatedTablet) -> None:
        send = tablet.channel.send_check_in
        events = count_rows(server, AuditEvent)
        statuses = {(await tablet.channel.send_user_check_in(f"user-{n}", "TokenUpdate", TOKEN)).status for n in range(8)}
        assert statuses == {200, 400}
        assert count_rows(server, DeviceEnrollment) == 1 + 5
        for number in range(12):
            await send("TokenUpdate", TOKEN | {f"Unknown{number}": number})
            await send("Nonsense", {"UDID": f"SOMEBODY-{number}"})
            report = {"StatusItems": {"device": {f"item-{number}": "x" * 1000}}}
            response = await tablet.channel.send_declarative_management("status", report)
            assert response.status == 200
        assert count_rows(server, ChannelNote) <= 4
        with server.runtime.open_unit_of_work() as work:
            [state] = work.session.scalars(select(DeclarativeState)).all()
            assert len(json.dumps(state.status_items)) <= 4096
        assert count_rows(server, AuditEvent) == events
        monkeypatch.setattr(limits, "MAX_LIFE_CYCLE_MESSAGES_PER_HOUR", 10)
        assert (await send("TokenUpdate", TOKEN)).status == 503, "it comes again later by itself"
        assert (await tablet.poll()).request_types, "what leaves nothing goes on"

    run_scenario(server, scenario)


def test_a_window_counts_each_key_and_forgets_all_when_it_ends(clock: ManualClock) -> None:
    counter = WindowCounter(timedelta(minutes=1))
    assert [counter.admit(key, clock.now(), 2) for key in "aaab"] == [True, True, False, True]
    clock.advance(timedelta(minutes=1))
    assert counter.admit("a", clock.now(), 2)
    clock.advance(timedelta(days=-1))
    assert counter.admit("a", clock.now(), 2), "a clock that was set back does not lock anybody out"
