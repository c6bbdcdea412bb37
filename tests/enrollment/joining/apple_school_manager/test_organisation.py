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
from cartable.scope import SYSTEM, Role
from cartable.unit_of_work import Runtime
from enrollment.joining.ade import service as assignment
from enrollment.joining.ade.models import AssignedDevice
from enrollment.joining.apple_school_manager import service
from enrollment.joining.apple_school_manager.client import Key, SchoolManager
from enrollment.joining.apple_school_manager.errors import BadOrganisationKey
from enrollment.joining.apple_school_manager.models import KeyKind, OrganisationDevice, OrganisationKey
from enrollment.joining.apple_school_manager.ports import OrganisationError, Trouble
from enrollment.joining.apple_school_manager.repository import Finding, OrganisationRepository
from enrollment.joining.apple_school_manager.testserver import Organisation, serve
from mdm.worker.handlers import drain
from tests.conftest import KEYRING
from tests.support.server import live_server
from tests.support.world import World


def pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def key_of(organisation: Organisation) -> Key:
    return Key(KeyKind.SCHOOL, organisation.client_id, organisation.key_id, pem(organisation.key))


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
def client(organisation: Organisation, url: str, clock: ManualClock) -> Iterator[SchoolManager]:
    made = SchoolManager(key_of(organisation), url, f"{url}/auth/oauth2/token", clock.now)
    yield made
    made.close()


@pytest.mark.parametrize("links_only", [False, True])
def test_every_page_is_read_with_one_token(client: SchoolManager, organisation: Organisation, links_only: bool) -> None:
    organisation.links_only = links_only
    assert [owned.serial for page in client.devices() for owned in page] == sorted(organisation.devices)
    assert next(client.devices())[0].family == "iPad"
    assert {server.id: server.name for server in client.servers()} == organisation.servers
    assert [serial for page in client.assigned("S1") for serial in page] == ["DMP00001", "DMP00002", "DMP00003"]
    assert len(organisation.tokens) == 1


def test_a_refused_token_is_replaced_once(client: SchoolManager, organisation: Organisation) -> None:
    client.servers()
    organisation.tokens.append("revoked")
    assert len(client.servers()) == 2
    organisation.script = [("/v1/mdmServers", 401, {"errors": [{"code": "NOT_AUTHORIZED"}]}, {})] * 2
    with pytest.raises(OrganisationError) as refusal:
        client.servers()
    assert (refusal.value.trouble, str(refusal.value)) == (Trouble.KEY, "HTTP 401 NOT_AUTHORIZED")
    assert organisation.script == []


@pytest.mark.parametrize(
    ("status", "said", "headers", "trouble", "wait"),
    [
        (429, {}, {"Retry-After": "7"}, Trouble.RETRY, 7.0),
        (429, {}, {}, Trouble.RETRY, 60.0),
        (503, {}, {}, Trouble.RETRY, 60.0),
        (403, {"errors": [{"code": "FORBIDDEN"}]}, {}, Trouble.KEY, None),
        (400, {"errors": [{"code": "PARAMETER_ERROR"}]}, {}, Trouble.PERMANENT, None),
        (400, {"errors": "odd"}, {}, Trouble.PERMANENT, None),
        (200, {"data": "odd"}, {}, Trouble.RETRY, None),
        (200, {"data": [], "links": {"next": 7}, "meta": "odd"}, {}, None, None),
    ],
)
def test_each_error_is_understood(
    client: SchoolManager, organisation: Organisation, status: int, said: dict[str, object], headers: dict[str, str],
    trouble: Trouble | None, wait: float | None,
) -> None:  # fmt: skip
    organisation.script = [("/v1/mdmServers", status, said, headers)]
    if trouble is None:
        assert client.servers() == []
        return
    with pytest.raises(OrganisationError) as refusal:
        client.servers()
    assert (refusal.value.trouble, refusal.value.retry_after) == (trouble, wait)


@pytest.mark.parametrize("other", ["key", "key_id", "client_id", "scope"])
def test_a_key_that_is_not_the_portals_is_refused(organisation: Organisation, client: SchoolManager, other: str) -> None:
    changed = {"key": ec.generate_private_key(ec.SECP256R1()), "key_id": "x", "client_id": "SCHOOLAPI.x", "scope": "business.api"}
    setattr(organisation, other, changed[other])
    with pytest.raises(OrganisationError) as refusal:
        client.servers()
    assert refusal.value.trouble is Trouble.KEY


@pytest.fixture
def town_id(runtime: Runtime, organisation: Organisation, url: str) -> UUID:
    runtime.settings = runtime.settings.model_copy(
        update={"organisation_url": url, "organisation_token_url": f"{url}/auth/oauth2/token"}
    )
    with runtime.open_unit_of_work() as work:
        town = World(work).town()
        server = assignment.create_server(work, SYSTEM, town.id, "Ville")
        for serial in ("DMP00001", "DMP00002"):
            work.session.add(AssignedDevice(server_id=server.id, town_id=town.id, serial=serial))
        work.session.add(AssignedDevice(server_id=server.id, town_id=town.id, serial="DMP00003", removed_at=work.now))
        service.install_key(work, SYSTEM, town.id, key_of(organisation))
    return town.id


def findings(runtime: Runtime, town_id: UUID) -> dict[str, tuple[str, str | None]]:
    with runtime.open_unit_of_work() as work:
        repository = OrganisationRepository(work.session)
        rows = [row for finding in Finding for row in repository.listed(SYSTEM, town_id, finding, "", 100)]
        return {device.serial: (found, device.server) for device, found in rows}


def test_what_no_server_of_ours_is_assigned_is_told(runtime: Runtime, town_id: UUID, organisation: Organisation) -> None:
    drain(runtime, Topic.ORGANISATION)
    assert findings(runtime, town_id) == {
        "DMP00001": ("ours", "Ville"), "DMP00002": ("ours", "Ville"),
        "DMP00003": ("other_server", "Ville"),  # taken from our server in our list, and the portal says otherwise
        "DMP00004": ("other_server", "Ancien MDM"), "DMP00005": ("no_server", None),
    }  # fmt: skip
    del organisation.devices["DMP00005"]
    organisation.devices["DMP00004"] = None
    service.synchronise(runtime, town_id)
    found = findings(runtime, town_id)
    assert "DMP00005" not in found
    assert found["DMP00004"] == ("no_server", None)


def test_a_reading_that_breaks_off_forgets_nothing(runtime: Runtime, town_id: UUID, organisation: Organisation) -> None:
    drain(runtime, Topic.ORGANISATION)
    before = findings(runtime, town_id)
    organisation.devices = {"DMP00009": None}
    organisation.script = [("/v1/mdmServers", 429, {}, {"Retry-After": "600"})]
    with runtime.open_unit_of_work() as work:
        work.enqueue_job(Topic.ORGANISATION, town_id)
    drain(runtime, Topic.ORGANISATION)
    after = findings(runtime, town_id)
    assert before.items() <= after.items()
    with runtime.open_unit_of_work() as work:
        row = work.session.get_one(OrganisationKey, town_id)
        assert (row.problem, row.needs_person) == ("retry: HTTP 429", False)
        [job] = work.session.query(OutboxRow).filter(OutboxRow.topic == Topic.ORGANISATION)
        assert (job.not_before - work.now).total_seconds() == 600
        assert work.session.scalar(select(OrganisationDevice.generation).where(OrganisationDevice.serial == "DMP00009")) == 2


def test_the_clock_reads_each_list_once_a_day(runtime: Runtime, town_id: UUID, clock: ManualClock) -> None:
    from datetime import timedelta

    drain(runtime, Topic.ORGANISATION)

    def asked() -> int:
        with runtime.open_unit_of_work() as work:
            service.compare_all(work)
            return work.session.query(OutboxRow).filter(OutboxRow.topic == Topic.ORGANISATION).count()

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
            with pytest.raises(BadOrganisationKey) as refusal:
                service.install_key(work, SYSTEM, town_id, Key(good.kind, good.client_id, good.key_id, text))
            assert refusal.value.details["why"] == why
        with pytest.raises(BadOrganisationKey):
            service.install_key(work, SYSTEM, town_id, Key(KeyKind.BUSINESS, good.client_id, good.key_id, good.private_key))


def test_by_the_api(engine: Engine, tmp_path: Path, organisation: Organisation, url: str) -> None:
    given: dict[str, Any] = {"organisation_url": url, "organisation_token_url": f"{url}/auth/oauth2/token"}
    with live_server(engine, KEYRING, tmp_path / "data", **given) as running:
        with running.runtime.open_unit_of_work() as work:
            world = World(work)
            town, other = world.town(), world.town()
        admin, stranger = running.client(town.id, Role.TOWN_ADMIN, "a"), running.client(other.id, Role.TOWN_ADMIN, "s")
        path = f"/towns/{town.id}"
        try:
            assert admin.get(f"{path}/organisation-key").json() is None
            assert admin.post(f"{path}/organisation-key/read").json()["code"] == "organisation_no_key"
            key = key_of(organisation)
            body = {"kind": "school", "client_id": key.client_id, "key_id": key.key_id, "private_key": key.private_key}
            assert stranger.put(f"{path}/organisation-key", json=body).status_code == 403
            made = admin.put(f"{path}/organisation-key", json=body)
            assert made.status_code == 200
            assert "PRIVATE" not in made.text
            drain(running.runtime, Topic.ORGANISATION)
            assert admin.get(f"{path}/organisation-key").json()["devices"] == {"no_server": 1, "other_server": 4}
            listed = admin.get(f"{path}/organisation-devices", params={"finding": "other_server", "limit": 3}).json()
            assert [row["serial"] for row in listed] == ["DMP00001", "DMP00002", "DMP00003"]
            assert admin.post(f"{path}/organisation-key/read").status_code == 202
            assert stranger.get(f"{path}/organisation-devices").status_code == 403
        finally:
            admin.close()
            stranger.close()
