"""The page of Apple School Manager: a certificate goes out, a token comes in, and devices are read, without the API."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from cartable.scope import Role
from enrollment.joining.ade.models import AdeAlarm, AdeServer
from enrollment.joining.ade.rules import DEFAULT_SKIP_ITEMS
from enrollment.joining.ade.testserver import Portal
from enrollment.joining.apple_school_manager.testserver import Organisation
from enrollment.places.models import Town
from mdm.console.setup.labels import ADE_ALARMS
from mdm.console.setup.panes import PANES
from tests.mdm.console.conftest import Person
from tests.mdm.console.forms import read, send
from tests.support.accounts import PASSWORD
from tests.support.server import LiveServer
from tests.support.world import TownFactory

PAGE = "/apple-school-manager"


@pytest.fixture
def town_id(server: LiveServer) -> UUID:
    with server.runtime.open_unit_of_work() as work:
        return TownFactory(work).create_town("Valmont").id


def upload(admin: Person, server_id: str, content: bytes, **fields: str) -> httpx.Response:
    """Send a token as the page does, with the password when it is asked for."""
    path, files = f"{PAGE}/servers/{server_id}/token", {"token": ("ville_smime.p7m", content)}
    answer = admin.client.post(path, data={"csrf": admin.csrf, **fields}, files=files)
    if "confirm_password" in answer.text:
        kept = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', answer.text)) | {"csrf": admin.csrf}
        answer = admin.client.post(f"{path}?confirm=password", data={**kept, "confirm_password": PASSWORD})
    return answer


def test_from_the_certificate_to_the_token(server: LiveServer, person: Callable[..., Person], town_id: UUID) -> None:
    admin = person(town_id, Role.TOWN_ADMIN)
    assert send(admin, f"{PAGE}/{town_id}/servers", name="Cartable Valmont").status_code == 303
    twice = send(admin, f"{PAGE}/{town_id}/servers", name="Cartable Valmont")
    assert twice.status_code == 409
    page = admin.client.get(f"{PAGE}?town={town_id}")
    [server_id] = re.findall(rf'href="{PAGE}/servers/([^/]+)/certificate.pem"', page.text)
    certificate = admin.client.get(f"{PAGE}/servers/{server_id}/certificate.pem").text
    assert certificate.startswith("-----BEGIN CERTIFICATE")
    portal = Portal()
    refused = upload(admin, server_id, b"no token")
    assert (refused.status_code, "jeton" in read(refused)) == (422, True)
    installed = upload(admin, server_id, portal.build_token_file(certificate))
    assert installed.status_code == 303, installed.text
    page = admin.client.get(f"{PAGE}?town={town_id}")
    assert "Jeton valable jusqu'au" in read(page)
    other = Portal()
    asked = upload(admin, server_id, other.build_token_file(certificate, consumer_key="CK_other"))
    assert (asked.status_code, 'name="reason"' in asked.text) == (409, True), "another entry of the portal needs a reason"
    with server.runtime.open_unit_of_work() as work:
        row = work.session.query(AdeServer).one()
        row.alarm, row.token_expires_at = AdeAlarm.TERMS, work.now + timedelta(days=10)
    page = admin.client.get(f"{PAGE}?town={town_id}")
    assert "nouvelles conditions" in read(page)
    assert 'class="warn"' in page.text
    assert send(admin, f"{PAGE}/servers/{server_id}/sync").status_code == 303


def test_what_a_new_ipad_shows_and_its_school_are_set_on_a_page(
    server: LiveServer, person: Callable[..., Person], town_id: UUID
) -> None:
    admin = person(town_id, Role.TOWN_ADMIN)
    send(admin, f"{PAGE}/{town_id}/servers", name="Cartable Valmont")
    with server.runtime.open_unit_of_work() as work:
        world, row = TownFactory(work), work.session.query(AdeServer).one()
        server_id, school = row.id, world.create_school(work.session.get_one(Town, town_id))
        row.skip_setup_items = [*row.skip_setup_items, "PaneOfTomorrow"]
        school_id, foreign_id = school.id, world.create_school(world.create_town("Autreville")).id
    path = f"{PAGE}/servers/{server_id}/profile"
    page = admin.client.get(path)
    assert page.text.count("checked") == len(PANES), "all that an iPad can skip is skipped at first"
    shown = {"department": "Écoles", "phone": "01 02", "email": "aide@valmont.example", "pane-Siri": "yes", "pane-Forged": "yes"}
    assert send(admin, path, **shown, school=school_id).status_code == 303
    assert "Noté" in read(admin.client.get(f"{PAGE}?town={town_id}&done=profile"))
    for wrong in (foreign_id, "no id"):
        assert send(admin, path, **shown, school=wrong).status_code in (404, 422)
    with server.runtime.open_unit_of_work() as work:
        row = work.session.query(AdeServer).one()
        assert (row.department, row.support_phone, row.support_email) == ("Écoles", "01 02", "aide@valmont.example")
        assert (row.skip_setup_items, row.school_id) == (["PaneOfTomorrow", "Siri"], school_id)
    assert f'<option value="{school_id}" selected>' in admin.client.get(path).text


def test_the_key_of_the_organisation_is_installed_by_the_page(
    server: LiveServer, person: Callable[..., Person], town_id: UUID
) -> None:
    admin, organisation = person(town_id, Role.TOWN_ADMIN), Organisation()
    fields = {"kind": "school", "client_id": organisation.client_id, "key_id": organisation.key_id}
    refused = send(admin, f"{PAGE}/{town_id}/key", **fields, key="no key")
    assert (refused.status_code, "clé privée" in read(refused)) == (422, True)
    key = organisation.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    assert send(admin, f"{PAGE}/{town_id}/key", **fields, key=key).status_code == 303
    page = admin.client.get(f"{PAGE}?town={town_id}")
    assert organisation.client_id in page.text
    assert "PRIVATE KEY" not in page.text
    helper = person(town_id, Role.TECHNICIAN)
    assert send(helper, f"{PAGE}/{town_id}/key", **fields, key=key).status_code in (403, 404)


def test_all_panes_that_are_skipped_at_first_have_a_name() -> None:
    assert PANES.keys() == set(DEFAULT_SKIP_ITEMS)


def test_the_checklist_leads_here(person: Callable[..., Person], town_id: UUID) -> None:
    admin = person(town_id, Role.TOWN_ADMIN)
    checklist = admin.client.get("/start").text
    assert f'href="{PAGE}?town={town_id}"' in checklist
    assert 'href="/system/push-certificate"' in checklist


def test_others_do_not_open_it(server: LiveServer, person: Callable[..., Person], town_id: UUID) -> None:
    with server.runtime.open_unit_of_work() as work:
        other_id = TownFactory(work).create_town("Autreville").id
    owner, stranger, helper = (
        person(town_id, Role.TOWN_ADMIN), person(other_id, Role.TOWN_ADMIN), person(town_id, Role.TECHNICIAN),
    )  # fmt: skip
    send(owner, f"{PAGE}/{town_id}/servers", name="Cartable")
    with server.runtime.open_unit_of_work() as work:
        server_id = work.session.query(AdeServer).one().id
    assert helper.client.get(PAGE).status_code == 404
    for guest in (stranger, helper):
        assert guest.client.get(f"{PAGE}/servers/{server_id}/certificate.pem").status_code in (403, 404)
        assert upload(guest, str(server_id), b"anything").status_code in (403, 404)


def test_each_alarm_says_what_to_do() -> None:
    assert ADE_ALARMS.keys() == set(AdeAlarm)
