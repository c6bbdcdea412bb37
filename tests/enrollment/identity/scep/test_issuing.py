"""PKIOperation in every dialect, and each refusal with its failInfo (RFC 8894 sections 3.2 and 3.3)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from structlog.testing import capture_logs

from cartable.clock import ManualClock
from cartable.scope import SYSTEM
from enrollment.identity import service as identity
from enrollment.identity.models import ChallengePurpose, DeviceCertificate
from simulator import der, scep_message
from simulator.errors import ScepFailed
from simulator.identity import Identity
from simulator.scep_message import EnvelopeCipher, PkiMessageType
from simulator.signature import SHA1, SHA256
from tests.enrollment.identity.scep.conftest import Requester, rsa_key, self_signed
from tests.support.world import TownFactory

#: It goes over the wire, and its SQL is in repositories. In what two meet, both databases count.
pytestmark = pytest.mark.one_database

BAD_ALG, BAD_REQUEST, BAD_TIME, BAD_CERT_ID = 0, 2, 3, 4


def test_every_kind_of_scep_client_gets_a_certificate(scep: Requester) -> None:
    """GET and POST, each cipher, each digest: the CertRep names our transaction and repeats our nonce."""
    for post, cipher, digest in product((True, False), EnvelopeCipher, (SHA1, SHA256)):
        issued = scep.certificate(scep.request(scep.challenge(), cipher=cipher, digest=digest), post=post)
        assert issued.public_key() == rsa_key().public_key()
        assert issued.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False


def test_a_certificate_is_back_dated_and_ignores_the_requested_subject(scep: Requester, clock: ManualClock) -> None:
    issued = scep.certificate(scep.request(scep.challenge()))
    assert clock.now() - issued.not_valid_before_utc >= timedelta(minutes=30)
    assert "CN=x" not in issued.subject.rfc4514_string()
    # A tablet whose own clock is an hour and a half slow or fast asks and is served all the same.
    for skew in (-90, 90):
        key = rsa_key(1)
        request = scep.request(scep.challenge(), key=key, signer=self_signed(key, datetime.now(UTC) + timedelta(minutes=skew)))
        assert scep.certificate(request)


def test_the_same_tablet_may_retry_its_challenge_and_gets_the_same_certificate(scep: Requester) -> None:
    """Failure table: a one-time challenge is spent, the answer is lost; the tablet is not bricked by its retry."""
    challenge = scep.challenge()
    first = scep.certificate(scep.request(challenge))
    assert scep.certificate(scep.request(challenge)) == first
    assert scep.refused(scep.request(challenge, key=rsa_key(1))) == BAD_REQUEST


@pytest.mark.each_database
def test_a_challenge_used_concurrently_issues_one_certificate(scep: Requester) -> None:
    challenge = scep.challenge()
    requests = [scep.request(challenge, key=rsa_key(number)) for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda request: (request, scep.send(request.message).content), requests))
    results = [_result(scep, request, answer) for request, answer in answers]
    assert sorted(results, key=str) == [BAD_REQUEST, BAD_REQUEST, BAD_REQUEST, "served"]


def _result(scep: Requester, request: scep_message.PkiRequest, answer: bytes) -> str | int | None:
    try:
        scep_message.read_cert_rep(answer, request, frozenset(scep.authority))
    except ScepFailed as failure:
        return failure.fail_info
    return "served"


def test_wrong_missing_and_expired_challenges_are_refused(scep: Requester, clock: ManualClock) -> None:
    assert scep.refused(scep.request("not a challenge")) == BAD_REQUEST
    assert scep.refused(scep.request("")) == BAD_REQUEST
    late = scep.challenge()
    clock.advance(timedelta(minutes=61))
    assert scep.refused(scep.request(late)) == BAD_REQUEST


def test_a_replayed_message_returns_the_same_certificate(scep: Requester) -> None:
    request = scep.request(scep.challenge())
    first = scep.certificate(request)
    assert scep.certificate(request) == first
    with scep.server.runtime.open_unit_of_work() as work:
        assert work.session.query(DeviceCertificate).count() == 1


def test_a_renewal_is_signed_with_the_certificate_it_replaces(scep: Requester, clock: ManualClock) -> None:
    old = scep.certificate(scep.request(scep.challenge()))
    signer = Identity(rsa_key(), old.public_bytes(Encoding.DER))
    renewal = scep.request("", key=rsa_key(1), signer=signer, kind=PkiMessageType.RENEWAL_REQ)
    new = scep.certificate(renewal)
    assert (new.public_key(), new.subject) == (rsa_key(1).public_key(), old.subject)
    assert scep.certificate(renewal) == new, "the same renewal again, its answer was lost"
    stranger = scep.request("", key=rsa_key(1), signer=self_signed(rsa_key(2)), kind=PkiMessageType.RENEWAL_REQ)
    assert scep.refused(stranger) == BAD_CERT_ID
    des = scep.request("", key=rsa_key(3), signer=signer, kind=PkiMessageType.RENEWAL_REQ, cipher=EnvelopeCipher.DES)
    assert scep.refused(des) == BAD_ALG
    with scep.server.runtime.open_unit_of_work() as work:
        row = work.session.query(DeviceCertificate).filter_by(serial_hex=f"{old.serial_number:x}").one()
        identity.revoke_certificate(work, SYSTEM, row.id, "stolen")
    assert scep.refused(scep.request("", key=rsa_key(3), signer=signer, kind=PkiMessageType.RENEWAL_REQ)) == BAD_CERT_ID
    clock.advance(timedelta(days=500))
    expired = Identity(rsa_key(1), new.public_bytes(Encoding.DER))
    assert scep.refused(scep.request("", key=rsa_key(3), signer=expired, kind=PkiMessageType.RENEWAL_REQ)) == BAD_TIME


@pytest.mark.parametrize("cipher", EnvelopeCipher)
def test_a_request_signed_with_a_key_of_its_own_gets_a_certificate_for_the_requested_key(
    scep: Requester, cipher: EnvelopeCipher
) -> None:
    challenge, signer = scep.challenge(), self_signed(rsa_key(2))
    with capture_logs() as logs:
        issued = scep.certificate(scep.request(challenge, key=rsa_key(1), signer=signer, cipher=cipher))
    assert issued.public_key() == rsa_key(1).public_key()
    assert [entry["event"] for entry in logs].count("scep.own_signer_key") == 1
    retried = scep.request(challenge, key=rsa_key(1), signer=self_signed(rsa_key(3)), cipher=cipher)
    assert scep.certificate(retried) == issued, "a retry makes a new signer; the requested key is the same"


def test_every_other_check_stays_for_a_request_signed_with_a_key_of_its_own(scep: Requester) -> None:
    signer, key = self_signed(rsa_key(2)), rsa_key(1)
    assert scep.refused(scep.request("", key=key, signer=signer)) == BAD_REQUEST
    assert scep.refused(scep.request("not a challenge", key=key, signer=signer)) == BAD_REQUEST
    assert scep.refused(scep.request(scep.challenge(), key=rsa_key(9, 1024), signer=signer)) == BAD_ALG
    challenge = scep.challenge()
    assert scep.certificate(scep.request(challenge, key=key, signer=signer))
    assert scep.refused(scep.request(challenge, key=rsa_key(2), signer=signer)) == BAD_REQUEST, "the challenge is spent"
    assert scep.refused(scep.request("", key=key, signer=signer, kind=PkiMessageType.RENEWAL_REQ)) == BAD_CERT_ID
    forged = bytearray(scep.request(scep.challenge(), key=key, signer=signer).message)
    forged[-1] ^= 1
    assert scep.send(bytes(forged)).status_code == 400, "the signature must still verify"


def test_weak_and_elliptic_keys_are_refused(scep: Requester) -> None:
    small = rsa_key(9, 1024)
    assert scep.refused(scep.request(scep.challenge(), key=small)) == BAD_ALG
    curve = ec.generate_private_key(ec.SECP256R1())
    assert scep.refused(scep.request(scep.challenge(), key=curve, signer=self_signed(rsa_key()))) in {BAD_ALG, BAD_REQUEST}


def test_single_des_can_be_turned_off(scep: Requester) -> None:
    settings = scep.server.runtime.settings
    scep.server.runtime.settings = settings.model_copy(update={"scep_allow_single_des": False})
    assert scep.refused(scep.request(scep.challenge(), cipher=EnvelopeCipher.DES)) == BAD_ALG


@pytest.mark.parametrize("cut", [0.1, 0.5, 0.9, 0.99])
def test_a_truncated_message_is_refused_and_uses_no_challenge(scep: Requester, cut: float) -> None:
    challenge = scep.challenge()
    message = scep.request(challenge).message
    assert scep.send(message[: int(len(message) * cut)]).status_code == 400
    assert scep.certificate(scep.request(challenge))


def test_a_body_of_ten_megabytes_is_refused_unread(scep: Requester) -> None:
    assert scep.send(b"\x30" * (10 * 2**20)).status_code in {400, 413}
    assert scep.http.get("/scep?operation=GetCACaps").status_code == 200


def test_a_challenge_for_a_tablet_names_it_and_no_child(scep: Requester) -> None:
    with scep.server.runtime.open_unit_of_work() as work:
        tablet = TownFactory(work).create_tablet(TownFactory(work).create_town())
        secret = identity.create_challenge(work, purpose=ChallengePurpose.ENROLLMENT, tablet_id=tablet.id)
    assert str(tablet.id) in scep.certificate(scep.request(secret)).subject.rfc4514_string()


@pytest.mark.parametrize("what", ["an elliptic signer", "a digest that is not supported"])
def test_an_unsupported_algorithm_is_answered_with_a_cert_rep(scep: Requester, what: str) -> None:
    """A client that gets anything but a CertRep may crash: the failure names the algorithm."""
    if what == "an elliptic signer":
        request = scep.request(scep.challenge(), signer=self_signed(ec.generate_private_key(ec.SECP256R1())))
    else:
        request = scep.request(scep.challenge())
        sha256, sha224 = bytes.fromhex("0609608648016503040201"), bytes.fromhex("0609608648016503040204")
        request = replace(request, message=request.message.replace(sha256, sha224))
    assert scep.refused(request) == BAD_ALG


@pytest.mark.parametrize("tag", [b"\x0c", b"\x16"], ids=["UTF8String", "IA5String"])
def test_the_texts_of_a_request_may_have_any_string_type(scep: Requester, monkeypatch: pytest.MonkeyPatch, tag: bytes) -> None:
    monkeypatch.setattr(der, "encode_printable_string", lambda text: tag + bytes([len(text)]) + text.encode())
    request = scep.request(scep.challenge(), transaction="a transaction")
    assert scep.certificate(request).public_key() == rsa_key().public_key()


@pytest.mark.each_database
def test_a_transaction_that_no_response_can_repeat_is_refused_in_the_same_way_on_each_database(scep: Requester) -> None:
    assert scep.send(scep.request(scep.challenge(), transaction="a\0b").message).status_code == 400
