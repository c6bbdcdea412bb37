"""All SQL of contacts and silences."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from enrollment.places.models import Town
from enrollment.tablets.models import Loan, Tablet, TabletState
from mdm.devices.models import DeviceEnrollment, Heartbeat

LIMIT = 500


class ContactRepository:
    """Finds tablets by their state and their last contact."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def towns(self) -> Sequence[Town]:
        return self.session.scalars(select(Town).order_by(Town.id)).all()

    def heard_since_handover(self) -> Sequence[Tablet]:
        """Handed over, and heard since then."""
        statement = self._heard(TabletState.HANDED_OVER).join(Loan, (Loan.tablet_id == Tablet.id) & Loan.closed_at.is_(None))
        return self._taken(statement.having(func.max(Heartbeat.last_seen_at) >= func.max(Loan.handed_over_at)))

    def heard_again(self, town_id: UUID, since: datetime) -> Sequence[Tablet]:
        statement = self._heard(TabletState.ABSENT).where(Tablet.town_id == town_id)
        return self._taken(statement.having(func.max(Heartbeat.last_seen_at) >= since))

    def silent(self, town_id: UUID, since: datetime) -> Sequence[Tablet]:
        statement = self._heard(TabletState.IN_USE).where(Tablet.town_id == town_id)
        return self._taken(statement.having(func.max(Heartbeat.last_seen_at) < since))

    def _heard(self, state: TabletState) -> Select[UUID]:
        return (
            select(Tablet.id)
            .join(DeviceEnrollment, (DeviceEnrollment.tablet_id == Tablet.id) & DeviceEnrollment.parent_id.is_(None))
            .join(Heartbeat, Heartbeat.enrollment_id == DeviceEnrollment.id)
            .where(Tablet.state == state)
            .group_by(Tablet.id)
        )

    def _taken(self, ids: Select[UUID]) -> Sequence[Tablet]:
        taken = ids.order_by(Tablet.id).limit(LIMIT)
        return self.session.scalars(select(Tablet).where(Tablet.id.in_(taken)).order_by(Tablet.id)).all()
