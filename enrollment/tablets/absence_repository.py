"""All SQL of absence: tablets by state and last contact."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ScalarSelect, Select, select
from sqlalchemy.orm import Session

from enrollment.places.models import Town
from enrollment.tablets.models import Loan, Tablet, TabletState

BATCH_SIZE = 500


class AbsenceRepository:
    """Finds tablets by their state and their last contact, of which the caller gives the scalar subquery."""

    def __init__(self, session: Session, last_contact: ScalarSelect[datetime]) -> None:
        self.session = session
        self.last_contact = last_contact

    def list_towns(self) -> Sequence[Town]:
        return self.session.scalars(select(Town).order_by(Town.id)).all()

    def list_seen_since_handover(self) -> Sequence[Tablet]:
        """List the tablets that were handed over, and in contact since then."""
        return self._load_batch(
            select(Tablet.id)
            .join(Loan, (Loan.tablet_id == Tablet.id) & Loan.closed_at.is_(None))
            .where(Tablet.state == TabletState.HANDED_OVER, self.last_contact >= Loan.handed_over_at)
        )

    def list_seen_again(self, town_id: UUID, since: datetime) -> Sequence[Tablet]:
        return self._load_batch(self._select_of_town(town_id, TabletState.ABSENT).where(self.last_contact >= since))

    def list_not_seen_since(self, town_id: UUID, since: datetime) -> Sequence[Tablet]:
        """List the tablets in use whose last contact is earlier; one that has never been in contact is not listed."""
        return self._load_batch(self._select_of_town(town_id, TabletState.IN_USE).where(self.last_contact < since))

    def _select_of_town(self, town_id: UUID, state: TabletState) -> Select[UUID]:
        return select(Tablet.id).where(Tablet.town_id == town_id, Tablet.state == state)

    def _load_batch(self, ids: Select[UUID]) -> Sequence[Tablet]:
        batch = ids.order_by(Tablet.id).limit(BATCH_SIZE)
        return self.session.scalars(select(Tablet).where(Tablet.id.in_(batch)).order_by(Tablet.id)).all()
