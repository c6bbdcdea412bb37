"""The organisation's own list over HTTP: assertion, tokens, pages, errors, and what it tells of devices that are not ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy import Engine, select

from cartable.clock import ManualClock
from cartable.outbox import OutboxRow, Topic
from cartable.paging import FIRST_PAGE
from cartable.scope import SYSTEM, Role
from cartable.unit_of_work import Runtime
from enrollment.joining.ade import service as assignment
from enrollment.joining.ade.models import AdeDevice
from enrollment.joining.apple_school_manager import service
from enrollment.joining.apple_school_manager.client import ApiKey, SchoolManagerClient
from enrollment.joining.apple_school_manager.errors import InvalidOrganisationKey
from enrollment.joining.apple_school_manager.models import KeyKind, OrganisationDevice, OrganisationKey
from enrollment.joining.apple_school_manager.ports import OrganisationError, OrganisationErrorKind
from enrollment.joining.apple_school_manager.repository import AssignmentStatus, OrganisationRepository
from enrollment.joining.apple_school_manager.testserver import Organisation, serve
from mdm.worker.drains import drain
from tests.conftest import KEYRING
from tests.support.server import start_live_server
from tests.support.world import TownFactory


def pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def key_of(organisation: Organisation) -> ApiKey:
    return ApiKey(KeyKind.SCHOOL, organisation.client_id, organisation.key_id, pem(organisation.key))


@pytest.fixture
def organisation() -> Organisation:
    made = Organisation(servers={"S1": "Ville", "S2": "Ancien MDM"})
    made.devices = {"DMP00001": "S1", "DMP00002": "S1", "DMP00003": "S1", "DMP00004": "S2", "DMP00005": None}
    return made


@pytest.fixture
def url(organisation: Organisation) -> Iterator[str]:
    with serve(organisation) as address:
        yield address


@pytest.fixture
def client(organisation: Organisation, url: str, clock: ManualClock) -> Iterator[SchoolManagerClient]:
    made = SchoolManagerClient(key_of(organisation), url, f"{url}/auth/oauth2/token", clock.now)
    yield made
    made.close()


@pytest.mark.parametrize("links_only", [False, True])
def test_every_page_is_fetched_with_one_access_token(
    client: SchoolManagerClient, organisation: Organisation, links_only: bool
) -> None:
    organisation.links_only = links_only
    assert [owned.serial for page in client.list_devices() for owned in page] == sorted(organisation.devices)
    assert next(client.list_devices())[0].family == "iPad"
    assert {server.id: server.name for server in client.list_servers()} == organisation.servers
    assert [serial for page in client.list_assigned_serials("S1") for serial in page] == ["DMP00001", "DMP00002", "DMP00003"]
    assert len(organisation.tokens) == 1


def test_a_refused_token_is_replaced_once(client: SchoolManagerClient, organisation: Organisation) -> None:
    client.list_servers()
    organisation.tokens.append("revoked")
    assert len(client.list_servers()) == 2
    organisation.scripted_responses = [("/v1/mdmServers", 401, {"errors": [{"code": "NOT_AUTHORIZED"}]}, {})] * 2
    with pytest.raises(OrganisationError) as refusal:
        client.list_servers()
    assert (refusal.value.kind, str(refusal.value)) == (OrganisationErrorKind.KEY, "HTTP 401 NOT_AUTHORIZED")
    assert organisation.scripted_responses == []


@pytest.mark.parametrize(
    ("status", "document", "headers", "trouble", "wait"),
    [
        (429, {}, {"Retry-After": "7"}, OrganisationErrorKind.RETRY, 7.0),
        (429, {}, {}, OrganisationErrorKind.RETRY, 60.0),
        (503, {}, {}, OrganisationErrorKind.RETRY, 60.0),
        (403, {"errors": [{"code": "FORBIDDEN"}]}, {}, OrganisationErrorKind.KEY, None),
        (400, {"errors": [{"code": "PARAMETER_ERROR"}]}, {}, OrganisationErrorKind.PERMANENT, None),
        (400, {"errors": "odd"}, {}, OrganisationErrorKind.PERMANENT, None),
        (200, {"data": "odd"}, {}, OrganisationErrorKind.RETRY, None),
        (200, {"data": [], "links": {"next": 7}, "meta": "odd"}, {}, None, None),
    ],
)
def test_each_error_has_its_kind(
    client: SchoolManagerClient, organisation: Organisation, status: int, document: dict[str, object], headers: dict[str, str],
    trouble: OrganisationErrorKind | None, wait: float | None,
) -> None:  # fmt: skip
    organisation.scripted_responses = [("/v1/mdmServers", status, document, headers)]
    if trouble is None:
        assert client.list_servers() == []
        return
    with pytest.raises(OrganisationError) as refusal:
        client.list_servers()
    assert (refusal.value.kind, refusal.value.retry_after) == (trouble, wait)


@pytest.mark.parametrize("other", ["key", "key_id", "client_id", "scope"])
def test_a_key_unknown_to_the_portal_is_refused(organisation: Organisation, client: SchoolManagerClient, other: str) -> None:
    changed = {"key": ec.generate_private_key(ec.SECP256R1()), "key_id": "x", "client_id": "SCHOOLAPI.x", "scope": "business.api"}
    setattr(organisation, other, changed[other])
    with pytest.raises(OrganisationError) as refusal:
        client.list_servers()
    assert refusal.value.kind is OrganisationErrorKind.KEY


@pytest.fixture
def town_id(runtime: Runtime, organisation: Organisation, url: str) -> UUID:
    runtime.settings = runtime.settings.model_copy(
        update={"organisation_url": url, "organisation_token_url": f"{url}/auth/oauth2/token"}
    )
    with runtime.open_unit_of_work() as work:
        town = TownFactory(work).create_town()
        server = assignment.create_server(work, SYSTEM, town.id, "Ville")
        for serial in ("DMP00001", "DMP00002"):
            work.session.add(AdeDevice(server_id=server.id, town_id=town.id, serial=serial))
        work.session.add(AdeDevice(server_id=server.id, town_id=town.id, serial="DMP00003", removed_at=work.now))
        service.install_key(work, SYSTEM, town.id, key_of(organisation))
    return town.id


def findings(runtime: Runtime, town_id: UUID) -> dict[str, tuple[str, str | None]]:
    with runtime.open_unit_of_work() as work:
        repository = OrganisationRepository(work.session)
        rows = [
            row for finding in AssignmentStatus for row in repository.list_devices(SYSTEM, town_id, finding, FIRST_PAGE).items
        ]
        return {device.serial: (status, device.server_name) for device, status in rows}


def test_devices_assigned_to_no_server_of_ours_are_listed(runtime: Runtime, town_id: UUID, organisation: Organisation) -> None:
    drain(runtime, Topic.APPLE_SCHOOL_MANAGER_SYNC)
    assert findings(runtime, town_id) == {
        "DMP00001": ("ours", "Ville"), "DMP00002": ("ours", "Ville"),
        "DMP00003": ("other_server", "Ville"),  # taken from our server in our list, and the portal says otherwise
        "DMP00004": ("other_server", "Ancien MDM"), "DMP00005": ("no_server", None),
    }  # fmt: skip
    del organisation.devices["DMP00005"]
    organisation.devices["DMP00004"] = None
    service.sync_organisation(runtime, town_id)
    found = findings(runtime, town_id)
    assert "DMP00005" not in found
    assert found["DMP00004"] == ("no_server", None)


def test_an_interrupted_sync_deletes_nothing(runtime: Runtime, town_id: UUID, organisation: Organisation) -> None:
    drain(runtime, Topic.APPLE_SCHOOL_MANAGER_SYNC)
    before = findings(runtime, town_id)
    organisation.devices = {"DMP00009": None}
    organisation.scripted_responses = [("/v1/mdmServers", 429, {}, {"Retry-After": "600"})]
    with runtime.open_unit_of_work() as work:
        work.enqueue_job(Topic.APPLE_SCHOOL_MANAGER_SYNC, town_id)
    drain(runtime, Topic.APPLE_SCHOOL_MANAGER_SYNC)
    after = findings(runtime, town_id)
    assert before.items() <= after.items()
    with runtime.open_unit_of_work() as work:
        row = work.session.get_one(OrganisationKey, town_id)
        assert (row.last_error, row.needs_new_key) == ("retry: HTTP 429", False)
        [job] = work.session.query(OutboxRow).filter(OutboxRow.topic == Topic.APPLE_SCHOOL_MANAGER_SYNC)
        assert (job.not_before - work.now).total_seconds() == 600
        assert work.session.scalar(select(OrganisationDevice.generation).where(OrganisationDevice.serial == "DMP00009")) == 2


def test_each_organisation_is_synced_once_a_day(runtime: Runtime, town_id: UUID, clock: ManualClock) -> None:
    from datetime import timedelta

    drain(runtime, Topic.APPLE_SCHOOL_MANAGER_SYNC)

    def asked() -> int:
        with runtime.open_unit_of_work() as work:
            service.schedule_syncs(work)
            return work.session.query(OutboxRow).filter(OutboxRow.topic == Topic.APPLE_SCHOOL_MANAGER_SYNC).count()

    assert asked() == 0
    clock.advance(timedelta(hours=24))
    assert asked() == 1


def test_a_text_that_is_no_key_is_refused(runtime: Runtime, town_id: UUID, organisation: Organisation) -> None:
    good = key_of(organisation)
    bad = {
        "unreadable": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
        "not P-256": pem(rsa.generate_private_key(65537, 2048)),
    }
    with runtime.open_unit_of_work() as work:
        for why, text in (*bad.items(), ("not P-256", pem(ec.generate_private_key(ec.SECP384R1())))):
            with pytest.raises(InvalidOrganisationKey) as refusal:
                service.install_key(work, SYSTEM, town_id, ApiKey(good.kind, good.client_id, good.key_id, text))
            assert refusal.value.details["why"] == why
        with pytest.raises(InvalidOrganisationKey):
            service.install_key(work, SYSTEM, town_id, ApiKey(KeyKind.BUSINESS, good.client_id, good.key_id, good.private_key))


def test_install_key_and_sync_by_the_api(engine: Engine, tmp_path: Path, organisation: Organisation, url: str) -> None:
    given: dict[str, Any] = {"organisation_url": url, "organisation_token_url": f"{url}/auth/oauth2/token"}
    with start_live_server(engine, KEYRING, tmp_path / "data", **given) as running:
        with running.runtime.open_unit_of_work() as work:
            world = TownFactory(work)
            town, other = world.create_town(), world.create_town()
        admin, stranger = running.sign_in(town.id, Role.TOWN_ADMIN, "a"), running.sign_in(other.id, Role.TOWN_ADMIN, "s")
        path = f"/towns/{town.id}/apple-school-manager"
        try:
            assert admin.get(f"{path}/key").json() is None
            assert admin.post(f"{path}/sync").json()["code"] == "organisation_no_key"
            key = key_of(organisation)
            body = {"kind": "school", "client_id": key.client_id, "key_id": key.key_id, "private_key": key.private_key}
            assert stranger.put(f"{path}/key", json=body).status_code == 403
            made = admin.put(f"{path}/key", json=body)
            assert made.status_code == 200
            assert "PRIVATE" not in made.text
            drain(running.runtime, Topic.APPLE_SCHOOL_MANAGER_SYNC)
            assert admin.get(f"{path}/key").json()["devices"] == {"no_server": 1, "other_server": 4}
            listed = admin.get(f"{path}/devices", params={"status": "other_server", "limit": 3}).json()["items"]
            assert [row["serial"] for row in listed] == ["DMP00001", "DMP00002", "DMP00003"]
            assert admin.post(f"{path}/sync").status_code == 202
            assert stranger.get(f"{path}/devices").status_code == 403
        finally:
            admin.close()
            stranger.close()
