"""Verbs of identity: challenge, issue, bind, revoke, and what is due for renewal. Never commits."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cartable import audit
from cartable.scope import SYSTEM, Actor
from cartable.unit_of_work import UnitOfWork
from enrollment.identity import keys
from enrollment.identity.ca import BACKDATE, Authority, authorities, ensure_authority, import_authority
from enrollment.identity.errors import CertificateNotFound, ChallengeRefused
from enrollment.identity.keys import DeviceKey
from enrollment.identity.models import (
    ChallengePurpose,
    DeviceAttestation,
    DeviceCertificate,
    IdentityPath,
    ScepChallenge,
)
from enrollment.identity.repository import IdentityRepository

__all__ = ["Authority", "authorities", "ensure_authority", "import_authority", "issue", "new_challenge", "redeem", "revoke"]

#: A certificate is renewed from this share of its life on (protocol.md section 3.4).
RENEW_FROM = 2 / 3


@dataclass(frozen=True, slots=True)
class Holder:
    """For whom a certificate is: a tablet that is known, or whoever holds an invitation."""

    invitation_id: UUID | None = None
    tablet_id: UUID | None = None

    @property
    def common_name(self) -> str:
        """Never a child's name (PRIV-06)."""
        return f"tablet {self.tablet_id}" if self.tablet_id else f"invitation {self.invitation_id}"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a sound attestation says of the device that holds the key."""

    serial: str
    udid: str
    os_version: str | None = None
    sep_version: str | None = None


def new_challenge(
    work: UnitOfWork,
    *,
    purpose: ChallengePurpose,
    path: IdentityPath = IdentityPath.SCEP,
    invitation_id: UUID | None = None,
    tablet_id: UUID | None = None,
    udid: str | None = None,
) -> str:
    """Make a one-time challenge (ACME: client identifier) and return its secret, which is not kept."""
    secret = secrets.token_urlsafe(24)
    work.session.add(
        ScepChallenge(
            secret_hash=_hash(work, secret),
            path=path,
            purpose=purpose,
            invitation_id=invitation_id,
            tablet_id=tablet_id,
            udid=udid,
            created_at=work.now,
            expires_at=work.now + timedelta(minutes=work.settings.challenge_minutes),
        )
    )
    return secret


def challenge_of(work: UnitOfWork, secret: str, path: IdentityPath) -> ScepChallenge:
    """The challenge with this secret, in its time and on its path. Raises `ChallengeRefused`."""
    challenge = IdentityRepository(work.session).challenge(_hash(work, secret))
    if challenge is None or challenge.path is not path or challenge.expires_at <= work.now:
        raise ChallengeRefused
    return challenge


def redeem(
    work: UnitOfWork, challenge: ScepChallenge, key: DeviceKey, transaction_id: str, evidence: Evidence | None = None
) -> DeviceCertificate:
    """Spend a challenge on a certificate for `key`. The same key may come again and gets the same certificate: a tablet
    whose answer was lost must not be bricked. Raises `ChallengeRefused` when another key has spent it.
    """
    repository = IdentityRepository(work.session)
    key_sha256 = keys.fingerprint(key)
    if not repository.consume(challenge.id, work.now, key_sha256):
        work.session.refresh(challenge)
        if challenge.used_key_sha256 != key_sha256 or challenge.certificate_id is None:
            raise ChallengeRefused
        return work.session.get_one(DeviceCertificate, challenge.certificate_id)
    work.session.refresh(challenge)
    holder = Holder(invitation_id=challenge.invitation_id, tablet_id=challenge.tablet_id)
    certificate = issue(work, holder, key, transaction_id, path=challenge.path, evidence=evidence)
    challenge.certificate_id = certificate.id
    return certificate


def issue(
    work: UnitOfWork,
    holder: Holder,
    key: DeviceKey,
    transaction_id: str | None,
    *,
    path: IdentityPath = IdentityPath.SCEP,
    evidence: Evidence | None = None,
) -> DeviceCertificate:
    """Sign a certificate for a tablet's key. Nothing of the subject that the tablet asked for is taken over."""
    authority = ensure_authority(work)
    certificate = _sign(work, authority, holder, key)
    der = certificate.public_bytes(Encoding.DER)
    row = DeviceCertificate(
        path=path,
        attested=evidence is not None,
        ca_id=authority.id,
        serial_hex=f"{certificate.serial_number:x}",
        fingerprint=sha256(der).hexdigest(),
        der=der,
        key_sha256=keys.fingerprint(key),
        transaction_id=transaction_id[:128] if transaction_id else None,
        invitation_id=holder.invitation_id,
        tablet_id=holder.tablet_id,
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
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
                at=work.now,
            )
        )
    audit.record_event(
        work, SYSTEM, "certificate.issue", "certificate", row.id,
        town_id=None, holder=holder.common_name, path=path.value, attested=row.attested,
    )  # fmt: skip
    return row


def _sign(work: UnitOfWork, authority: Authority, holder: Holder, key: DeviceKey) -> x509.Certificate:
    end = min(work.now + timedelta(days=work.settings.certificate_days), authority.certificate.not_valid_after_utc)
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, work.settings.organisation[:64]),
            x509.NameAttribute(NameOID.COMMON_NAME, holder.common_name),
        ]
    )
    usage = dict.fromkeys(
        (
            "content_commitment",
            "data_encipherment",
            "key_agreement",
            "key_cert_sign",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    encrypts = isinstance(key, rsa.RSAPublicKey)  # an elliptic key signs and agrees, it encrypts nothing
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(authority.certificate.subject)
        .public_key(key)
        .serial_number(secrets.randbits(127) | 1)
        .not_valid_before(work.now - BACKDATE)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=True, key_encipherment=encrypts, **usage), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False)
        .sign(authority.key, SHA256())
    )


def bind(work: UnitOfWork, fingerprint: str, tablet_id: UUID) -> None:
    """Remember which tablet a certificate turned out to be for, at its first Authenticate."""
    IdentityRepository(work.session).bind(fingerprint, tablet_id)


def revoke(work: UnitOfWork, actor: Actor, certificate_id: UUID, why: str) -> DeviceCertificate:
    """Stop trusting a certificate, at once and for ever. Raises `CertificateNotFound`."""
    row = IdentityRepository(work.session).certificate(certificate_id)
    if row is None:
        raise CertificateNotFound
    if row.revoked_at is None:
        audit.record_event(work, actor, "certificate.revoke", "certificate", row.id, town_id=None, why=why)
        row.revoked_at, row.revoked_why = work.now, why[:64]
    return row


def revoke_all(work: UnitOfWork, actor: Actor, tablet_id: UUID, why: str) -> None:
    """Stop trusting every certificate of a tablet that is gone."""
    for row in IdentityRepository(work.session).live_of_tablet(tablet_id):
        revoke(work, actor, row.id, why)


def renewals_due(work: UnitOfWork) -> list[UUID]:
    """Tablets whose newest certificate has passed two thirds of its life and has not ended."""
    repository = IdentityRepository(work.session)
    horizon = work.now + timedelta(days=work.settings.certificate_days)
    due: dict[UUID, bool] = {}
    for row in repository.live_between(work.now, horizon):
        if row.tablet_id is None:
            continue
        young = work.now < row.not_before + (row.not_after - row.not_before) * RENEW_FROM
        due[row.tablet_id] = due.get(row.tablet_id, True) and not young
    return [tablet_id for tablet_id, is_due in due.items() if is_due]


def goes_silent_on(work: UnitOfWork, tablet_id: UUID) -> datetime | None:
    """When the tablet can no longer prove who it is, unless it renews: the end of its newest certificate."""
    return IdentityRepository(work.session).newest_end(tablet_id)


def path_of(work: UnitOfWork, tablet_id: UUID) -> IdentityPath | None:
    """By which protocol the tablet got its newest certificate; None when it has none that holds."""
    newest = IdentityRepository(work.session).newest(tablet_id)
    return None if newest is None else newest.path


def is_attested(work: UnitOfWork, tablet_id: UUID) -> bool | None:
    """Whether it is proved that the key of the tablet's newest certificate lies in it; None when it has none that holds."""
    newest = IdentityRepository(work.session).newest(tablet_id)
    return None if newest is None else newest.attested


def _hash(work: UnitOfWork, secret: str) -> str:
    return work.keyring.keyed_hash(secret, "scep.challenge")
