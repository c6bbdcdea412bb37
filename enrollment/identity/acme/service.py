"""Verbs of orders: make, prove, finalize, revoke, purge. Accounts are in `accounts`; who asks was settled in `requests`."""

from __future__ import annotations

import secrets
from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import structlog
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_der_x509_certificate

from cartable import audit
from cartable.scope import SYSTEM
from cartable.settings import Acme
from cartable.unit_of_work import UnitOfWork
from enrollment.identity import csr, keys
from enrollment.identity import service as identity
from enrollment.identity.acme import attestation, jws, rules
from enrollment.identity.acme.attestation import Attested
from enrollment.identity.acme.documents import IDENTIFIER
from enrollment.identity.acme.errors import BadAttestation, Kind, Problem
from enrollment.identity.acme.models import AcmeAccount, AcmeOrder, OrderState
from enrollment.identity.acme.repository import AcmeRepository
from enrollment.identity.acme.rules import Expected, Worth
from enrollment.identity.ca import authorities
from enrollment.identity.errors import ChallengeRefused
from enrollment.identity.models import DeviceCertificate, IdentityPath, ScepChallenge
from enrollment.identity.repository import IdentityRepository
from enrollment.identity.service import Evidence
from enrollment.tablets.repository import TabletRepository

log = structlog.get_logger()
#: Apple's attestation may be slow: a shorter life would fail honest tablets.
SHORTEST_LIFE = timedelta(hours=1)
#: A tablet tries again a few times; nobody else knows its identifier.
MOST_ORDERS = 20
KEEP = timedelta(days=1)
_REASONS = frozenset({0, 1, 2, 3, 4, 5, 6, 8, 9, 10})  # RFC 5280 section 5.3.1


def new_order(work: UnitOfWork, account: AcmeAccount, asked: dict[str, Any]) -> AcmeOrder:
    """Order a certificate for one client identifier that is in its time (RFC 8555 section 7.4). Raises `Problem`.

    One that has served already may be ordered with again: a tablet whose answer was lost finalizes with the same key.
    """
    secret = _identifier(asked.get("identifiers"))
    if "notBefore" in asked or "notAfter" in asked:
        raise Problem(Kind.MALFORMED, "the dates of a certificate are ours to choose")
    try:
        challenge = identity.challenge_of(work, secret, IdentityPath.ACME)
    except ChallengeRefused:
        raise Problem(Kind.REJECTED_IDENTIFIER, "this client identifier is not valid, or no longer") from None
    repository = AcmeRepository(work.session)
    if repository.orders_for(challenge.id) >= MOST_ORDERS:
        raise Problem(Kind.RATE_LIMITED, "too many orders with this client identifier")
    order = AcmeOrder(
        account_id=account.id,
        challenge_id=challenge.id,
        identifier=secret,
        token=jws.to_base64url(secrets.token_bytes(32)),
        state=OrderState.PENDING,
        created_at=work.now,
        expires_at=max(challenge.expires_at, work.now + SHORTEST_LIFE),
    )
    work.session.add(order)
    work.session.flush()
    return order


def _identifier(given: Any) -> str:
    """The value of the one identifier of an order. Raises `Problem`."""
    if not isinstance(given, list) or len(given) != 1 or not isinstance(given[0], dict):
        raise Problem(Kind.MALFORMED, "exactly one identifier")
    kind, value = given[0].get("type"), given[0].get("value")
    if kind != IDENTIFIER:
        raise Problem(Kind.UNSUPPORTED_IDENTIFIER, f"only {IDENTIFIER}")
    if not isinstance(value, str) or not value.isascii():
        raise Problem(Kind.REJECTED_IDENTIFIER, "this client identifier is not valid")
    return value


def order_of(work: UnitOfWork, account: AcmeAccount, order_id: UUID) -> AcmeOrder:
    """An order of the account, ended if its time is over. Raises `Problem`: another's is not told from none."""
    order = AcmeRepository(work.session).order(account.id, order_id)
    if order is None:
        raise Problem(Kind.NOT_FOUND, "there is nothing here")
    if order.expires_at <= work.now and order.state in (OrderState.PENDING, OrderState.READY):
        order.state = OrderState.INVALID
    return order


def respond(work: UnitOfWork, order: AcmeOrder, said: dict[str, Any]) -> None:
    """Take the device's response to its challenge (`attObj`, or nothing from one that cannot attest).

    A refusal is a state of the order, not a problem of this request (RFC 8555 section 7.5.1). Raises `Problem` for a response
    that is none.
    """
    if order.state is not OrderState.PENDING:
        return
    challenge = work.session.get_one(ScepChallenge, order.challenge_id)
    attested, why = _attested(work, order, said)
    verdict = rules.judge(work.settings.acme, _expected(work, challenge), attested, why)
    if verdict.worth is Worth.REFUSED:
        kind, subject = ("tablet", challenge.tablet_id) if challenge.tablet_id else ("invitation", challenge.invitation_id)
        audit.record_event(work, SYSTEM, "attestation.refuse", kind, subject, town_id=None, why=verdict.why)
        log.warning("acme.attestation_refused", order=str(order.id), why=verdict.why)
        order.state, order.problem = OrderState.INVALID, verdict.why[:160]
        return
    if attested is not None and attested.is_fresh:
        order.key_sha256 = keys.fingerprint(attested.key)
    if attested is not None and verdict.worth is Worth.ATTESTED:
        order.serial, order.udid = attested.serial, attested.udid
        order.os_version, order.sep_version = attested.os_version, attested.sep_version
    else:
        log.warning("acme.not_attested", order=str(order.id), why=verdict.why)
    order.state, order.validated_at = OrderState.READY, work.now


def _attested(work: UnitOfWork, order: AcmeOrder, said: dict[str, Any]) -> tuple[Attested | None, str]:
    """What a genuine attestation says, or None and why there is none."""
    if "attObj" not in said:
        return None, "the device could not attest" if "error" in said else "the device sent no attestation"
    encoded = said["attObj"]
    if not isinstance(encoded, str):
        raise Problem(Kind.MALFORMED, "attObj")
    roots = attestation.roots_in(work.settings.attestation_roots)
    try:
        return attestation.read(jws.from_base64url(encoded), order.token, roots, work.now), ""
    except BadAttestation as error:
        return None, str(error)


def _expected(work: UnitOfWork, challenge: ScepChallenge) -> Expected:
    """Which device the client identifier was made for. An invitation names none: then the first check-in compares."""
    tablet = TabletRepository(work.session).get(challenge.tablet_id) if challenge.tablet_id else None
    return Expected(serial=tablet.serial if tablet else None, udid=challenge.udid)


def withdraw(order: AcmeOrder) -> None:
    """The client gives its authorization up (RFC 8555 section 7.5.2)."""
    if order.state in (OrderState.PENDING, OrderState.READY):
        order.state = OrderState.WITHDRAWN


def finalize(work: UnitOfWork, account: AcmeAccount, order: AcmeOrder, asked: dict[str, Any]) -> None:
    """Issue the certificate for the key of the request (RFC 8555 section 7.4). Subject and extensions asked for are ignored.

    Sent again with the same key, it gives the same certificate. Raises `Problem`.
    """
    if order.state not in (OrderState.READY, OrderState.VALID):
        raise Problem(Kind.ORDER_NOT_READY, f"the order is {order.state.value}")
    if work.settings.acme is Acme.REQUIRED and _evidence(order) is None:
        raise Problem(Kind.ORDER_NOT_READY, "the order was proved under another policy: order again")
    encoded = asked.get("csr")
    if not isinstance(encoded, str):
        raise Problem(Kind.MALFORMED, "csr is missing")
    try:
        key = csr.read(jws.from_base64url(encoded)).key
    except csr.BadRequest as error:
        raise Problem(Kind.BAD_CSR, "the request does not read, or its signature does not fit") from error
    if isinstance(key, rsa.RSAPublicKey) and not 2048 <= key.key_size <= 4096:
        raise Problem(Kind.BAD_CSR, "RSA of 2048 to 4096 bits")
    fingerprint = keys.fingerprint(key)
    if fingerprint == keys.fingerprint(jws.account_key(account.jwk)):
        raise Problem(Kind.BAD_CSR, "the key is the account's")
    if order.key_sha256 is not None and order.key_sha256 != fingerprint:
        raise Problem(Kind.BAD_CSR, "the key is not the attested one")
    challenge = work.session.get_one(ScepChallenge, order.challenge_id)
    try:
        issued = identity.redeem(work, challenge, key, f"acme {order.id}", _evidence(order))
    except ChallengeRefused:
        raise Problem(Kind.REJECTED_IDENTIFIER, "the client identifier has served another key") from None
    order.state, order.certificate_id = OrderState.VALID, issued.id


def _evidence(order: AcmeOrder) -> Evidence | None:
    if order.serial is None or order.udid is None:
        return None
    return Evidence(order.serial, order.udid, order.os_version, order.sep_version)


def certificate_chain(work: UnitOfWork, account: AcmeAccount, certificate_id: UUID) -> bytes:
    """The certificate and the CA that signed it, PEM (RFC 8555 section 9.1). Raises `Problem`."""
    row = AcmeRepository(work.session).certificate(account.id, certificate_id)
    if row is None:
        raise Problem(Kind.NOT_FOUND, "there is nothing here")
    chain = [load_der_x509_certificate(row.der)]
    chain += [each.certificate for each in authorities(work) if each.id == row.ca_id]
    return b"".join(each.public_bytes(Encoding.PEM) for each in chain)


def revoke(work: UnitOfWork, asked: dict[str, Any], account: AcmeAccount | None, jwk: dict[str, Any] | None) -> None:
    """Revoke a certificate for the account that ordered it, or for its own key (RFC 8555 section 7.6). Raises `Problem`."""
    encoded, reason = asked.get("certificate"), asked.get("reason", 0)
    if not isinstance(encoded, str):
        raise Problem(Kind.MALFORMED, "certificate is missing")
    if isinstance(reason, bool) or not isinstance(reason, int) or reason not in _REASONS:
        raise Problem(Kind.BAD_REVOCATION_REASON, "a reason code of RFC 5280")
    fingerprint = sha256(jws.from_base64url(encoded)).hexdigest()
    row = IdentityRepository(work.session).by_fingerprint(fingerprint)
    if row is None or not _may_revoke(work, row, account, jwk):
        raise Problem(Kind.UNAUTHORIZED, "neither ordered by this account nor of this key")
    if row.revoked_at is not None:
        raise Problem(Kind.ALREADY_REVOKED, "it was revoked before")
    identity.revoke(work, SYSTEM, row.id, f"by its holder, reason {reason}")


def _may_revoke(work: UnitOfWork, row: DeviceCertificate, account: AcmeAccount | None, jwk: dict[str, Any] | None) -> bool:
    if account is not None:
        return AcmeRepository(work.session).ordered_by(row.id, account.id)
    return jwk is not None and keys.fingerprint(jws.account_key(jwk)) == row.key_sha256


def purge(work: UnitOfWork) -> None:
    """Forget spent nonces, orders a day after their end, and accounts that have no order left."""
    AcmeRepository(work.session).forget(work.now, work.now - KEEP, work.now - KEEP)
