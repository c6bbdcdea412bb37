"""All SQL of the last contacts of tablets."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import ScalarSelect, func, select
from sqlalchemy.orm import Session

from enrollment.tablets.models import Tablet
from mdm.devices.models import DeviceEnrollment, LastSeen


class ContactRepository:
    """Reads when tablets were last in contact."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def load_last_seen(self, tablet_ids: Collection[UUID]) -> dict[UUID, datetime]:
        """Return the last contact of each of these tablets that has had one."""
        rows = self.session.execute(
            select(DeviceEnrollment.tablet_id, func.max(LastSeen.last_seen_at))
            .join(LastSeen, LastSeen.enrollment_id == DeviceEnrollment.id)
            .where(DeviceEnrollment.tablet_id.in_(tablet_ids), DeviceEnrollment.parent_id.is_(None))
            .group_by(DeviceEnrollment.tablet_id)
        )
        return {row[0]: row[1] for row in rows}


def select_last_contact() -> ScalarSelect[datetime]:
    """Return a scalar subquery for the last contact of a `Tablet` on any of its device channels."""
    return (
        select(func.max(LastSeen.last_seen_at))
        .join(DeviceEnrollment, DeviceEnrollment.id == LastSeen.enrollment_id)
        .where(DeviceEnrollment.tablet_id == Tablet.id, DeviceEnrollment.parent_id.is_(None))
        .correlate(Tablet)
        .scalar_subquery()
    )
