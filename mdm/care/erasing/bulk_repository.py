"""All SQL of erases in bulk."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from cartable.scope import Actor
from enrollment.rollover.returns_repository import ReturnRepository
from enrollment.tablets.models import Tablet
from mdm.care.models import BulkErase, BulkEraseTablet


class BulkRepository:
    """Reads erases in bulk and their tablets."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def visible(self, actor: Actor, bulk_id: UUID) -> BulkErase | None:
        return self.session.scalar(actor.restrict(select(BulkErase).where(BulkErase.id == bulk_id), BulkErase))

    def newest(self, town_id: UUID) -> Sequence[BulkErase]:
        statement = select(BulkErase).where(BulkErase.town_id == town_id)
        return self.session.scalars(statement.order_by(BulkErase.asked_at.desc(), BulkErase.id).limit(50)).all()

    def waiting(self, town_id: UUID) -> Sequence[Tablet]:
        """Given back in an open campaign, used by a child since the last erase, and in no erase that is still to come."""
        coming = (
            select(BulkEraseTablet.tablet_id)
            .join(BulkErase, BulkErase.id == BulkEraseTablet.bulk_id)
            .where(BulkErase.cancelled_at.is_(None), BulkErase.sent_at.is_(None))
        )
        statement = select(Tablet).where(
            Tablet.id.in_(ReturnRepository(self.session).returned(town_id)), Tablet.to_wipe, Tablet.id.not_in(coming)
        )
        return self.session.scalars(statement.order_by(Tablet.tag, Tablet.id)).all()

    def due(self, now: datetime) -> Sequence[BulkErase]:
        """Approved, neither cancelled nor sent, and their time has come."""
        statement = select(BulkErase).where(
            BulkErase.due_at <= now, BulkErase.cancelled_at.is_(None), BulkErase.sent_at.is_(None)
        )
        return self.session.scalars(statement.order_by(BulkErase.due_at, BulkErase.id)).all()

    def lines(self, bulk_id: UUID) -> Sequence[Row[BulkEraseTablet, Tablet]]:
        """The tablets of one, by tag, each as it is now."""
        return self.session.execute(
            select(BulkEraseTablet, Tablet)
            .join(Tablet, Tablet.id == BulkEraseTablet.tablet_id)
            .where(BulkEraseTablet.bulk_id == bulk_id)
            .order_by(Tablet.tag, Tablet.id)
            .execution_options(populate_existing=True)
        ).all()

    def tags(self, actor: Actor, tablet_ids: Collection[UUID]) -> list[str]:
        statement = actor.restrict(select(Tablet.tag).where(Tablet.id.in_(tablet_ids)), Tablet)
        return list(self.session.scalars(statement.order_by(Tablet.tag)))
