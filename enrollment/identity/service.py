"""Challenges and device certificates: create, redeem, issue, bind to a tablet, revoke. Never commits."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

import structlog

from cartable import audit
from cartable.certificates import read_certificate
from cartable.scope import SYSTEM, Actor
from cartable.unit_of_work import UnitOfWork
from enrollment.identity import keys
from enrollment.identity.ca import Authority, ensure_authority, import_authority, list_authorities
from enrollment.identity.errors import CertificateNotFound, ChallengeProblem, ChallengeRefused
from enrollment.identity.keys import DeviceKey
from enrollment.identity.models import (
    ChallengePurpose,
    DeviceAttestation,
    DeviceCertificate,
    IdentityChallenge,
    IdentityProtocol,
)
from enrollment.identity.repository import IdentityRepository
from enrollment.identity.signing.choosing import get_device_signer
from enrollment.identity.signing.port import CertificateHolder

__all__ = [
    "Authority",
    "CertificateHolder",
    "create_challenge",
    "ensure_authority",
    "import_authority",
    "issue_certificate",
    "list_authorities",
    "redeem_challenge",
    "revoke_certificate",
]

log = structlog.get_logger()
#: A certificate is renewed after this share of its lifetime.
RENEW_AFTER_SHARE = 2 / 3


@dataclass(frozen=True, slots=True)
class AttestationEvidence:
    """What a valid attestation says about the device with the key."""

    serial: str
    udid: str
    os_version: str | None = None
    sep_version: str | None = None


def create_challenge(
    work: UnitOfWork,
    *,
    purpose: ChallengePurpose,
    protocol: IdentityProtocol = IdentityProtocol.SCEP,
    invitation_id: UUID | None = None,
    tablet_id: UUID | None = None,
    udid: str | None = None,
    valid_for: timedelta | None = None,
) -> str:
    """Create a one-time challenge (ACME: client identifier) and return its secret; only its hash is stored.

    It is valid for the setting `challenge_minutes`, or for `valid_for`.
    """
    secret = secrets.token_urlsafe(24)
    work.session.add(
        IdentityChallenge(
            secret_hash=_hash_secret(work, secret),
            protocol=protocol,
            purpose=purpose,
            invitation_id=invitation_id,
            tablet_id=tablet_id,
            udid=udid,
            created_at=work.now,
            expires_at=work.now + (valid_for or timedelta(minutes=work.settings.challenge_minutes)),
        )
    )
    return secret


def get_valid_challenge(work: UnitOfWork, secret: str, protocol: IdentityProtocol) -> IdentityChallenge:
    """Return the challenge with this secret, unexpired and of this protocol. Raises `ChallengeRefused`."""
    challenge = IdentityRepository(work.session).get_challenge(_hash_secret(work, secret))
    if challenge is None or challenge.protocol is not protocol:
        raise ChallengeRefused
    if challenge.expires_at <= work.now:
        raise _record_challenge_refusal(work, challenge, ChallengeProblem.EXPIRED)
    return challenge


def _record_challenge_refusal(work: UnitOfWork, challenge: IdentityChallenge, problem: ChallengeProblem) -> ChallengeRefused:
    """Store and log why a challenge is refused, and return the error to raise. The caller commits although it fails."""
    challenge.refused_at, challenge.refusal = work.now, problem
    log.warning(
        "challenge.refused",
        reason=problem.value,
        invitation=_to_text(challenge.invitation_id),
        tablet=_to_text(challenge.tablet_id),
    )
    return ChallengeRefused()


def _to_text(identifier: UUID | None) -> str | None:
    return None if identifier is None else str(identifier)


def list_refused_challenges(work: UnitOfWork, invitation_ids: Sequence[UUID]) -> Sequence[IdentityChallenge]:
    """Return the challenges of these invitations that were refused, the last refusal last."""
    return IdentityRepository(work.session).list_refused_challenges(invitation_ids)


def redeem_challenge(
    work: UnitOfWork,
    challenge: IdentityChallenge,
    key: DeviceKey,
    transaction_id: str,
    evidence: AttestationEvidence | None = None,
) -> DeviceCertificate:
    """Issue a certificate for `key` with a challenge and return it; the same key gets the same certificate again.

    A tablet that has not received the response retries, and must not be locked out. Raises `ChallengeRefused` when the challenge
    was used with another key.
    """
    repository = IdentityRepository(work.session)
    key_sha256 = keys.compute_fingerprint(key)
    if not repository.spend_challenge(challenge.id, work.now, key_sha256):
        work.session.refresh(challenge)
        if challenge.used_key_sha256 != key_sha256 or challenge.certificate_id is None:
            raise _record_challenge_refusal(work, challenge, ChallengeProblem.USED_BY_ANOTHER)
        return work.session.get_one(DeviceCertificate, challenge.certificate_id)
    work.session.refresh(challenge)
    holder = CertificateHolder(invitation_id=challenge.invitation_id, tablet_id=challenge.tablet_id)
    certificate = issue_certificate(work, holder, key, transaction_id, protocol=challenge.protocol, evidence=evidence)
    challenge.certificate_id = certificate.id
    return certificate


def issue_certificate(
    work: UnitOfWork,
    holder: CertificateHolder,
    key: DeviceKey,
    transaction_id: str | None,
    *,
    protocol: IdentityProtocol = IdentityProtocol.SCEP,
    evidence: AttestationEvidence | None = None,
) -> DeviceCertificate:
    """Issue a certificate for a tablet's key, store and return it. Raises `SignerUnavailable`."""
    authority = ensure_authority(work)
    der = get_device_signer(work, authority).sign_certificate(key, holder)
    certificate = read_certificate(der)
    row = DeviceCertificate(
        protocol=protocol,
        attested=evidence is not None,
        ca_id=authority.id,
        serial_hex=f"{certificate.serial_number:x}",
        fingerprint=sha256(der).hexdigest(),
        der=der,
        key_sha256=keys.compute_fingerprint(key),
        transaction_id=transaction_id[:128] if transaction_id else None,
        invitation_id=holder.invitation_id,
        tablet_id=holder.tablet_id,
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        renew_from=compute_renew_from(certificate.not_valid_before_utc, certificate.not_valid_after_utc),
        issued_at=work.now,
    )
    work.session.add(row)
    work.session.flush()
    if evidence is not None:
        work.session.add(
            DeviceAttestation(
                certificate_id=row.id,
                serial=evidence.serial,
                udid=evidence.udid,
                os_version=evidence.os_version,
                sep_version=evidence.sep_version,
                attested_at=work.now,
            )
        )
    audit.record_event(
        work, SYSTEM, "certificate.issue", "certificate", row.id,
        town_id=None, holder=holder.common_name, protocol=protocol.value, attested=row.attested,
    )  # fmt: skip
    return row


def bind_certificate(work: UnitOfWork, fingerprint: str, tablet_id: UUID) -> None:
    """Store for which tablet a certificate is: at the first Authenticate."""
    IdentityRepository(work.session).set_tablet(fingerprint, tablet_id)


def revoke_certificate(work: UnitOfWork, actor: Actor, certificate_id: UUID, reason: str) -> DeviceCertificate:
    """Revoke a certificate and return it. Raises `CertificateNotFound`."""
    row = IdentityRepository(work.session).get_certificate(certificate_id)
    if row is None:
        raise CertificateNotFound
    if row.revoked_at is None:
        audit.record_event(work, actor, "certificate.revoke", "certificate", row.id, town_id=None, why=reason)
        row.revoked_at, row.revocation_reason = work.now, reason[:64]
    return row


def revoke_tablet_certificates(work: UnitOfWork, actor: Actor, tablet_id: UUID, reason: str) -> None:
    """Revoke every certificate of a tablet."""
    for row in IdentityRepository(work.session).list_unrevoked_by_tablet(tablet_id):
        revoke_certificate(work, actor, row.id, reason)


def compute_renew_from(not_before: datetime, not_after: datetime) -> datetime:
    """Return from when on a certificate with these dates is renewed."""
    return not_before + (not_after - not_before) * RENEW_AFTER_SHARE


def get_certificate(work: UnitOfWork, fingerprint: str) -> DeviceCertificate | None:
    """Return the certificate with this fingerprint, which an enrollment pins; None when it is not stored."""
    return IdentityRepository(work.session).get_by_fingerprint(fingerprint)


def has_issued_since(work: UnitOfWork, tablet_id: UUID, since: datetime) -> bool:
    """Return whether a certificate was issued for the tablet at `since` or later; it is not known whether the tablet uses it."""
    return IdentityRepository(work.session).has_issued_since(tablet_id, since)


def _hash_secret(work: UnitOfWork, secret: str) -> str:
    return work.keyring.keyed_hash(secret, "identity.challenge")
