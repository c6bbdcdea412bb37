"""The SQL of records of requests that were already carried out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from enrollment.tablets.models import IdempotencyRecord


class IdempotencyRepository:
    """Reads and deletes the records of idempotent requests."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def get_idempotency_record(self, request_id: UUID, account_id: UUID) -> IdempotencyRecord | None:
        return self.session.get(IdempotencyRecord, (request_id, account_id))

    def delete_idempotency_records(self, before: datetime) -> None:
        self.session.execute(delete(IdempotencyRecord).where(IdempotencyRecord.recorded_at < before))

    def list_idempotency_records_since(self, account_id: UUID, town_id: UUID, since: datetime) -> Sequence[IdempotencyRecord]:
        """Return what an account has done in a town since an instant, newest first."""
        return self.session.scalars(
            select(IdempotencyRecord)
            .where(
                IdempotencyRecord.recorded_at >= since,
                IdempotencyRecord.account_id == account_id,
                IdempotencyRecord.town_id == town_id,
            )
            .order_by(IdempotencyRecord.recorded_at.desc(), IdempotencyRecord.request_id)
            .limit(1000)
        ).all()
