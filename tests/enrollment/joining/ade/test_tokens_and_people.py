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
from enrollment.joining.ade import service, syncing
from enrollment.joining.ade.errors import OtherPortalServer, ServerTokenExpired, ServerTokenInUse
from enrollment.joining.ade.models import AdeServer
from enrollment.joining.ade.testserver import Portal, serve
from enrollment.tablets.models import Tablet
from mdm.channel.errors import DeviceRequestRejected
from mdm.channel.handlers import handle_checkin
from mdm.protocol import checkin
from mdm.worker.drains import drain
from tests.conftest import KEYRING
from tests.enrollment.joining.ade.conftest import AdeSetup
from tests.support.server import LiveServer, start_live_server
from tests.support.world import TownFactory

#: It goes over the wire, and its SQL is in repositories. In what two meet, both databases count.
pytestmark = pytest.mark.one_database


def install(ade: AdeSetup, portal: Portal, reason: str | None = None, **given: Any) -> None:
    with ade.runtime.open_unit_of_work() as work:
        server = work.session.get_one(AdeServer, ade.server_id)
        service.install_token(work, SYSTEM, server.id, portal.build_token_file(server.certificate, **given), reason)


def test_a_renewal_keeps_everything(ade: AdeSetup) -> None:
    ade.portal.add_device("DMP00000")
    ade.sync()
    before = ade.server()
    ade.portal.access_token = "AT_new"
    install(ade, ade.portal)
    assert ade.server().cursor == before.cursor
    asked = len(ade.portal.requests)
    assert ade.sync().error is None
    assert "POST /server/devices" not in ade.portal.requests[asked:]


def test_the_token_of_another_mdm_server_needs_a_reason_and_starts_a_full_fetch(ade: AdeSetup) -> None:
    ade.portal.add_device("DMP00000")
    ade.sync()
    other = Portal(consumer_key="CK_other", server_uuid="OTHER", now=ade.portal.now)
    with pytest.raises(OtherPortalServer):
        install(ade, other)
    assert ade.server().consumer_key == "CK_portal", "nothing half-written"
    install(ade, other, "the entry was deleted by mistake")
    other.add_device("DMP00001")
    with serve(other) as url:
        ade.runtime.settings = ade.runtime.settings.model_copy(update={"device_assignment_url": url})
        assert ade.sync().error is None
    assert ade.present() == {"DMP00001"}
    assert ade.server().server_uuid == "OTHER"


def test_a_token_is_used_by_one_server_only(ade: AdeSetup) -> None:
    with ade.runtime.open_unit_of_work() as work:
        second = service.create_server(work, SYSTEM, ade.town_id, "Second")
        with pytest.raises(ServerTokenInUse):
            service.install_token(work, SYSTEM, second.id, ade.portal.build_token_file(second.certificate))


def test_a_token_that_belongs_to_another_mdm_server_changes_nothing(ade: AdeSetup) -> None:
    ade.portal.add_device("DMP00000")
    ade.sync()
    ade.portal.server_uuid = "ELSEWHERE"
    ade.portal.remove_device("DMP00000")
    ade.sync()
    assert ade.server().alarm == "other_server"
    assert ade.present() == {"DMP00000"}


def test_an_expired_token_is_refused_and_one_that_expires_raises_an_alarm(ade: AdeSetup) -> None:
    with pytest.raises(ServerTokenExpired):
        install(ade, ade.portal, days=-1)
    ade.clock.advance(timedelta(days=365))
    asked = len(ade.portal.requests)
    ade.sync()
    assert ade.server().alarm == "token_expired"
    assert len(ade.portal.requests) == asked
    install(ade, ade.portal)
    assert ade.server().alarm is None


def test_installing_a_token_needs_the_permission_to_govern(ade: AdeSetup) -> None:
    technician = Actor(None, "t", (RoleAssignment(Role.TECHNICIAN, ade.town_id),))
    with ade.runtime.open_unit_of_work() as work:
        with pytest.raises(Forbidden):
            service.create_server(work, technician, ade.town_id, "x")
        with pytest.raises(Forbidden):
            service.install_token(work, technician, ade.server_id, b"x")
        service.request_sync(work, technician, ade.server_id)


def request_service_token(ade: AdeSetup, serial: str, service_type: str) -> dict[str, Any]:
    with ade.runtime.open_unit_of_work() as work:
        tablet = work.session.scalars(select(Tablet).where(Tablet.serial == serial)).one()
        TownFactory(work).enroll_tablet(tablet, udid="U1", last_seen_at=work.now)
        message = checkin.parse_checkin({"MessageType": "GetToken", "UDID": "U1", "TokenServiceType": service_type})
        return dict(plistlib.loads(handle_checkin(work, message, "U1").body))


def test_a_tablet_gets_a_token_for_its_managed_account_signed_with_the_servers_key(ade: AdeSetup) -> None:
    ade.portal.add_device("DMP00000")
    ade.sync()
    token = request_service_token(ade, "DMP00000", "com.apple.maid")["TokenData"]
    key = x509.load_pem_x509_certificate(ade.server().certificate.encode()).public_key()
    claims = jwt.decode(token, key, ["RS256"], options={"verify_iat": False})  # type: ignore[arg-type]
    assert (claims["iss"], claims["service_type"]) == (ade.portal.server_uuid, "com.apple.maid")
    assert claims["iat"] == int(ade.clock.now().timestamp())
    assert claims["jti"]


@pytest.mark.parametrize("service_type", ["com.apple.watch.pairing", "com.apple.maid"])
def test_other_services_and_unassigned_tablets_get_no_token(ade: AdeSetup, service_type: str) -> None:
    with ade.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        world.create_tablet(world.create_town(), serial="DMP00000")
    with pytest.raises(DeviceRequestRejected) as refusal:
        request_service_token(ade, "DMP00000", service_type)
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
    assert admin.post(path + "/sync").json()["code"] == "ade_no_token"
    pem = admin.get(path + "/certificate")
    assert pem.text.startswith("-----BEGIN CERTIFICATE-----")
    assert "attachment" in pem.headers["content-disposition"]
    assert technician.get(path + "/certificate").status_code == 403

    def upload(content: bytes, **form: str) -> httpx.Response:
        return admin.put(path + "/token", files={"file": ("x_smime.p7m", content)}, data=form)

    for bad, code in ((b"", "ade_token_invalid"), (b"x" * 70_000, "ade_token_invalid"),
                      (portal.build_token_file(pem.text, days=-2), "ade_token_expired")):  # fmt: skip
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
        {"active": 3, "not_a_tablet": 1}, 0, None, "Ville"
    )  # fmt: skip
    page = technician.get(path + "/devices", params={"limit": 2}).json()
    first = page["items"]
    rest = technician.get(path + "/devices", params={"cursor": page["next_cursor"]}).json()["items"]
    assert [row["serial"] for row in first + rest] == ["C02ABCDEFGH1", "DMP00000", "DMP00001", "DMP00002"]
    assert [row["tablet_id"] is not None for row in first] == [False, True]
    assert len(technician.get(path + "/devices", params={"status": "not_a_tablet"}).json()["items"]) == 1
    assert technician.post(path + "/sync").status_code == 202
    changed = admin.put(path + "/profile", json={"department": "Écoles", "skip_setup_items": ["Siri"]})
    assert (changed.status_code, changed.json()["skip_setup_items"]) == (200, ["Siri"])
    assert admin.put(path + "/profile", json={"skip_setup_items": ["<x>"]}).status_code == 422
    locked = admin.post(f"/tablets/{first[1]['tablet_id']}/activation-lock", json={"reason": "stolen at school"})
    assert (locked.status_code, len(locked.json()["bypass_code"])) == (202, 31)
    assert technician.post(f"/tablets/{first[1]['tablet_id']}/activation-lock", json={"reason": "x y"}).status_code == 403
    assert stranger.get(path).status_code == stranger.get(path + "/devices").status_code == 404
    assert stranger.get("/ade-servers").json()["items"] == []
    portal.scripted_responses = [("/account", 403, b"T_C_NOT_SIGNED", {})]
    with live.runtime.open_unit_of_work() as work:
        work.session.get_one(AdeServer, UUID(made.json()["id"])).paused_until = None
    syncing.sync_server(live.runtime, UUID(made.json()["id"]))
    alarms = technician.get("/system/state").json()["ade_servers"]
    assert [(each["alarm"], each["warning"]) for each in alarms] == [("terms_not_signed", 30)]
    assert stranger.get("/system/state").json()["ade_servers"] == []
