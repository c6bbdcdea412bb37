"""All SQL of push certificates and push targets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from mdm.devices.models import PushTarget
from mdm.push.models import PushCertificate


class PushRepository:
    """Reads and writes push certificates and targets."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def get_active_certificate(self) -> PushCertificate | None:
        return self.session.scalar(
            select(PushCertificate).where(PushCertificate.active).order_by(PushCertificate.created_at.desc()).limit(1)
        )

    def get_pending_request(self) -> PushCertificate | None:
        """Return the newest key whose certificate has not been imported yet."""
        return self.session.scalar(
            select(PushCertificate)
            .where(PushCertificate.certificate.is_(None))
            .order_by(PushCertificate.created_at.desc(), PushCertificate.id)
            .limit(1)
        )

    def list_certificates(self) -> Sequence[PushCertificate]:
        return self.session.scalars(select(PushCertificate).order_by(PushCertificate.created_at, PushCertificate.id)).all()

    def activate_certificate(self, certificate_id: UUID) -> None:
        self.session.execute(update(PushCertificate).values(active=PushCertificate.id == certificate_id))

    def list_valid_targets(self, enrollment_ids: Sequence[int]) -> Sequence[PushTarget]:
        """Return the push targets of these enrollments, without those whose token is invalid."""
        return self.session.scalars(
            select(PushTarget)
            .where(PushTarget.enrollment_id.in_(enrollment_ids), PushTarget.invalid_since.is_(None))
            .order_by(PushTarget.enrollment_id)
        ).all()

    def mark_pushed(self, enrollment_ids: Sequence[int], now: datetime) -> None:
        self.session.execute(update(PushTarget).where(PushTarget.enrollment_id.in_(enrollment_ids)).values(pushed_at=now))

    def mark_token_invalid(self, enrollment_id: int, token_updated_at: datetime, reason: str, now: datetime) -> None:
        """Stop pushing to a token, unless the tablet has sent a new one meanwhile."""
        self.session.execute(
            update(PushTarget)
            .where(PushTarget.enrollment_id == enrollment_id, PushTarget.updated_at <= token_updated_at)
            .values(invalid_since=now, invalid_reason=reason[:64])
        )
