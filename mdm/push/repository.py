"""All SQL of push certificates, of the state of the sender, and of the counted responses. Push tokens are in `mdm.devices`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from cartable.database import get_insert
from mdm.push.models import PushCertificate, PushResponseCount, PushSenderState

_SENDER_ID = 1


class PushRepository:
    """Reads and writes push certificates, the state of the sender and its figures."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def get_active_certificate(self) -> PushCertificate | None:
        return self.session.scalar(
            select(PushCertificate).where(PushCertificate.active).order_by(PushCertificate.created_at.desc()).limit(1)
        )

    def list_certificates(self) -> Sequence[PushCertificate]:
        return self.session.scalars(select(PushCertificate).order_by(PushCertificate.created_at, PushCertificate.id)).all()

    def list_requests(self) -> Sequence[PushCertificate]:
        """List the requests that have no certificate yet, the newest first."""
        statement = select(PushCertificate).where(PushCertificate.request.is_not(None), PushCertificate.certificate.is_(None))
        return self.session.scalars(statement.order_by(PushCertificate.created_at.desc(), PushCertificate.id).limit(10)).all()

    def get_request(self, request_id: UUID) -> PushCertificate | None:
        """Return a request, be it answered or not."""
        return self.session.get(PushCertificate, request_id)

    def list_topics(self) -> set[str]:
        """Return the topics of all push certificates that were ever installed."""
        return set(self.session.scalars(select(PushCertificate.topic).where(PushCertificate.topic.is_not(None))))

    def activate_certificate(self, certificate_id: UUID) -> None:
        self.session.execute(update(PushCertificate).values(active=PushCertificate.id == certificate_id))

    def get_sender_state(self) -> PushSenderState:
        """Return the state of the sender; a row that is not stored yet stands for one that sends."""
        state = self.session.get(PushSenderState, _SENDER_ID)
        return state or self.lock_sender_state()

    def lock_sender_state(self) -> PushSenderState:
        """Return the current state of the sender, locked until the commit."""
        self.session.execute(
            self._insert(PushSenderState)
            .values(id=_SENDER_ID, failed_tests=0, window_sent=0, window_refused=0)
            .on_conflict_do_nothing()
        )
        return self.session.scalars(
            select(PushSenderState)
            .where(PushSenderState.id == _SENDER_ID)
            .with_for_update()
            .execution_options(populate_existing=True)
        ).one()

    def count_responses(self, counts: Mapping[str, int]) -> None:
        """Add to the counted responses, by reason."""
        for reason in sorted(counts):
            statement = self._insert(PushResponseCount).values(reason=reason, total=counts[reason])
            total = PushResponseCount.total + statement.excluded.total
            self.session.execute(statement.on_conflict_do_update(index_elements=["reason"], set_={"total": total}))

    def load_response_counts(self) -> dict[str, int]:
        rows = self.session.execute(select(PushResponseCount.reason, PushResponseCount.total).order_by(PushResponseCount.reason))
        return {row[0]: row[1] for row in rows}

    def _insert(self, model: type[Any]) -> Any:
        return get_insert(self.session.get_bind().dialect.name)(model)
