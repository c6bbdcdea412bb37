"""All SQL of absence: tablets by state and last contact."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from enrollment.places.models import Town
from enrollment.tablets.models import Loan, Tablet, TabletState
from mdm.devices.models import DeviceEnrollment, LastSeen

BATCH_SIZE = 500


class AbsenceRepository:
    """Finds tablets by their state and their last contact."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def list_towns(self) -> Sequence[Town]:
        return self.session.scalars(select(Town).order_by(Town.id)).all()

    def list_seen_since_handover(self) -> Sequence[Tablet]:
        """List the tablets that were handed over, and in contact since then."""
        statement = self._select_with_contact(TabletState.HANDED_OVER).join(
            Loan, (Loan.tablet_id == Tablet.id) & Loan.closed_at.is_(None)
        )
        return self._load_batch(statement.having(func.max(LastSeen.last_seen_at) >= func.max(Loan.handed_over_at)))

    def list_seen_again(self, town_id: UUID, since: datetime) -> Sequence[Tablet]:
        statement = self._select_with_contact(TabletState.ABSENT).where(Tablet.town_id == town_id)
        return self._load_batch(statement.having(func.max(LastSeen.last_seen_at) >= since))

    def list_not_seen_since(self, town_id: UUID, since: datetime) -> Sequence[Tablet]:
        statement = self._select_with_contact(TabletState.IN_USE).where(Tablet.town_id == town_id)
        return self._load_batch(statement.having(func.max(LastSeen.last_seen_at) < since))

    def _select_with_contact(self, state: TabletState) -> Select[UUID]:
        return (
            select(Tablet.id)
            .join(DeviceEnrollment, (DeviceEnrollment.tablet_id == Tablet.id) & DeviceEnrollment.parent_id.is_(None))
            .join(LastSeen, LastSeen.enrollment_id == DeviceEnrollment.id)
            .where(Tablet.state == state)
            .group_by(Tablet.id)
        )

    def _load_batch(self, ids: Select[UUID]) -> Sequence[Tablet]:
        batch = ids.order_by(Tablet.id).limit(BATCH_SIZE)
        return self.session.scalars(select(Tablet).where(Tablet.id.in_(batch)).order_by(Tablet.id)).all()
