"""All SQL of push certificates. Push tokens are in `mdm.devices`."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from mdm.push.models import PushCertificate


class PushRepository:
    """Reads and writes push certificates."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def get_active_certificate(self) -> PushCertificate | None:
        return self.session.scalar(
            select(PushCertificate).where(PushCertificate.active).order_by(PushCertificate.created_at.desc()).limit(1)
        )

    def list_certificates(self) -> Sequence[PushCertificate]:
        return self.session.scalars(select(PushCertificate).order_by(PushCertificate.created_at, PushCertificate.id)).all()

    def list_topics(self) -> set[str]:
        """Return the topics of all push certificates that were ever installed."""
        return set(self.session.scalars(select(PushCertificate.topic).where(PushCertificate.topic.is_not(None))))

    def activate_certificate(self, certificate_id: UUID) -> None:
        self.session.execute(update(PushCertificate).values(active=PushCertificate.id == certificate_id))
