"""A new tablet attests that its key is in its own chip, uses an elliptic identity, and renews it in the same way."""

from __future__ import annotations

import asyncio
import plistlib
import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import Engine, select

from cartable.scope import SYSTEM, Role
from cartable.settings import Acme
from enrollment.identity.models import DeviceAttestation, DeviceCertificate, IdentityProtocol
from enrollment.places.models import Town
from enrollment.tablets import inventory
from mdm.devices.models import DeviceEnrollment
from mdm.protocol.commands.queries import SecurityInfo
from mdm.queue import service as queue
from mdm.queue.models import CommandBody, CommandState, QueuedCommand
from mdm.reconcile.renewals import renew_identity
from simulator import Attester, Hardware, MessageFormat, SignatureShape, SimulatedTablet
from simulator.errors import AcmeFailed, UnexpectedResponse
from tests.conftest import KEYRING
from tests.enrollment.joining.test_automated import Factory
from tests.support.server import LiveServer, start_live_server
from tests.support.signer_process import SignerProcess, move_keys_to_signer
from tests.support.world import TownFactory

pytestmark = pytest.mark.one_database


@pytest.fixture(scope="module")
def factory() -> Factory:
    return Factory()


@pytest.fixture(scope="module")
def attester() -> Attester:
    return Attester()


@pytest.fixture
def server(engine: Engine, tmp_path: Path, factory: Factory, attester: Attester) -> Iterator[LiveServer]:
    anchors, roots = tmp_path / "anchors.pem", tmp_path / "roots.pem"
    anchors.write_bytes(factory.certificate.public_bytes(serialization.Encoding.PEM))
    roots.write_bytes(attester.root_pem)
    given: dict[str, Any] = {"device_anchors": anchors, "attestation_roots": roots, "acme": Acme.REQUIRED}
    with start_live_server(engine, KEYRING, tmp_path / "data", **given) as running:
        yield running


def _build_hardware(number: int, product: str = "iPad13,18") -> Hardware:
    return replace(Hardware.from_seed("attested", number), product_name=product, os_version="26.1", build="23B85")


def _add_to_inventory(server: LiveServer, *tablets: SimulatedTablet) -> None:
    with server.runtime.open_unit_of_work() as work:
        inventory.register_purchase_order(
            work, SYSTEM, TownFactory(work).create_town().id, [tablet.serial for tablet in tablets], "BC-1"
        )


def _fetch_profile(server: LiveServer, factory: Factory, tablet: SimulatedTablet) -> bytes:
    """Fetch the enrolment profile as the Setup Assistant does."""
    hardware = tablet.device.hardware
    machine_info = factory.build_machine_info(
        SERIAL=hardware.serial, UDID=hardware.udid, PRODUCT=hardware.product_name, VERSION=hardware.build,
        OS_VERSION=hardware.os_version,
    )  # fmt: skip
    trust = ssl.create_default_context(cafile=str(server.ca))
    with httpx.Client(base_url=server.url, verify=trust, timeout=20) as client:
        return client.post("/join/automated", content=machine_info).content


def _list_certificates(server: LiveServer) -> list[DeviceCertificate]:
    with server.runtime.open_unit_of_work() as work:
        return list(work.session.scalars(select(DeviceCertificate).order_by(DeviceCertificate.issued_at)))


def _get_town_id(server: LiveServer) -> UUID:
    with server.runtime.open_unit_of_work() as work:
        return work.session.scalars(select(Town.id)).one()


@pytest.mark.parametrize("shape", list(SignatureShape))
def test_a_tablet_enrols_and_renews_with_an_attested_key(
    server: LiveServer, factory: Factory, attester: Attester, shape: SignatureShape
) -> None:
    asyncio.run(_enrol_and_renew(server, factory, attester, shape))


async def _enrol_and_renew(server: LiveServer, factory: Factory, attester: Attester, shape: SignatureShape) -> None:
    tablet = SimulatedTablet(
        server.url,
        ca=server.ca,
        hardware=_build_hardware(1),
        attester=attester,
        message_format=MessageFormat(signature_shape=shape),
    )
    _add_to_inventory(server, tablet)
    await tablet.enrol(await asyncio.to_thread(_fetch_profile, server, factory, tablet))
    assert isinstance(tablet.identity.key, ec.EllipticCurvePrivateKey)
    [first] = _list_certificates(server)
    assert (first.protocol, first.attested) == (IdentityProtocol.ACME, True)
    assert first.fingerprint == tablet.identity.fingerprint

    technician = server.sign_in(_get_town_id(server), Role.TOWN_ADMIN, "admin")
    [listed] = technician.get("/tablets").json()["items"]
    assert technician.get(f"/tablets/{listed['id']}").json()["attested"] is True
    technician.close()

    # Commands are delivered; its requests are signed with the elliptic key.
    with server.runtime.open_unit_of_work() as work:
        row = work.session.scalars(select(DeviceEnrollment)).one()
        queue.enqueue_command(work, SYSTEM, SecurityInfo(), [row.id])
    talked = await tablet.poll()
    assert "SecurityInfo" in talked.request_types
    with server.runtime.open_unit_of_work() as work:
        ordered = select(QueuedCommand.state).join(CommandBody, QueuedCommand.body_id == CommandBody.id)
        states = work.session.scalars(ordered.where(CommandBody.request_type == "SecurityInfo"))
        assert states.all() == [CommandState.ACKNOWLEDGED]

    # It renews by ACME with a new client identifier and a new attestation, and then uses the new key.
    with server.runtime.open_unit_of_work() as work:
        renew_identity(work, row.id)
    for _ in range(2):
        await asyncio.to_thread(server.run_worker)
        talked = await tablet.poll()
        assert not talked.anomalies
    [old, new] = _list_certificates(server)
    assert (new.protocol, new.attested, new.tablet_id) == (IdentityProtocol.ACME, True, old.tablet_id)
    assert tablet.identity.fingerprint == new.fingerprint != old.fingerprint
    with server.runtime.open_unit_of_work() as work:
        assert work.session.scalars(select(DeviceEnrollment.fingerprint)).one() == new.fingerprint
        assert work.session.get_one(DeviceAttestation, new.id).serial == tablet.serial
    await tablet.close()


def test_without_the_signer_an_order_fails_and_with_it_the_same_client_identifier_is_good(
    server: LiveServer, factory: Factory, attester: Attester, tmp_path: Path
) -> None:
    with move_keys_to_signer(server.runtime, tmp_path) as signer:
        asyncio.run(_enrol_through_signer(server, factory, attester, signer))


async def _enrol_through_signer(server: LiveServer, factory: Factory, attester: Attester, signer: SignerProcess) -> None:
    async with SimulatedTablet(server.url, ca=server.ca, hardware=_build_hardware(7), attester=attester, pace=0.01) as tablet:
        _add_to_inventory(server, tablet)
        profile = await asyncio.to_thread(_fetch_profile, server, factory, tablet)
        with pytest.raises(AcmeFailed, match="serverInternal"):
            await tablet.enrol(profile)
        assert _list_certificates(server) == []
        await asyncio.to_thread(signer.start)
        await tablet.enrol(profile)
        [issued] = _list_certificates(server)
        assert (issued.fingerprint, issued.protocol, issued.attested) == (
            tablet.identity.fingerprint,
            IdentityProtocol.ACME,
            True,
        )
        await asyncio.to_thread(server.run_worker)
        assert (await tablet.poll()).request_types, "it is managed with the identity that the signer signed"


def test_older_chips_use_scep_and_a_key_without_attestation_gets_no_certificate(server: LiveServer, factory: Factory) -> None:
    asyncio.run(_enrol_other_hardware(server, factory))


async def _enrol_other_hardware(server: LiveServer, factory: Factory) -> None:
    old = SimulatedTablet(server.url, ca=server.ca, hardware=_build_hardware(2, "iPad7,5"))
    mute = SimulatedTablet(server.url, ca=server.ca, hardware=_build_hardware(3))
    forged = SimulatedTablet(server.url, ca=server.ca, hardware=_build_hardware(4), attester=Attester())
    _add_to_inventory(server, old, mute, forged)
    await old.enrol(await asyncio.to_thread(_fetch_profile, server, factory, old))
    assert [(row.protocol, row.attested) for row in _list_certificates(server)] == [(IdentityProtocol.SCEP, False)]
    for tablet in (mute, forged):
        with pytest.raises(AcmeFailed, match="badAttestationStatement"):
            await tablet.enrol(await asyncio.to_thread(_fetch_profile, server, factory, tablet))

    # Where attestation is optional, the certificate is marked as not attested.
    settings = server.runtime.settings
    server.runtime.settings = settings.model_copy(update={"acme": Acme.OFFERED})
    await mute.enrol(await asyncio.to_thread(_fetch_profile, server, factory, mute))
    assert [(row.protocol, row.attested) for row in _list_certificates(server)][1:] == [(IdentityProtocol.ACME, False)]

    # A tablet that enrolled by SCEP renews by SCEP; when ACME is off, all tablets do.
    server.runtime.settings = settings
    with server.runtime.open_unit_of_work() as work:
        rows = {row.udid: row.id for row in work.session.scalars(select(DeviceEnrollment))}
        renew_identity(work, rows[old.udid])
    server.runtime.settings = settings.model_copy(update={"acme": Acme.OFF})
    with server.runtime.open_unit_of_work() as work:
        renew_identity(work, rows[mute.udid])
    for tablet in (old, mute):
        for _ in range(2):
            await asyncio.to_thread(server.run_worker)
            await tablet.poll()
        assert not isinstance(tablet.identity.key, ec.EllipticCurvePrivateKey)
    assert [row.protocol for row in _list_certificates(server)][2:] == [IdentityProtocol.SCEP] * 2
    for each in (old, mute, forged):
        await each.close()


def test_a_profile_made_for_one_tablet_is_useless_to_another(server: LiveServer, factory: Factory, attester: Attester) -> None:
    asyncio.run(_use_stolen_profile(server, factory, attester))


async def _use_stolen_profile(server: LiveServer, factory: Factory, attester: Attester) -> None:
    victim = SimulatedTablet(server.url, ca=server.ca, hardware=_build_hardware(5), attester=attester)
    thief = SimulatedTablet(server.url, ca=server.ca, hardware=_build_hardware(6), attester=attester)
    _add_to_inventory(server, victim)
    body = await asyncio.to_thread(_fetch_profile, server, factory, victim)
    with pytest.raises(AcmeFailed, match="another device"):
        await thief.enrol(body)
    # Even with a valid certificate: it is accepted only from the device it was issued to.
    await victim.enrol(body)
    identity = victim.identity
    victim.device.hardware = replace(victim.device.hardware, udid="00008101-00000000DEADBEEF")
    with pytest.raises(UnexpectedResponse):
        await victim.channel.send_authenticate()
    assert identity is victim.identity
    for tablet in (victim, thief):
        await tablet.close()


def test_the_payload_is_as_apple_defines_it(server: LiveServer, factory: Factory) -> None:
    tablet = SimulatedTablet(server.url, ca=server.ca, hardware=_build_hardware(7))  # never switched on
    _add_to_inventory(server, tablet)
    signed = _fetch_profile(server, factory, tablet)
    plain = plistlib.loads(signed[signed.index(b"<?xml") : signed.index(b"</plist>") + 8])
    payload, mdm = plain["PayloadContent"][:2]
    assert payload["PayloadType"] == "com.apple.security.acme"
    assert mdm["IdentityCertificateUUID"] == payload["PayloadUUID"]
    assert payload["DirectoryURL"] == f"{server.url}/acme/directory"
    assert (payload["KeyType"], payload["KeySize"], payload["HardwareBound"], payload["Attest"]) == (
        "ECSECPrimeRandom",
        384,
        True,
        True,
    )
    assert payload["ExtendedKeyUsage"] == ["1.3.6.1.5.5.7.3.2"]
    assert (payload["UsageFlags"], len(payload["ClientIdentifier"])) == (1, 32)
