"""All SQL of erase quotas and of the stop switch. That of bulk erases is in `bulk_repository`."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cartable.audit import AuditEvent
from mdm.queue.models import StopSwitch


class EraseRepository:
    """Counts the erases of a person or a town, and reads the town's stop switch."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def count_erases(self, since: datetime, *, actor_id: UUID | None = None, town_id: UUID | None = None) -> int:
        """Return how many erases were requested since an instant, by one person or in one town."""
        statement = select(func.count()).where(AuditEvent.action == "tablet.erase", AuditEvent.at >= since)
        if actor_id is not None:
            statement = statement.where(AuditEvent.actor_id == actor_id)
        if town_id is not None:
            statement = statement.where(AuditEvent.town_id == town_id)
        return self.session.scalar(statement) or 0

    def get_stop_switch(self, town_id: UUID) -> StopSwitch | None:
        return self.session.scalar(select(StopSwitch).where(StopSwitch.town_id == town_id))
