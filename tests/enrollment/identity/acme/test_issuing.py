"""From an order to a certificate, and each refusal with its problem (RFC 8555, draft-ietf-acme-device-attest)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import func, select

from cartable.audit import AuditEvent
from cartable.clock import ManualClock
from cartable.settings import Acme
from enrollment.identity.acme.models import AcmeAccount, AcmeNonce, AcmeOrder
from enrollment.identity.acme.service import MAX_ORDERS
from enrollment.identity.models import DeviceAttestation, DeviceCertificate, IdentityProtocol
from mdm.worker import schedule
from simulator import jose
from simulator.attestation import FRESHNESS, SERIAL, UDID, Attester, build_attestation_object, build_attested_facts
from tests.enrollment.identity.acme.client import Attestation, Client, csr, curve_key, problem, rsa_key
from tests.enrollment.identity.acme.conftest import Bench, ipad
from tests.enrollment.identity.scep.conftest import Requester

#: It goes over the wire, and its SQL is in repositories. In what two meet, both databases count.
pytestmark = pytest.mark.one_database


def _issued(bench: Bench) -> list[DeviceCertificate]:
    with bench.server.runtime.open_unit_of_work() as work:
        return list(work.session.scalars(select(DeviceCertificate)))


@pytest.mark.parametrize("curve", [ec.SECP256R1, ec.SECP384R1])
def test_an_attested_key_gets_an_attested_certificate(bench: Bench, curve: type[ec.EllipticCurve]) -> None:
    key = curve_key(curve)
    made = bench.client().obtain(bench.identifier(), key, bench.attestation)
    assert made.public_key() == key.public_key()
    assert "whoever" not in made.subject.rfc4514_string()
    assert str(bench.tablet_id) in made.subject.rfc4514_string()
    usage = made.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.digital_signature, usage.key_encipherment) == (True, False)
    [row] = _issued(bench)
    assert (row.protocol, row.attested, row.tablet_id) == (IdentityProtocol.ACME, True, bench.tablet_id)
    with bench.server.runtime.open_unit_of_work() as work:
        proof = work.session.get_one(DeviceAttestation, row.id)
        assert (proof.serial, proof.udid, proof.os_version) == (bench.hardware.serial, bench.hardware.udid, "26.1")
        event = work.session.scalar(select(AuditEvent).where(AuditEvent.action == "certificate.issue"))
        assert event is not None
        assert (event.details["protocol"], event.details["attested"]) == ("acme", True)


def test_values_wrapped_in_asn1_strings_are_unwrapped(bench: Bench) -> None:
    reply = {SERIAL: b"\x0c" + _sized(bench.hardware.serial), UDID: b"\x04" + _sized(bench.hardware.udid)}
    client, key = bench.client(), curve_key()
    order = client.order(bench.identifier()).json()
    challenge = client.challenge(order)
    fresh = b"\x04\x20" + build_attested_facts(bench.hardware, challenge["token"])[FRESHNESS]
    given = Attestation(bench.attester, bench.hardware, {**reply, FRESHNESS: fresh})
    assert client.respond(challenge, given.object(key, challenge["token"]))["status"] == "valid"
    assert client.finalize(order, csr(key)).json()["status"] == "valid"


def _sized(text: str) -> bytes:
    return bytes((len(text),)) + text.encode()


def _bad_attestations(bench: Bench) -> dict[str, Attestation]:
    good = bench.attestation
    return {
        "another device's serial number": Attestation(good.attester, good.hardware, {SERIAL: b"OTHERSERIAL"}),
        "another device's UDID": Attestation(good.attester, good.hardware, {UDID: b"00008101-0000000000000000"}),
        "another device": Attestation(good.attester, ipad(2)),
        "an old answer": Attestation(good.attester, good.hardware, {FRESHNESS: bytes(32)}),
        "no freshness": Attestation(good.attester, good.hardware, {FRESHNESS: None}),
        "no serial number": Attestation(good.attester, good.hardware, {SERIAL: None}),
        "no UDID": Attestation(good.attester, good.hardware, {UDID: None}),
        "another maker": Attestation(Attester(), good.hardware),
        "another format": Attestation(good.attester, good.hardware, fmt="packed"),
        "a serial number of garbage": Attestation(good.attester, good.hardware, {SERIAL: b"\xff\x00\x01"}),
    }


def test_if_attestation_is_required_only_a_complete_one_is_accepted(bench: Bench) -> None:
    client, key, identifier = bench.client(), curve_key(), bench.identifier()
    for why, bad in _bad_attestations(bench).items():
        order = client.order(identifier).json()
        challenge = client.challenge(order)
        reply = client.respond(challenge, bad.object(key, challenge["token"]))
        assert (reply["status"], reply["error"]["type"]) == ("invalid", "urn:ietf:params:acme:error:badAttestationStatement"), why
        assert problem(client.finalize(order, csr(key))) == (403, "orderNotReady"), why
    for missing in (None, b"\xa0", b"garbage"):
        challenge = client.challenge(client.order(identifier).json())
        assert client.respond(challenge, missing)["status"] == "invalid"
    assert _issued(bench) == []
    assert client.obtain(identifier, key, bench.attestation), "the tablet may try again with a sound one"
    with bench.server.runtime.open_unit_of_work() as work:
        refusals = work.session.scalars(select(AuditEvent).where(AuditEvent.action == "attestation.refuse")).all()
        assert len(refusals) == 13
        assert {event.subject_id for event in refusals} == {str(bench.tablet_id)}


def test_if_attestation_is_optional_only_another_device_is_refused(bench: Bench) -> None:
    bench.demand(Acme.OFFERED)
    client = bench.client()
    refused = {"another device's serial number", "another device's UDID", "another device"}
    for why, bad in _bad_attestations(bench).items():
        key, order = curve_key(), client.order(bench.identifier()).json()
        challenge = client.challenge(order)
        reply = client.respond(challenge, bad.object(key, challenge["token"]))
        assert reply["status"] == ("invalid" if why in refused else "valid"), why
        if reply["status"] == "valid":
            assert client.finalize(order, csr(key)).json()["status"] == "valid", why
    client.obtain(bench.identifier(), rsa_key(), None)
    order = client.order(bench.identifier()).json()
    client.respond(client.challenge(order), None)
    bench.demand(Acme.REQUIRED)
    assert problem(client.finalize(order, csr(curve_key()))) == (403, "orderNotReady"), "the policy has changed meanwhile"
    assert len(_issued(bench)) == 8
    assert not any(row.attested for row in _issued(bench))


def test_the_certificate_is_for_the_attested_key_only(bench: Bench) -> None:
    client, key = bench.client(), curve_key()
    order = client.order(bench.identifier()).json()
    challenge = client.challenge(order)
    client.respond(challenge, bench.attestation.object(key, challenge["token"]))
    assert problem(client.finalize(order, csr(curve_key()))) == (400, "badCSR")
    assert problem(client.finalize(order, csr(client.key))) == (400, "badCSR")
    assert problem(client.finalize(order, csr(curve_key(ec.SECP521R1)))) == (400, "badCSR")
    assert problem(client.finalize(order, b"\x30\x03\x02\x01\x00")) == (400, "badCSR")
    broken = bytearray(csr(key))
    broken[-1] ^= 1
    assert problem(client.finalize(order, bytes(broken))) == (400, "badCSR")
    assert client.finalize(order, csr(key)).json()["status"] == "valid"


def test_chains_are_verified_to_the_root_with_their_limits(bench: Bench) -> None:
    """Out of time, a CA that is none, a CA too many, a leaf that is a CA, the root sent along."""
    attester, key = bench.attester, curve_key()

    def der(certificate: x509.Certificate) -> bytes:
        from cryptography.hazmat.primitives.serialization import Encoding

        return certificate.public_bytes(Encoding.DER)

    def status(*chain: bytes) -> str:
        client = bench.client()
        return str(
            client.respond(client.challenge(client.order(bench.identifier()).json()), build_attestation_object(chain))["status"]
        )

    below = curve_key()
    end = attester.issue_certificate("device", key, "Attestation CA", attester.key, life=timedelta(hours=1))
    not_a_ca = attester.issue_certificate("no CA", below, "Attestation CA", attester.key)
    extra = attester.issue_certificate("CA too many", below, "Attestation CA", attester.key, ca=True)
    ca = attester.issue_certificate("device", key, "Attestation CA", attester.key, ca=True)
    ends_there = attester.issue_certificate("device", key, "no CA", below)
    under_extra = attester.issue_certificate("device", key, "CA too many", below)
    assert status(der(end), der(attester.ca)) == "invalid"
    assert status(der(ends_there), der(not_a_ca), der(attester.ca)) == "invalid"
    assert status(der(under_extra), der(extra), der(attester.ca)) == "invalid"
    assert status(der(ca), der(attester.ca)) == "invalid"
    assert status(der(attester.ca), der(attester.root)) == "invalid"
    client = bench.client()
    challenge = client.challenge(client.order(bench.identifier()).json())
    chain = attester.issue_chain(key, build_attested_facts(bench.hardware, challenge["token"]))
    assert client.respond(challenge, build_attestation_object([*chain, der(attester.root)]))["status"] == "valid"
    challenge = client.challenge(client.order(bench.identifier()).json())
    straight = attester.issue_certificate(
        "device", key, "Attestation Root CA", attester.root_key, facts=build_attested_facts(bench.hardware, challenge["token"])
    )
    assert client.respond(challenge, build_attestation_object([der(straight)]))["status"] == "valid"


def test_an_identifier_must_be_known_unexpired_and_of_acme(bench: Bench, clock: ManualClock) -> None:
    client = bench.client()
    assert problem(client.order("not an identifier")) == (403, "rejectedIdentifier")
    assert problem(client.order("é" * 8)) == (403, "rejectedIdentifier")
    assert problem(client.order("example.org", "dns")) == (400, "unsupportedIdentifier")
    assert problem(client.order(bench.identifier(path=IdentityProtocol.SCEP))) == (403, "rejectedIdentifier")
    url = client.directory["newOrder"]
    malformed: tuple[object, ...] = ([], [{}, {}], "x", [7], None)
    for wrong in malformed:
        assert problem(client.send(url, {"identifiers": wrong}))[0] == 400
    late = bench.identifier()
    clock.advance(timedelta(minutes=61))
    assert problem(client.order(late)) == (403, "rejectedIdentifier")


def test_an_acme_identifier_is_no_scep_challenge(bench: Bench) -> None:
    """Else whoever reads a profile could have an unattested certificate where attestation is required."""
    scep = Requester(bench.server, bench.http)
    assert scep.refused(scep.request(bench.identifier())) == 2
    assert _issued(bench) == []


@pytest.mark.each_database
def test_parallel_orders_with_one_identifier_give_one_certificate(bench: Bench) -> None:
    identifier = bench.identifier()

    def attempt(_number: int) -> tuple[int, str]:
        client, key = Client(bench.http), curve_key()
        client.register()
        order = client.order(identifier).json()
        challenge = client.challenge(order)
        client.respond(challenge, bench.attestation.object(key, challenge["token"]))
        answer = client.finalize(order, csr(key))
        return (200, "valid") if answer.status_code == 200 else problem(answer)

    with ThreadPoolExecutor(4) as pool:
        results = sorted(pool.map(attempt, range(4)))
    assert results == [(200, "valid"), *[(403, "rejectedIdentifier")] * 3]
    assert len(_issued(bench)) == 1


def test_the_same_tablet_may_retry_and_gets_the_same_certificate(bench: Bench) -> None:
    """Failure table: the answer is lost; the tablet is not bricked by its retry, neither in the order nor in a new one."""
    client, key, identifier = bench.client(), curve_key(), bench.identifier()
    first = client.obtain(identifier, key, bench.attestation)
    with bench.server.runtime.open_unit_of_work() as work:
        order_id = work.session.scalar(select(AcmeOrder.id))
    url = f"{bench.server.url}/acme/order/{order_id}"
    order = client.send(url, None).json()
    assert client.finalize(order, csr(key)).json() == order
    assert problem(client.finalize(order, csr(curve_key()))) == (400, "badCSR")
    assert client.obtain(identifier, key, bench.attestation) == first
    assert bench.client().obtain(identifier, key, bench.attestation) == first, "even with another account key"
    challenge = client.challenge(order)
    assert client.respond(challenge, None) == challenge, "a challenge that was met stays met"
    for _ in range(MAX_ORDERS - 3):
        client.order(identifier)
    assert problem(client.order(identifier)) == (429, "rateLimited")


def test_an_expired_order_is_deleted_with_its_account(bench: Bench, clock: ManualClock) -> None:
    client, key = bench.client(), curve_key()
    made = client.order(bench.identifier())
    clock.advance(timedelta(minutes=59))
    challenge = client.challenge(made.json())
    client.respond(challenge, bench.attestation.object(key, challenge["token"]))
    clock.advance(timedelta(minutes=2))
    assert client.send(made.headers["location"], None).json()["status"] == "invalid"
    assert problem(client.finalize(made.json(), csr(key))) == (403, "orderNotReady")
    clock.advance(timedelta(days=2))
    with bench.server.runtime.open_unit_of_work() as work:
        schedule.HOUSEKEEPING["purge_acme"](work)
        for table in (AcmeNonce, AcmeOrder, AcmeAccount):
            assert work.session.scalar(select(func.count()).select_from(table)) == 0
    assert problem(client.order("x")) == (400, "accountDoesNotExist")


def test_a_deactivated_authorization_ends_its_order(bench: Bench) -> None:
    client = bench.client()
    made = client.order(bench.identifier())
    gone = client.send(made.json()["authorizations"][0], {"status": "deactivated"}).json()
    assert gone["status"] == "deactivated"
    assert client.send(made.headers["location"], None).json()["status"] == "invalid"


def test_an_account_sees_no_orders_of_others(bench: Bench) -> None:
    owner, stranger, key = bench.client(), bench.client(), curve_key()
    made = owner.order(bench.identifier())
    order, challenge = made.json(), owner.challenge(made.json())
    for url in (made.headers["location"], order["authorizations"][0], challenge["url"]):
        assert problem(stranger.send(url, None)) == (404, "malformed")
    assert problem(stranger.send(challenge["url"], {}))[0] == 404
    owner.respond(challenge, bench.attestation.object(key, challenge["token"]))
    assert problem(stranger.finalize(order, csr(key)))[0] == 404
    done = owner.finalize(order, csr(key)).json()
    assert problem(stranger.send(done["certificate"], None))[0] == 404


def test_a_certificate_is_revoked_by_its_account_or_its_key(bench: Bench) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding

    client, key = bench.client(), curve_key()
    url = client.directory["revokeCert"]

    def named(certificate: x509.Certificate, **more: object) -> dict[str, object]:
        return {"certificate": jose.encode_base64url(certificate.public_bytes(Encoding.DER)), **more}

    first = client.obtain(bench.identifier(), key, bench.attestation)
    assert problem(bench.client().send(url, named(first))) == (403, "unauthorized")
    assert problem(client.send(url, named(first, reason=7))) == (400, "badRevocationReason")
    assert problem(client.send(url, named(first, reason=True))) == (400, "badRevocationReason")
    assert client.send(url, named(first, reason=4)).status_code == 200
    assert problem(client.send(url, named(first))) == (400, "alreadyRevoked")
    other = curve_key()
    second = client.obtain(bench.identifier(), other, bench.attestation)
    assert problem(Client(bench.http).send(url, named(second))) == (403, "unauthorized")
    assert Client(bench.http, key=other).send(url, named(second)).status_code == 200
    assert [row.revoked_at is None for row in _issued(bench)] == [False, False]


def test_an_attested_certificate_is_valid_for_its_device_only(bench: Bench) -> None:
    from enrollment.identity.verifier import get_known_certificate

    bench.client().obtain(bench.identifier(), curve_key(), bench.attestation)
    [row] = _issued(bench)
    with bench.server.runtime.open_unit_of_work() as work:
        known = get_known_certificate(work, row.fingerprint)
    assert known.belongs_to(bench.hardware.serial, bench.hardware.udid.lower())
    assert not known.belongs_to("OTHER", bench.hardware.udid)
    assert not known.belongs_to(bench.hardware.serial, "other")
    assert not known.belongs_to(None, bench.hardware.udid)
    assert row.protocol is IdentityProtocol.ACME
