"""All SQL of identity."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Row, func, select, update
from sqlalchemy.orm import Session

from enrollment.identity.models import CertificateAuthority, DeviceAttestation, DeviceCertificate, ScepChallenge


class IdentityRepository:
    """Reads and writes authorities, challenges and device certificates."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def issuing_authority(self) -> CertificateAuthority | None:
        return self.session.scalar(
            select(CertificateAuthority)
            .where(CertificateAuthority.issuing)
            .order_by(CertificateAuthority.created_at.desc(), CertificateAuthority.id)
            .limit(1)
        )

    def authorities(self) -> Sequence[CertificateAuthority]:
        return self.session.scalars(
            select(CertificateAuthority).order_by(CertificateAuthority.issuing.desc(), CertificateAuthority.id)
        ).all()

    def stop_issuing(self) -> None:
        self.session.execute(update(CertificateAuthority).values(issuing=False))

    def challenge(self, secret_hash: str) -> ScepChallenge | None:
        return self.session.scalar(select(ScepChallenge).where(ScepChallenge.secret_hash == secret_hash))

    def consume(self, challenge_id: UUID, now: datetime, key_sha256: str) -> bool:
        """Spend a challenge. Of two that try at once, exactly one is told True."""
        spent = self.session.execute(
            update(ScepChallenge)
            .where(ScepChallenge.id == challenge_id, ScepChallenge.used_at.is_(None))
            .values(used_at=now, used_key_sha256=key_sha256)
            .returning(ScepChallenge.id)
        ).all()
        return len(spent) == 1

    def certificate(self, certificate_id: UUID) -> DeviceCertificate | None:
        return self.session.get(DeviceCertificate, certificate_id)

    def by_fingerprint(self, fingerprint: str) -> DeviceCertificate | None:
        return self.session.scalar(select(DeviceCertificate).where(DeviceCertificate.fingerprint == fingerprint))

    def by_transaction(self, transaction_id: str) -> Sequence[DeviceCertificate]:
        return self.session.scalars(
            select(DeviceCertificate)
            .where(DeviceCertificate.transaction_id == transaction_id)
            .order_by(DeviceCertificate.issued_at.desc(), DeviceCertificate.id)
            .limit(10)
        ).all()

    def bind(self, fingerprint: str, tablet_id: UUID) -> None:
        self.session.execute(
            update(DeviceCertificate).where(DeviceCertificate.fingerprint == fingerprint).values(tablet_id=tablet_id)
        )

    def live_of_tablet(self, tablet_id: UUID) -> Sequence[DeviceCertificate]:
        """Unrevoked certificates of a tablet."""
        statement = select(DeviceCertificate).where(
            DeviceCertificate.tablet_id == tablet_id, DeviceCertificate.revoked_at.is_(None)
        )
        return self.session.scalars(statement.order_by(DeviceCertificate.issued_at, DeviceCertificate.id)).all()

    def live_between(self, now: datetime, until: datetime) -> Sequence[DeviceCertificate]:
        """Unrevoked certificates of tablets that end between two instants."""
        return self.session.scalars(
            select(DeviceCertificate)
            .where(
                DeviceCertificate.not_after > now,
                DeviceCertificate.not_after <= until,
                DeviceCertificate.revoked_at.is_(None),
                DeviceCertificate.tablet_id.is_not(None),
            )
            .order_by(DeviceCertificate.not_after, DeviceCertificate.id)
        ).all()

    def newest_end(self, tablet_id: UUID) -> datetime | None:
        """When the tablet's newest unrevoked certificate ends."""
        return self.session.scalar(
            select(func.max(DeviceCertificate.not_after)).where(
                DeviceCertificate.tablet_id == tablet_id, DeviceCertificate.revoked_at.is_(None)
            )
        )

    def newest(self, tablet_id: UUID) -> DeviceCertificate | None:
        """The tablet's newest unrevoked certificate."""
        return self.session.scalar(
            select(DeviceCertificate)
            .where(DeviceCertificate.tablet_id == tablet_id, DeviceCertificate.revoked_at.is_(None))
            .order_by(DeviceCertificate.issued_at.desc(), DeviceCertificate.id.desc())
            .limit(1)
        )

    def attestation(self, certificate_id: UUID) -> DeviceAttestation | None:
        return self.session.get(DeviceAttestation, certificate_id)

    def revoked_since(self) -> Sequence[Row[str]]:
        """Fingerprints of every revoked certificate."""
        return self.session.execute(select(DeviceCertificate.fingerprint).where(DeviceCertificate.revoked_at.is_not(None))).all()
