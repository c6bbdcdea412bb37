"""All SQL of summer storage."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import Row, Select, exists, func, select
from sqlalchemy.orm import Session

from cartable.scope import Actor, Permission
from enrollment.tablets.models import CartSlot, Loan, Tablet, TabletState


class StorageRepository:
    """Reads tablets without an open loan, and what is known of their readiness."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def select_unlent(
        self, actor: Actor, town_id: UUID, school_id: UUID | None, states: Collection[TabletState]
    ) -> Select[Tablet]:
        """Return a statement that selects the tablets in these states without an open loan, that the actor may handle."""
        statement = select(Tablet).where(
            Tablet.town_id == town_id,
            Tablet.state.in_(states),
            ~Tablet.evidence_hold,
            ~exists().where(Loan.tablet_id == Tablet.id, Loan.closed_at.is_(None)),
        )
        if school_id is not None:
            statement = statement.where(Tablet.school_id == school_id)
        return actor.restrict(statement, Tablet, Permission.HANDLE).order_by(Tablet.tag, Tablet.id)

    def list_tablets(self, statement: Select[Tablet], limit: int) -> Sequence[Tablet]:
        return self.session.scalars(statement.limit(limit)).all()

    def count_tablets(self, statement: Select[Tablet]) -> int:
        return self.session.scalar(select(func.count()).select_from(statement.order_by(None).subquery())) or 0

    def list_in_carts(self, tablet_ids: Collection[UUID]) -> set[UUID]:
        return set(self.session.scalars(select(CartSlot.tablet_id).where(CartSlot.tablet_id.in_(tablet_ids))))

    def count_os_versions(self, town_id: UUID) -> Sequence[Row[str | None, int]]:
        """List the system versions of the town's tablets in use, with the number of tablets that have each."""
        return self.session.execute(
            select(Tablet.os_version, func.count())
            .where(Tablet.town_id == town_id, Tablet.state == TabletState.IN_USE, Tablet.os_version.is_not(None))
            .group_by(Tablet.os_version)
        ).all()
