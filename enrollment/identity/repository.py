"""All SQL of certificate authorities, challenges, device certificates and attestations."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Row, select, update
from sqlalchemy.orm import Session

from enrollment.identity.models import CertificateAuthority, DeviceAttestation, DeviceCertificate, IdentityChallenge


class IdentityRepository:
    """Reads and writes authorities, challenges and device certificates."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def get_issuing_authority(self) -> CertificateAuthority | None:
        return self.session.scalar(
            select(CertificateAuthority)
            .where(CertificateAuthority.issuing)
            .order_by(CertificateAuthority.created_at.desc(), CertificateAuthority.id)
            .limit(1)
        )

    def list_authorities(self) -> Sequence[CertificateAuthority]:
        """Return every trusted CA, the issuing one first."""
        return self.session.scalars(
            select(CertificateAuthority).order_by(CertificateAuthority.issuing.desc(), CertificateAuthority.id)
        ).all()

    def list_own_authorities(self) -> Sequence[CertificateAuthority]:
        """Return the CAs of this installation, the issuing one first."""
        return [row for row in self.list_authorities() if not row.is_foreign]

    def get_authority(self, authority_id: UUID) -> CertificateAuthority:
        return self.session.get_one(CertificateAuthority, authority_id)

    def stop_issuing(self) -> None:
        self.session.execute(update(CertificateAuthority).values(issuing=False))

    def get_challenge(self, secret_hash: str) -> IdentityChallenge | None:
        return self.session.scalar(select(IdentityChallenge).where(IdentityChallenge.secret_hash == secret_hash))

    def list_refused_challenges(self, invitation_ids: Sequence[UUID]) -> Sequence[IdentityChallenge]:
        refused = select(IdentityChallenge).where(
            IdentityChallenge.invitation_id.in_(invitation_ids), IdentityChallenge.refused_at.is_not(None)
        )
        return self.session.scalars(refused.order_by(IdentityChallenge.refused_at, IdentityChallenge.id)).all()

    def spend_challenge(self, challenge_id: UUID, now: datetime, key_sha256: str) -> bool:
        """Mark a challenge as used; return False when it was used before. Of two concurrent calls exactly one returns True."""
        spent = self.session.execute(
            update(IdentityChallenge)
            .where(IdentityChallenge.id == challenge_id, IdentityChallenge.used_at.is_(None))
            .values(used_at=now, used_key_sha256=key_sha256)
            .returning(IdentityChallenge.id)
        ).all()
        return len(spent) == 1

    def get_certificate(self, certificate_id: UUID) -> DeviceCertificate | None:
        return self.session.get(DeviceCertificate, certificate_id)

    def get_by_fingerprint(self, fingerprint: str) -> DeviceCertificate | None:
        return self.session.scalar(select(DeviceCertificate).where(DeviceCertificate.fingerprint == fingerprint))

    def list_by_transaction(self, transaction_id: str) -> Sequence[DeviceCertificate]:
        return self.session.scalars(
            select(DeviceCertificate)
            .where(DeviceCertificate.transaction_id == transaction_id)
            .order_by(DeviceCertificate.issued_at.desc(), DeviceCertificate.id)
            .limit(10)
        ).all()

    def set_tablet(self, fingerprint: str, tablet_id: UUID) -> None:
        self.session.execute(
            update(DeviceCertificate).where(DeviceCertificate.fingerprint == fingerprint).values(tablet_id=tablet_id)
        )

    def list_unrevoked_by_tablet(self, tablet_id: UUID) -> Sequence[DeviceCertificate]:
        """Return the certificates of a tablet that are not revoked."""
        statement = select(DeviceCertificate).where(
            DeviceCertificate.tablet_id == tablet_id, DeviceCertificate.revoked_at.is_(None)
        )
        return self.session.scalars(statement.order_by(DeviceCertificate.issued_at, DeviceCertificate.id)).all()

    def has_issued_since(self, tablet_id: UUID, since: datetime) -> bool:
        """Return whether a certificate was issued for the tablet at `since` or later."""
        issued = select(DeviceCertificate.id).where(
            DeviceCertificate.tablet_id == tablet_id, DeviceCertificate.issued_at >= since
        )
        return self.session.scalar(issued.limit(1)) is not None

    def get_attestation(self, certificate_id: UUID) -> DeviceAttestation | None:
        return self.session.get(DeviceAttestation, certificate_id)

    def list_revoked_fingerprints(self) -> Sequence[Row[str]]:
        """Return the fingerprints of all revoked certificates."""
        return self.session.execute(select(DeviceCertificate.fingerprint).where(DeviceCertificate.revoked_at.is_not(None))).all()
