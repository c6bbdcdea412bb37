"""Tokens over their life and what people do by the API: upload, renewal, another entry's token, warnings, walls."""

from __future__ import annotations

import plistlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import jwt
import pytest
from cryptography import x509
from sqlalchemy import Engine, select

from cartable.clock import ManualClock
from cartable.errors import Forbidden
from cartable.outbox import Topic
from cartable.scope import SYSTEM, Actor, Role, RoleAssignment
from enrollment.joining.ade import service
from enrollment.joining.ade.errors import OtherPortalServer, ServerTokenExpired, ServerTokenInUse
from enrollment.joining.ade.models import AdeServer
from enrollment.joining.ade.testserver import Portal, serve
from enrollment.tablets.models import Tablet
from mdm.channel.errors import DeviceRequestRejected
from mdm.channel.handlers import handle_checkin
from mdm.devices.models import DeviceEnrollment, EnrollmentState, LastSeen
from mdm.protocol import checkin
from mdm.worker.handlers import drain
from tests.conftest import KEYRING
from tests.enrollment.joining.ade.conftest import Assigned
from tests.support.server import LiveServer, start_live_server
from tests.support.world import TownFactory


def install(assigned: Assigned, portal: Portal, reason: str | None = None, **given: Any) -> None:
    with assigned.runtime.open_unit_of_work() as work:
        server = work.session.get_one(AdeServer, assigned.server_id)
        service.install_token(work, SYSTEM, server.id, portal.build_token_file(server.certificate, **given), reason)


def test_a_renewal_keeps_everything(assigned: Assigned) -> None:
    assigned.portal.add_device("DMP00000")
    assigned.sync()
    before = assigned.server()
    assigned.portal.access_token = "AT_new"
    install(assigned, assigned.portal)
    assert assigned.server().cursor == before.cursor
    asked = len(assigned.portal.requests)
    assert assigned.sync().error is None
    assert "POST /server/devices" not in assigned.portal.requests[asked:]


def test_the_token_of_another_entry_needs_a_reason_and_starts_anew(assigned: Assigned) -> None:
    assigned.portal.add_device("DMP00000")
    assigned.sync()
    other = Portal(consumer_key="CK_other", server_uuid="OTHER", now=assigned.portal.now)
    with pytest.raises(OtherPortalServer):
        install(assigned, other)
    assert assigned.server().consumer_key == "CK_portal", "nothing half-written"
    install(assigned, other, "the entry was deleted by mistake")
    other.add_device("DMP00001")
    with serve(other) as url:
        assigned.runtime.settings = assigned.runtime.settings.model_copy(update={"device_assignment_url": url})
        assert assigned.sync().error is None
    assert assigned.present() == {"DMP00001"}
    assert assigned.server().server_uuid == "OTHER"


def test_a_token_of_two_servers_would_end_its_own_sessions(assigned: Assigned) -> None:
    with assigned.runtime.open_unit_of_work() as work:
        second = service.create_server(work, SYSTEM, assigned.town_id, "Second")
        with pytest.raises(ServerTokenInUse):
            service.install_token(work, SYSTEM, second.id, assigned.portal.build_token_file(second.certificate))


def test_a_token_that_speaks_for_another_entry_than_before_writes_nothing(assigned: Assigned) -> None:
    assigned.portal.add_device("DMP00000")
    assigned.sync()
    assigned.portal.server_uuid = "ELSEWHERE"
    assigned.portal.remove_device("DMP00000")
    assigned.sync()
    assert assigned.server().alarm == "other_server"
    assert assigned.present() == {"DMP00000"}


def test_a_token_that_is_over_is_refused_and_one_that_runs_out_raises_an_alarm(assigned: Assigned) -> None:
    with pytest.raises(ServerTokenExpired):
        install(assigned, assigned.portal, days=-1)
    assigned.clock.advance(timedelta(days=365))
    asked = len(assigned.portal.requests)
    assigned.sync()
    assert assigned.server().alarm == "token_expired"
    assert len(assigned.portal.requests) == asked
    install(assigned, assigned.portal)
    assert assigned.server().alarm is None


def test_who_does_not_govern_installs_nothing(assigned: Assigned) -> None:
    technician = Actor(None, "t", (RoleAssignment(Role.TECHNICIAN, assigned.town_id),))
    with assigned.runtime.open_unit_of_work() as work:
        with pytest.raises(Forbidden):
            service.create_server(work, technician, assigned.town_id, "x")
        with pytest.raises(Forbidden):
            service.install_token(work, technician, assigned.server_id, b"x")
        service.request_sync(work, technician, assigned.server_id)


def said(assigned: Assigned, serial: str, service_type: str) -> dict[str, Any]:
    with assigned.runtime.open_unit_of_work() as work:
        tablet = work.session.scalars(select(Tablet).where(Tablet.serial == serial)).one()
        row = DeviceEnrollment(
            town_id=tablet.town_id, tablet_id=tablet.id, channel_key="U1", udid="U1", generation=1,
            state=EnrollmentState.ENROLLED, fingerprint="f", topic="t", authenticated_at=work.now,
        )  # fmt: skip
        work.session.add(row)
        work.session.flush()
        work.session.add(LastSeen(enrollment_id=row.id, last_seen_at=work.now))
        work.session.flush()
        message = checkin.parse_checkin({"MessageType": "GetToken", "UDID": "U1", "TokenServiceType": service_type})
        return dict(plistlib.loads(handle_checkin(work, message, "f").body))


def test_a_tablet_gets_a_token_for_its_managed_account_signed_with_the_servers_key(assigned: Assigned) -> None:
    assigned.portal.add_device("DMP00000")
    assigned.sync()
    token = said(assigned, "DMP00000", "com.apple.maid")["TokenData"]
    key = x509.load_pem_x509_certificate(assigned.server().certificate.encode()).public_key()
    claims = jwt.decode(token, key, ["RS256"], options={"verify_iat": False})  # type: ignore[arg-type]
    assert (claims["iss"], claims["service_type"]) == (assigned.portal.server_uuid, "com.apple.maid")
    assert claims["iat"] == int(assigned.clock.now().timestamp())
    assert claims["jti"]


@pytest.mark.parametrize("service_type", ["com.apple.watch.pairing", "com.apple.maid"])
def test_other_tokens_and_tablets_that_apple_does_not_assign_get_none(assigned: Assigned, service_type: str) -> None:
    with assigned.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        world.create_tablet(world.create_town(), serial="DMP00000")
    with pytest.raises(DeviceRequestRejected) as refusal:
        said(assigned, "DMP00000", service_type)
    assert refusal.value.status == 400


@pytest.fixture
def live(engine: Engine, tmp_path: Path, portal: Portal, clock: ManualClock) -> Iterator[LiveServer]:
    import time

    portal.now = time.time
    with serve(portal) as url, start_live_server(engine, KEYRING, tmp_path / "data", device_assignment_url=url) as running:
        yield running


def test_a_town_sets_up_its_server_by_the_api(live: LiveServer, portal: Portal) -> None:
    with live.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town, other = world.create_town(), world.create_town()
    admin, stranger = live.sign_in(town.id, Role.TOWN_ADMIN, "admin"), live.sign_in(other.id, Role.TOWN_ADMIN, "stranger")
    technician = live.sign_in(town.id, Role.TECHNICIAN, "technician")
    try:
        _set_up(live, portal, town.id, admin, technician, stranger)
    finally:
        for client in (admin, stranger, technician):
            client.close()


def _set_up(
    live: LiveServer, portal: Portal, town_id: UUID, admin: httpx.Client, technician: httpx.Client, stranger: httpx.Client
) -> None:
    assert technician.post(f"/towns/{town_id}/ade-servers", json={"name": "Ville"}).status_code == 403
    made = admin.post(f"/towns/{town_id}/ade-servers", json={"name": "Ville"})
    assert (made.status_code, made.json()["has_token"]) == (201, False)
    assert admin.post(f"/towns/{town_id}/ade-servers", json={"name": "Ville"}).status_code == 409
    path = f"/ade-servers/{made.json()['id']}"
    assert admin.post(path + "/sync").json()["code"] == "assignment_no_token"
    pem = admin.get(path + "/certificate")
    assert pem.text.startswith("-----BEGIN CERTIFICATE-----")
    assert "attachment" in pem.headers["content-disposition"]
    assert technician.get(path + "/certificate").status_code == 403

    def upload(content: bytes, **form: str) -> httpx.Response:
        return admin.put(path + "/token", files={"file": ("x_smime.p7m", content)}, data=form)

    for bad, code in ((b"", "assignment_token_bad"), (b"x" * 70_000, "assignment_token_bad"),
                      (portal.build_token_file(pem.text, days=-2), "assignment_token_expired")):  # fmt: skip
        refused = upload(bad)
        assert refused.json()["code"] == code
        assert 400 <= refused.status_code < 500
    assert upload(portal.build_token_file(pem.text, days=20)).json()["warning"] == 30
    for number in range(3):
        portal.add_device(f"DMP{number:05d}")
    portal.add_device("C02ABCDEFGH1", device_family="Mac")
    drain(live.runtime, Topic.ADE_SYNC)
    state = technician.get(path).json()
    assert (state["devices"], state["waiting"], state["alarm"], state["org_name"]) == (
        {"here": 3, "not_a_tablet": 1}, 0, None, "Ville"
    )  # fmt: skip
    page = technician.get(path + "/devices", params={"limit": 2}).json()
    first = page["items"]
    rest = technician.get(path + "/devices", params={"cursor": page["next_cursor"]}).json()["items"]
    assert [row["serial"] for row in first + rest] == ["C02ABCDEFGH1", "DMP00000", "DMP00001", "DMP00002"]
    assert [row["tablet_id"] is not None for row in first] == [False, True]
    assert len(technician.get(path + "/devices", params={"status": "not_a_tablet"}).json()["items"]) == 1
    assert technician.post(path + "/sync").status_code == 202
    changed = admin.put(path + "/profile", json={"department": "Écoles", "skipped": ["Siri"]})
    assert (changed.status_code, changed.json()["skipped"]) == (200, ["Siri"])
    assert admin.put(path + "/profile", json={"skipped": ["<x>"]}).status_code == 422
    locked = admin.post(f"/tablets/{first[1]['tablet_id']}/activation-lock", json={"reason": "stolen at school"})
    assert (locked.status_code, len(locked.json()["bypass_code"])) == (202, 31)
    assert technician.post(f"/tablets/{first[1]['tablet_id']}/activation-lock", json={"reason": "x y"}).status_code == 403
    assert stranger.get(path).status_code == stranger.get(path + "/devices").status_code == 404
    assert stranger.get("/ade-servers").json()["items"] == []
    portal.scripted_responses = [("/account", 403, b"T_C_NOT_SIGNED", {})]
    with live.runtime.open_unit_of_work() as work:
        work.session.get_one(AdeServer, UUID(made.json()["id"])).paused_until = None
    service.sync_server(live.runtime, UUID(made.json()["id"]))
    alarms = technician.get("/system/state").json()["ade_servers"]
    assert [(each["alarm"], each["warning"]) for each in alarms] == [("terms_not_signed", 30)]
    assert stranger.get("/system/state").json()["ade_servers"] == []
