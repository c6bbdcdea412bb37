"""Automated enrolment: who is let in, what an old system hears, and a tablet out of its box that ends up configured."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import plistlib
import random
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from asn1crypto import cms
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, pkcs7
from sqlalchemy import Engine, select
from structlog.testing import capture_logs

from cartable.clock import ManualClock
from cartable.scope import SYSTEM
from enrollment.facts import load_facts
from enrollment.tablets import custody, inventory
from enrollment.tablets.models import Cart, CartSlot, Tablet, TabletState
from mdm.channel.handlers import handle_checkin
from mdm.devices.models import DeviceEnrollment
from mdm.protocol import checkin, machine_info, plist
from mdm.protocol.errors import ProtocolError
from mdm.push.models import PushCertificate
from mdm.reconcile.service import release_unfinished_setups
from simulator import SimulatedTablet
from tests.conftest import KEYRING
from tests.support.server import LiveServer, start_live_server
from tests.support.world import TownFactory

#: It goes over the wire, and its SQL is in repositories. In what two meet, both databases count.
pytestmark = pytest.mark.one_database

#: Of the public key in Apple's published certificate "Apple iPhone Device CA" (SubjectPublicKeyInfo).
APPLE_DEVICE_CA_SHA256 = "13686ec675f9fd26a123adb17b5533f593cf451edd6105ae39b748277a3922e5"


class Factory:
    """A maker of iPads: a CA, and factory certificates under it whose dates are over, as Apple's are."""

    def __init__(self, *, curve: bool = False, bits: int = 2048) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1()) if curve else rsa.generate_private_key(65537, bits)
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Test Device CA")])
        self.certificate = self._certificate(self.name, self.key)

    def _certificate(self, subject: x509.Name, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> x509.Certificate:
        start = datetime(2007, 4, 16, tzinfo=UTC)
        builder = x509.CertificateBuilder(subject_name=subject, issuer_name=self.name, public_key=key.public_key())
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(start)
        return builder.not_valid_after(start + timedelta(days=2555)).sign(self.key, hashes.SHA256())

    def leaf(self, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> x509.Certificate:
        """A device's certificate."""
        return self._certificate(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "device")]), key)

    def build_machine_info(self, *, curve: bool = False, **values: Any) -> bytes:
        """MachineInfo as a device of this factory signs it."""
        machine_values = {"UDID": "U1", "SERIAL": "DMPX0001", "PRODUCT": "iPad13,18", "VERSION": "23A341", **values}
        body = plistlib.dumps({key: value for key, value in machine_values.items() if value is not None})
        key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey = rsa.generate_private_key(65537, 2048)
        if curve:
            key = ec.generate_private_key(ec.SECP256R1())
        leaf = self.leaf(key)
        builder = pkcs7.PKCS7SignatureBuilder().set_data(body).add_signer(leaf, key, hashes.SHA256())
        return builder.sign(Encoding.DER, [pkcs7.PKCS7Options.Binary])


@pytest.fixture(scope="module")
def factory() -> Factory:
    return Factory()


@pytest.fixture
def server(engine: Engine, tmp_path: Path, factory: Factory) -> Iterator[LiveServer]:
    anchors, wifi = tmp_path / "anchors.pem", tmp_path / "wifi.mobileconfig"
    anchors.write_bytes(factory.certificate.public_bytes(Encoding.PEM))
    wifi.write_bytes(b"wifi")
    with start_live_server(
        engine, KEYRING, tmp_path / "data", device_anchors=anchors, minimum_os="26.2", wifi_profile=wifi
    ) as running:
        yield running


def _post_machine_info(server: LiveServer, body: bytes) -> httpx.Response:
    trust = ssl.create_default_context(cafile=str(server.ca))
    with httpx.Client(base_url=server.url, verify=trust, timeout=20) as client:
        return client.post("/join/automated", content=body, headers={"Content-Type": "application/pkcs7-signature"})


def _get_web_view(server: LiveServer, header: str) -> httpx.Response:
    trust = ssl.create_default_context(cafile=str(server.ca))
    with httpx.Client(base_url=server.url, verify=trust, timeout=20) as client:
        return client.get("/join/automated", headers={"x-apple-aspen-deviceinfo": header} if header else {})


@pytest.mark.parametrize("curve", [False, True])
def test_a_device_is_trusted_under_apples_key_only(curve: bool) -> None:
    ours, theirs = Factory(curve=curve), Factory()
    body = ours.build_machine_info(curve=curve, OS_VERSION="26.1", MDM_CAN_REQUEST_SOFTWARE_UPDATE=True)
    info = machine_info.parse_machine_info(body, [ours.key.public_key()])
    assert (info.serial, info.os_version, info.can_update) == ("DMPX0001", "26.1", True)
    for anchors in ([], [machine_info.get_apple_device_ca()], [theirs.key.public_key()]):
        with pytest.raises(ProtocolError):
            machine_info.parse_machine_info(body, anchors)


@pytest.mark.parametrize("values", [{"SERIAL": None}, {"SERIAL": 7}, {"UDID": ""}, {"PRODUCT": "x" * 99}])
def test_a_malformed_machine_info_is_refused(factory: Factory, values: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError):
        machine_info.parse_machine_info(factory.build_machine_info(**values), [factory.key.public_key()])


@pytest.mark.parametrize("version", ["", "  ", 17, None, b"26.1", ["26.1"]])
def test_an_empty_or_odd_os_version_is_as_if_it_were_missing(factory: Factory, version: Any) -> None:
    info = machine_info.parse_machine_info(factory.build_machine_info(OS_VERSION=version), [factory.key.public_key()])
    assert (info.serial, info.os_version) == ("DMPX0001", None)


@pytest.mark.parametrize(
    ("values", "status", "reason"),
    [
        ({"PRODUCT": "Mac16,10", "VERSION": "24E263", "OS_VERSION": "26.2"}, 403, "not_an_ipad"),
        ({"PRODUCT": "AppleTV14,1", "OS_VERSION": "26.2"}, 403, "not_an_ipad"),
        ({"PRODUCT": "iPad2,1", "VERSION": "13G36"}, 403, "system_too_old"),
        ({"PRODUCT": "ipad13,18", "OS_VERSION": ""}, 200, None),
    ],
)
def test_automated_enrollment_gives_a_profile_to_ipads_only(
    server: LiveServer, factory: Factory, values: dict[str, Any], status: int, reason: str | None
) -> None:
    with server.runtime.open_unit_of_work() as work:
        inventory.register_purchase_order(work, SYSTEM, TownFactory(work).create_town().id, ["DMPX0001"], "BC-1")
    with capture_logs() as logs:
        assert _post_machine_info(server, factory.build_machine_info(**values)).status_code == status
    reasons = [entry["why"] for entry in logs if entry["event"] == "join.automated_rejected"]
    assert reasons == ([reason] if reason else [])


def test_damaged_bytes_raise_only_protocol_errors(factory: Factory) -> None:
    good, chance = factory.build_machine_info(), random.Random(7)
    for _ in range(300):
        damaged = bytearray(good)
        for _ in range(chance.randint(1, 4)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        try:
            machine_info.parse_machine_info(bytes(damaged[: chance.randint(1, len(damaged))]), [factory.key.public_key()])
        except ProtocolError:
            continue


def signed_with_sha1(issuer: rsa.RSAPrivateKey, leaf: x509.Certificate) -> bytes:
    """The same certificate as Apple's old device CA signs it: SHA-1, which the library refuses to make."""
    made = asn1_x509.Certificate.load(leaf.public_bytes(Encoding.DER))
    made["tbs_certificate"]["signature"] = made["signature_algorithm"] = {"algorithm": "sha1_rsa"}
    tbs = made["tbs_certificate"].dump(force=True)
    made["signature_value"] = issuer.sign(tbs, padding.PKCS1v15(), hashes.SHA1())
    return bytes(made.dump(force=True))


def test_sha1_rsa1024_and_expired_dates_are_accepted_under_apples_key_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    apple = Factory(bits=1024)
    key = rsa.generate_private_key(65537, 2048)
    leaf = apple.leaf(key)
    body = _attached(signed_with_sha1(apple.key, leaf), key)  # type: ignore[arg-type]
    with pytest.raises(ProtocolError):
        machine_info.parse_machine_info(body, [apple.key.public_key()])
    with pytest.raises(ProtocolError):
        machine_info.parse_machine_info(body, [machine_info.get_apple_device_ca()])
    monkeypatch.setattr(machine_info, "get_apple_device_ca", apple.key.public_key)
    assert machine_info.parse_machine_info(body, [apple.key.public_key()]).serial == "DMPX0001"


def _attached(leaf_der: bytes, key: rsa.RSAPrivateKey) -> bytes:
    """CMS with the content inside, signed by a leaf that the library would not take."""
    body = plistlib.dumps({"UDID": "U1", "SERIAL": "DMPX0001", "PRODUCT": "iPad13,18", "VERSION": "23A341"})
    leaf = asn1_x509.Certificate.load(leaf_der)
    signer = {
        "version": "v1",
        "sid": cms.SignerIdentifier("issuer_and_serial_number", {"issuer": leaf.issuer, "serial_number": leaf.serial_number}),
        "digest_algorithm": {"algorithm": "sha1"},
        "signature_algorithm": {"algorithm": "rsassa_pkcs1v15"},
        "signature": key.sign(body, padding.PKCS1v15(), hashes.SHA1()),
    }
    signed = {
        "version": "v1", "digest_algorithms": [{"algorithm": "sha1"}],
        "encap_content_info": {"content_type": "data", "content": body}, "certificates": [leaf], "signer_infos": [signer],
    }  # fmt: skip
    return bytes(cms.ContentInfo({"content_type": "signed_data", "content": signed}).dump())


def test_apples_key_is_that_of_the_published_certificate() -> None:
    numbers = machine_info.get_apple_device_ca()
    assert isinstance(numbers, rsa.RSAPublicKey)
    der = numbers.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert (numbers.key_size, hashlib.sha256(der).hexdigest()) == (1024, APPLE_DEVICE_CA_SHA256)


@pytest.mark.parametrize(
    ("version", "minimum", "older"),
    [
        ("26.1", "26.2", True),
        ("26.2", "26.2", False),
        ("26.10", "26.2", False),
        ("16.1 (a)", "16.1", False),
        ("17", "17.0.1", True),
    ],
)
def test_versions_are_compared_number_by_number(version: str, minimum: str, older: bool) -> None:
    assert machine_info.is_older_version(version, minimum) is older


def test_which_tablets_get_a_profile_and_how_the_others_are_answered(server: LiveServer, factory: Factory) -> None:
    with server.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        inventory.register_purchase_order(work, SYSTEM, town.id, ["DMPX0001"], "BC-1")
        for serial, state in (("DMPXGONE", TabletState.RETIRED), ("DMPXLOST", TabletState.MISSING_WRITTEN_OFF)):
            world.create_tablet(town, serial=serial).state = state
    assert _post_machine_info(server, b"\x30\x80nonsense").status_code == 400
    assert _post_machine_info(server, Factory().build_machine_info()).status_code == 400
    assert _post_machine_info(server, b"x" * 70_000).status_code == 413
    assert _post_machine_info(server, factory.build_machine_info(SERIAL="DMPXSOMEONE")).status_code == 403
    assert _post_machine_info(server, factory.build_machine_info(SERIAL="DMPXGONE")).status_code == 403

    old = _post_machine_info(server, factory.build_machine_info(OS_VERSION="26.1", MDM_CAN_REQUEST_SOFTWARE_UPDATE=True))
    assert (old.status_code, old.json()["code"]) == (403, "com.apple.softwareupdate.required")
    assert old.json()["details"] == {"OSVersion": "26.2"}
    web_view = _get_web_view(
        server, base64.b64encode(factory.build_machine_info(OS_VERSION="26.1", MDM_CAN_REQUEST_SOFTWARE_UPDATE=True)).decode()
    )
    assert (web_view.status_code, web_view.json()["code"]) == (403, "com.apple.softwareupdate.required")
    for bad in (
        "",
        "no base64!",
        base64.b64encode(b"nonsense").decode(),
        base64.b64encode(Factory().build_machine_info()).decode(),
    ):
        assert _get_web_view(server, bad).status_code == 400
    # One that cannot be told to update is let in all the same: it would be stuck otherwise.
    assert _post_machine_info(server, factory.build_machine_info(OS_VERSION="26.1")).status_code == 200

    seen = _get_web_view(server, base64.b64encode(factory.build_machine_info(OS_VERSION="26.2")).decode())
    assert (seen.status_code, seen.headers["content-type"]) == (200, "application/x-apple-aspen-config")

    back = _post_machine_info(server, factory.build_machine_info(SERIAL="DMPXLOST"))
    assert (back.status_code, back.headers["content-type"]) == (200, "application/x-apple-aspen-config")
    with server.runtime.open_unit_of_work() as work:
        states = {tablet.serial: tablet.state for tablet in work.session.scalars(select(Tablet))}
    assert states["DMPXLOST"] is TabletState.FOUND
    assert states["DMPX0001"] is TabletState.PREPARED


def test_a_reserved_tablet_is_configured_out_of_its_box(server: LiveServer, factory: Factory) -> None:
    asyncio.run(_out_of_the_box(server, factory))


async def _out_of_the_box(server: LiveServer, factory: Factory) -> None:
    tablet = SimulatedTablet(server.url, "", ca=server.ca)
    with server.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        pupil = world.create_pupil(world.create_class(world.create_school(town)))
        [expected] = inventory.register_purchase_order(work, SYSTEM, town.id, [tablet.serial], "BC-1")
        inventory.prepare_tablet(work, SYSTEM, town.id, tablet.serial)
        custody.assign_tablet(work, SYSTEM, expected, pupil.id)
        tablet_id = expected.id
    answer = await asyncio.to_thread(
        _post_machine_info, server, factory.build_machine_info(SERIAL=tablet.serial, UDID=tablet.udid, OS_VERSION="26.2")
    )
    await tablet.enrol(answer.content, awaiting_configuration=True)
    for _ in range(4):
        await asyncio.to_thread(server.run_worker)
        await tablet.poll()
    ordered = [name for talk in tablet.history for name, _ in talk.answered_commands]
    assert ordered.count("DeviceConfigured") == 1
    assert ordered.index("InstallProfile") < ordered.index("DeviceConfigured")
    assert not tablet.device.awaiting_configuration
    with server.runtime.open_unit_of_work() as work:
        facts = load_facts(work, [tablet_id])[tablet_id]
        assert (facts.pupil_id, facts.state) == (pupil.id, TabletState.ASSIGNED)

    # Another tablet cannot use what was made for this one.
    other = SimulatedTablet(server.url, "", ca=server.ca)
    answer = await asyncio.to_thread(
        _post_machine_info, server, factory.build_machine_info(SERIAL=tablet.serial, UDID=tablet.udid, OS_VERSION="26.2")
    )
    with pytest.raises(Exception, match="403"):
        await other.enrol(answer.content)
    await tablet.close()
    await other.close()


def test_only_a_cart_tablet_may_return_to_service(server: LiveServer) -> None:
    with server.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        cart = Cart(town_id=town.id, school_id=world.create_school(town).id, label="Chariot 1")
        work.session.add(cart)
        work.session.flush()
        of_cart, named = world.create_tablet(town), world.create_tablet(town)
        work.session.add(CartSlot(town_id=town.id, cart_id=cart.id, number=1, tablet_id=of_cart.id))
        for tablet in (of_cart, named):
            world.enroll_tablet(tablet, last_seen_at=work.now)

        def request_return_to_service(tablet: Tablet) -> dict[str, object]:
            body = plistlib.dumps({"MessageType": "ReturnToService", "UDID": tablet.serial})
            answer = plistlib.loads(handle_checkin(work, checkin.parse_checkin(plist.loads(body)), tablet.serial).body)
            return dict(answer["ReturnToService"])

        assert request_return_to_service(of_cart) == {"Enabled": True, "WiFiProfileData": b"wifi"}
        assert request_return_to_service(named) == {"Enabled": False}
        of_cart.evidence_hold = True
        work.session.flush()
        assert request_return_to_service(of_cart) == {"Enabled": False}


def test_a_tablet_with_not_now_or_garbled_results_leaves_the_setup_assistant(
    engine: Engine, tmp_path: Path, factory: Factory
) -> None:
    anchors = tmp_path / "anchors.pem"
    anchors.write_bytes(factory.certificate.public_bytes(Encoding.PEM))
    clock = ManualClock(datetime.now(UTC))
    with start_live_server(engine, KEYRING, tmp_path / "data", clock, device_anchors=anchors) as running:
        for doing in ("not_now:6", "garbage:3"):
            asyncio.run(_stubborn(running, clock, factory, doing))


async def _stubborn(server: LiveServer, clock: ManualClock, factory: Factory, doing: str) -> None:
    """Its policy does not arrive at once; DeviceConfigured comes by itself, or after ten minutes."""
    tablet = SimulatedTablet(server.url, "", ca=server.ca, behaviour=doing)
    with server.runtime.open_unit_of_work() as work:
        inventory.register_purchase_order(work, SYSTEM, TownFactory(work).create_town().id, [tablet.serial], "BC-1")
    answer = await asyncio.to_thread(
        _post_machine_info, server, factory.build_machine_info(SERIAL=tablet.serial, UDID=tablet.udid)
    )
    await tablet.enrol(answer.content, awaiting_configuration=True)
    for _ in range(3):
        await asyncio.to_thread(server.run_worker)
        await tablet.poll()
    clock.advance(timedelta(minutes=11))
    for _ in range(3):
        with server.runtime.open_unit_of_work() as work:
            release_unfinished_setups(work)
        await tablet.poll()
        await asyncio.to_thread(server.run_worker)
    assert not tablet.device.awaiting_configuration
    with server.runtime.open_unit_of_work() as work:
        row = work.session.scalars(select(DeviceEnrollment).where(DeviceEnrollment.udid == tablet.udid)).one()
        assert not row.awaiting_configuration
    await tablet.close()


def test_without_a_push_certificate_the_tablet_gets_503(engine: Engine, tmp_path: Path, factory: Factory) -> None:
    anchors = tmp_path / "anchors.pem"
    anchors.write_bytes(factory.certificate.public_bytes(Encoding.PEM))
    with start_live_server(engine, KEYRING, tmp_path / "data", device_anchors=anchors) as running:
        with running.runtime.open_unit_of_work() as work:
            inventory.register_purchase_order(work, SYSTEM, TownFactory(work).create_town().id, ["DMPX0001"], "BC-1")
            work.session.query(PushCertificate).delete()
        assert _post_machine_info(running, factory.build_machine_info()).status_code == 503
        with running.runtime.open_unit_of_work() as work:
            assert work.session.scalars(select(Tablet)).one().state is TabletState.ORDERED
