"""All SQL of summer storage."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Row, Select, exists, func, select
from sqlalchemy.orm import Session

from cartable.scope import Actor, Permission
from enrollment.tablets.models import CartSlot, Loan, Tablet, TabletState
from mdm.devices.models import DeviceEnrollment, Heartbeat


class StorageRepository:
    """Finds the tablets that no pupil holds."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def held_by_nobody(
        self, actor: Actor, town_id: UUID, school_id: UUID | None, states: Collection[TabletState]
    ) -> Select[Tablet]:
        """Statement: tablets in these states, without an open loan, for one who handles tablets there."""
        statement = select(Tablet).where(
            Tablet.town_id == town_id,
            Tablet.state.in_(states),
            ~Tablet.evidence_hold,
            ~exists().where(Loan.tablet_id == Tablet.id, Loan.closed_at.is_(None)),
        )
        if school_id is not None:
            statement = statement.where(Tablet.school_id == school_id)
        return actor.restrict(statement, Tablet, Permission.HANDLE).order_by(Tablet.tag, Tablet.id)

    def take(self, wanted: Select[Tablet], limit: int) -> Sequence[Tablet]:
        return self.session.scalars(wanted.limit(limit)).all()

    def count(self, wanted: Select[Tablet]) -> int:
        return self.session.scalar(select(func.count()).select_from(wanted.order_by(None).subquery())) or 0

    def in_carts(self, tablet_ids: Collection[UUID]) -> set[UUID]:
        return set(self.session.scalars(select(CartSlot.tablet_id).where(CartSlot.tablet_id.in_(tablet_ids))))

    def last_seen(self, tablet_ids: Collection[UUID]) -> dict[UUID, datetime]:
        rows = self.session.execute(
            select(DeviceEnrollment.tablet_id, func.max(Heartbeat.last_seen_at))
            .join(Heartbeat, Heartbeat.enrollment_id == DeviceEnrollment.id)
            .where(DeviceEnrollment.tablet_id.in_(tablet_ids), DeviceEnrollment.parent_id.is_(None))
            .group_by(DeviceEnrollment.tablet_id)
        )
        return {row[0]: row[1] for row in rows}

    def systems(self, town_id: UUID) -> Sequence[Row[str | None, int]]:
        """The systems of the town's tablets in pupils' hands, and how many have each."""
        return self.session.execute(
            select(Tablet.os_version, func.count())
            .where(Tablet.town_id == town_id, Tablet.state == TabletState.IN_USE, Tablet.os_version.is_not(None))
            .group_by(Tablet.os_version)
        ).all()
