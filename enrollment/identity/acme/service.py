"""ACME orders: create, attest, finalize, revoke, purge. Never commits.

Accounts are in `accounts`; requests are authenticated in `requests`.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import structlog
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from cartable import audit
from cartable.certificates import read_certificate
from cartable.scope import SYSTEM
from cartable.settings import Acme
from cartable.unit_of_work import UnitOfWork
from enrollment.identity import csr, keys
from enrollment.identity import service as identity
from enrollment.identity.acme import attestation, jws, rules
from enrollment.identity.acme.attestation import AttestedDevice
from enrollment.identity.acme.documents import IDENTIFIER
from enrollment.identity.acme.errors import AcmeProblem, AcmeProblemType, InvalidAttestation
from enrollment.identity.acme.models import AcmeAccount, AcmeOrder, OrderState
from enrollment.identity.acme.repository import AcmeRepository
from enrollment.identity.acme.rules import AttestationOutcome, ExpectedDevice
from enrollment.identity.ca import list_authorities
from enrollment.identity.errors import ChallengeRefused
from enrollment.identity.models import DeviceCertificate, IdentityChallenge, IdentityProtocol
from enrollment.identity.repository import IdentityRepository
from enrollment.identity.service import AttestationEvidence
from enrollment.tablets.repository import TabletRepository

log = structlog.get_logger()
#: Apple's attestation service may be slow: a shorter lifetime would make orders of good tablets fail.
MIN_ORDER_LIFETIME = timedelta(hours=1)
#: Limit of orders with one client identifier: a tablet retries a few times.
MAX_ORDERS = 20
RETENTION = timedelta(days=1)
_REASONS = frozenset({0, 1, 2, 3, 4, 5, 6, 8, 9, 10})  # RFC 5280 section 5.3.1


def create_order(work: UnitOfWork, account: AcmeAccount, payload: dict[str, Any]) -> AcmeOrder:
    """Create an order for one valid client identifier and return it (RFC 8555 section 7.4). Raises `AcmeProblem`.

    A used client identifier is accepted: a tablet that has lost the response orders again and finalizes with the same key.
    """
    secret = _parse_identifier(payload.get("identifiers"))
    if "notBefore" in payload or "notAfter" in payload:
        raise AcmeProblem(AcmeProblemType.MALFORMED, "notBefore and notAfter are not supported")
    try:
        challenge = identity.get_valid_challenge(work, secret, IdentityProtocol.ACME)
    except ChallengeRefused:
        raise AcmeProblem(AcmeProblemType.REJECTED_IDENTIFIER, "this client identifier is not valid, or no longer") from None
    repository = AcmeRepository(work.session)
    if repository.count_orders(challenge.id) >= MAX_ORDERS:
        raise AcmeProblem(AcmeProblemType.RATE_LIMITED, "too many orders with this client identifier")
    order = AcmeOrder(
        account_id=account.id,
        challenge_id=challenge.id,
        identifier=secret,
        token=jws.encode_base64url(secrets.token_bytes(32)),
        state=OrderState.PENDING,
        created_at=work.now,
        expires_at=max(challenge.expires_at, work.now + MIN_ORDER_LIFETIME),
    )
    work.session.add(order)
    work.session.flush()
    return order


def _parse_identifier(identifiers: Any) -> str:
    """Return the value of the only identifier of an order. Raises `AcmeProblem`."""
    if not isinstance(identifiers, list) or len(identifiers) != 1 or not isinstance(identifiers[0], dict):
        raise AcmeProblem(AcmeProblemType.MALFORMED, "exactly one identifier")
    kind, value = identifiers[0].get("type"), identifiers[0].get("value")
    if kind != IDENTIFIER:
        raise AcmeProblem(AcmeProblemType.UNSUPPORTED_IDENTIFIER, f"only {IDENTIFIER}")
    if not isinstance(value, str) or not value.isascii():
        raise AcmeProblem(AcmeProblemType.REJECTED_IDENTIFIER, "this client identifier is not valid")
    return value


def get_order(work: UnitOfWork, account: AcmeAccount, order_id: UUID) -> AcmeOrder:
    """Return an order of the account, with an expired one marked as invalid.

    Raises `AcmeProblem`, the same for an order of another account and for one that does not exist.
    """
    order = AcmeRepository(work.session).get_order_for_update(account.id, order_id)
    if order is None:
        raise AcmeProblem(AcmeProblemType.NOT_FOUND, "there is nothing here")
    if order.expires_at <= work.now and order.state in (OrderState.PENDING, OrderState.READY):
        order.state = OrderState.INVALID
    return order


def process_challenge_response(work: UnitOfWork, order: AcmeOrder, response: dict[str, Any]) -> None:
    """Store the outcome of the device's response to the challenge: `attObj`, or nothing from a device that cannot attest.

    A refused attestation makes the order invalid and the request succeeds (RFC 8555 section 7.5.1). Raises `AcmeProblem` for a
    malformed response.
    """
    if order.state is not OrderState.PENDING:
        return
    challenge = work.session.get_one(IdentityChallenge, order.challenge_id)
    attested, why = _verify_attestation(work, order, response)
    verdict = rules.judge_attestation(work.settings.acme, _get_expected_device(work, challenge), attested, why)
    if verdict.outcome is AttestationOutcome.REFUSED:
        kind, subject = ("tablet", challenge.tablet_id) if challenge.tablet_id else ("invitation", challenge.invitation_id)
        audit.record_event(work, SYSTEM, "attestation.refuse", kind, subject, town_id=None, why=verdict.reason)
        log.warning("acme.attestation_refused", order=str(order.id), why=verdict.reason)
        order.state, order.problem = OrderState.INVALID, verdict.reason[:160]
        return
    if attested is not None and attested.is_fresh:
        order.key_sha256 = keys.compute_fingerprint(attested.key)
    if attested is not None and verdict.outcome is AttestationOutcome.ATTESTED:
        order.serial, order.udid = attested.serial, attested.udid
        order.os_version, order.sep_version = attested.os_version, attested.sep_version
    else:
        log.warning("acme.not_attested", order=str(order.id), why=verdict.reason)
    order.state, order.validated_at = OrderState.READY, work.now


def _verify_attestation(work: UnitOfWork, order: AcmeOrder, response: dict[str, Any]) -> tuple[AttestedDevice | None, str]:
    """Return the verified attestation of a response, or None and the reason why there is none. Raises `AcmeProblem`."""
    if "attObj" not in response:
        return None, "the device could not attest" if "error" in response else "the device sent no attestation"
    encoded = response["attObj"]
    if not isinstance(encoded, str):
        raise AcmeProblem(AcmeProblemType.MALFORMED, "attObj")
    roots = attestation.load_roots(work.settings.attestation_roots)
    try:
        return attestation.verify_attestation(jws.decode_base64url(encoded), order.token, roots, work.now), ""
    except InvalidAttestation as error:
        return None, str(error)


def _get_expected_device(work: UnitOfWork, challenge: IdentityChallenge) -> ExpectedDevice:
    """Return the device of the client identifier. An invitation names none; the first check-in then compares the device."""
    tablet = TabletRepository(work.session).get(challenge.tablet_id) if challenge.tablet_id else None
    return ExpectedDevice(serial=tablet.serial if tablet else None, udid=challenge.udid)


def withdraw_order(order: AcmeOrder) -> None:
    """Mark an open order as withdrawn: the client has deactivated its authorization (RFC 8555 section 7.5.2)."""
    if order.state in (OrderState.PENDING, OrderState.READY):
        order.state = OrderState.WITHDRAWN


def finalize_order(work: UnitOfWork, account: AcmeAccount, order: AcmeOrder, payload: dict[str, Any]) -> None:
    """Issue the certificate for the key of the CSR (RFC 8555 section 7.4); subject and extensions of the CSR are ignored.

    A repeated request with the same key gets the same certificate. Raises `AcmeProblem`.
    """
    if order.state not in (OrderState.READY, OrderState.VALID):
        raise AcmeProblem(AcmeProblemType.ORDER_NOT_READY, f"the order is {order.state.value}")
    if work.settings.acme is Acme.REQUIRED and _build_evidence(order) is None:
        raise AcmeProblem(AcmeProblemType.ORDER_NOT_READY, "the order was proved under another policy: order again")
    encoded = payload.get("csr")
    if not isinstance(encoded, str):
        raise AcmeProblem(AcmeProblemType.MALFORMED, "csr is missing")
    try:
        key = csr.parse_request(jws.decode_base64url(encoded)).key
    except csr.InvalidRequest as error:
        raise AcmeProblem(AcmeProblemType.BAD_CSR, "the request does not read, or its signature does not fit") from error
    if isinstance(key, rsa.RSAPublicKey) and not 2048 <= key.key_size <= 4096:
        raise AcmeProblem(AcmeProblemType.BAD_CSR, "RSA of 2048 to 4096 bits")
    fingerprint = keys.compute_fingerprint(key)
    if fingerprint == keys.compute_fingerprint(jws.load_account_key(account.jwk)):
        raise AcmeProblem(AcmeProblemType.BAD_CSR, "the key is the account's")
    if order.key_sha256 is not None and order.key_sha256 != fingerprint:
        raise AcmeProblem(AcmeProblemType.BAD_CSR, "the key is not the attested one")
    challenge = work.session.get_one(IdentityChallenge, order.challenge_id)
    try:
        issued = identity.redeem_challenge(work, challenge, key, f"acme {order.id}", _build_evidence(order))
    except ChallengeRefused:
        raise AcmeProblem(AcmeProblemType.REJECTED_IDENTIFIER, "the client identifier has served another key") from None
    order.state, order.certificate_id = OrderState.VALID, issued.id


def _build_evidence(order: AcmeOrder) -> AttestationEvidence | None:
    if order.serial is None or order.udid is None:
        return None
    return AttestationEvidence(order.serial, order.udid, order.os_version, order.sep_version)


def build_certificate_chain(work: UnitOfWork, account: AcmeAccount, certificate_id: UUID) -> bytes:
    """Return the certificate and the certificate of its CA as PEM (RFC 8555 section 9.1). Raises `AcmeProblem`."""
    row = AcmeRepository(work.session).get_certificate(account.id, certificate_id)
    if row is None:
        raise AcmeProblem(AcmeProblemType.NOT_FOUND, "there is nothing here")
    chain = [read_certificate(row.der)]
    chain += [authority.certificate for authority in list_authorities(work) if authority.id == row.ca_id]
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in chain)


def revoke_certificate(
    work: UnitOfWork, payload: dict[str, Any], account: AcmeAccount | None, jwk: dict[str, Any] | None
) -> None:
    """Revoke a certificate; allowed for the account that ordered it and for its own key (RFC 8555 section 7.6).

    Raises `AcmeProblem`.
    """
    encoded, reason = payload.get("certificate"), payload.get("reason", 0)
    if not isinstance(encoded, str):
        raise AcmeProblem(AcmeProblemType.MALFORMED, "certificate is missing")
    if isinstance(reason, bool) or not isinstance(reason, int) or reason not in _REASONS:
        raise AcmeProblem(AcmeProblemType.BAD_REVOCATION_REASON, "a reason code of RFC 5280")
    fingerprint = sha256(jws.decode_base64url(encoded)).hexdigest()
    row = IdentityRepository(work.session).get_by_fingerprint(fingerprint)
    if row is None or not _may_revoke(work, row, account, jwk):
        raise AcmeProblem(AcmeProblemType.UNAUTHORIZED, "neither ordered by this account nor of this key")
    if row.revoked_at is not None:
        raise AcmeProblem(AcmeProblemType.ALREADY_REVOKED, "it was revoked before")
    identity.revoke_certificate(work, SYSTEM, row.id, f"by its holder, reason {reason}")


def _may_revoke(work: UnitOfWork, row: DeviceCertificate, account: AcmeAccount | None, jwk: dict[str, Any] | None) -> bool:
    if account is not None:
        return AcmeRepository(work.session).is_ordered_by(row.id, account.id)
    return jwk is not None and keys.compute_fingerprint(jws.load_account_key(jwk)) == row.key_sha256


def purge_expired(work: UnitOfWork) -> None:
    """Delete expired nonces, orders a day after their expiry, and accounts without orders."""
    AcmeRepository(work.session).delete_expired(work.now, work.now - RETENTION, work.now - RETENTION)
