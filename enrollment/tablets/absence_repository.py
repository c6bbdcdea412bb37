"""All SQL of absence: tablets by state and last contact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ScalarSelect, Select, false, or_, select
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

    def list_seen_again(self, cutoffs: Mapping[datetime, Sequence[UUID]]) -> Sequence[Tablet]:
        """List the absent tablets that have been in contact since the cutoff of their town. `cutoffs`: towns by cutoff."""
        conditions = [Tablet.town_id.in_(town_ids) & (self.last_contact >= since) for since, town_ids in cutoffs.items()]
        return self._load_batch(select(Tablet.id).where(Tablet.state == TabletState.ABSENT, or_(false(), *conditions)))

    def list_not_seen(self, cutoffs: Mapping[datetime, Sequence[UUID]]) -> Sequence[Tablet]:
        """List the tablets in use whose last contact is earlier than the cutoff of their town; one never in contact is not listed."""
        conditions = [Tablet.town_id.in_(town_ids) & (self.last_contact < since) for since, town_ids in cutoffs.items()]
        return self._load_batch(select(Tablet.id).where(Tablet.state == TabletState.IN_USE, or_(false(), *conditions)))

    def _load_batch(self, ids: Select[UUID]) -> Sequence[Tablet]:
        batch = ids.order_by(Tablet.id).limit(BATCH_SIZE)
        return self.session.scalars(select(Tablet).where(Tablet.id.in_(batch)).order_by(Tablet.id)).all()
