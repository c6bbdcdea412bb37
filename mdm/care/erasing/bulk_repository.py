"""All SQL of bulk erases."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from cartable.keyset import fetch_scalar_page
from cartable.paging import Page, PageRequest
from cartable.scope import Actor
from enrollment.rollover.returns_repository import ReturnRepository
from enrollment.tablets.models import Tablet
from mdm.care.erasing.models import BulkErase, BulkEraseTablet


class BulkEraseRepository:
    """Reads bulk erases and their tablets."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def get_visible(self, actor: Actor, bulk_id: UUID) -> BulkErase | None:
        return self.session.scalar(actor.restrict(select(BulkErase).where(BulkErase.id == bulk_id), BulkErase))

    def list_newest(self, town_id: UUID, page: PageRequest) -> Page[BulkErase]:
        statement = select(BulkErase).where(BulkErase.town_id == town_id)
        return fetch_scalar_page(self.session, statement, page, BulkErase.requested_at, BulkErase.id, descending=True)

    def list_erasable_tablets(self, town_id: UUID) -> Sequence[Tablet]:
        """List tablets returned in an open campaign, used since their last erase, and part of no pending bulk erase."""
        pending = (
            select(BulkEraseTablet.tablet_id)
            .join(BulkErase, BulkErase.id == BulkEraseTablet.bulk_id)
            .where(BulkErase.cancelled_at.is_(None), BulkErase.sent_at.is_(None))
        )
        statement = select(Tablet).where(
            Tablet.id.in_(ReturnRepository(self.session).select_returned_tablets(town_id)),
            Tablet.needs_wipe,
            Tablet.id.not_in(pending),
        )
        return self.session.scalars(statement.order_by(Tablet.tag, Tablet.id)).all()

    def list_due(self, now: datetime) -> Sequence[BulkErase]:
        """List the approved bulk erases that are due, and neither cancelled nor sent."""
        statement = select(BulkErase).where(
            BulkErase.due_at <= now, BulkErase.cancelled_at.is_(None), BulkErase.sent_at.is_(None)
        )
        return self.session.scalars(statement.order_by(BulkErase.due_at, BulkErase.id)).all()

    def list_lines(self, bulk_id: UUID) -> Sequence[Row[BulkEraseTablet, Tablet]]:
        """List the tablets of a bulk erase by tag, each read again from the database."""
        return self.session.execute(
            select(BulkEraseTablet, Tablet)
            .join(Tablet, Tablet.id == BulkEraseTablet.tablet_id)
            .where(BulkEraseTablet.bulk_id == bulk_id)
            .order_by(Tablet.tag, Tablet.id)
            .execution_options(populate_existing=True)
        ).all()

    def list_tags(self, actor: Actor, tablet_ids: Collection[UUID]) -> list[str]:
        statement = actor.restrict(select(Tablet.tag).where(Tablet.id.in_(tablet_ids)), Tablet)
        return list(self.session.scalars(statement.order_by(Tablet.tag)))
