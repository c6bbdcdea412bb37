"""All SQL of the day of one class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from enrollment.people.models import Pupil
from enrollment.tablets.models import Loan, Tablet
from mdm.care.lost_mode.models import LossReport, LossReportState
from mdm.care.today.repository import WITH_HOLDER
from mdm.devices.repository import select_last_contact
from profiles.schedule.models import ClassSession


@dataclass(frozen=True, slots=True)
class TabletOfClass:
    """A tablet of a class as its teacher needs it in the morning: who has it, its charge, its last contact, and whether it is reported lost."""

    tag: str
    pupil: Pupil | None
    battery_level: float | None
    last_contact_at: datetime | None
    is_reported_lost: bool


class ClassDayRepository:
    """Reads the tablets and the sessions of a class. The caller has checked that the actor teaches there."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def list_tablets(self, class_id: UUID) -> list[TabletOfClass]:
        """Return the tablets with a holder of a class, by tag, in one statement."""
        is_reported = exists().where(LossReport.tablet_id == Tablet.id, LossReport.state == LossReportState.WAITING)
        statement = (
            select(Tablet.tag, Pupil, Tablet.battery_level, select_last_contact(), is_reported)
            .select_from(Tablet)
            .outerjoin(Loan, (Loan.tablet_id == Tablet.id) & Loan.closed_at.is_(None))
            .outerjoin(Pupil, Pupil.id == Loan.pupil_id)
            .where(Tablet.is_of_class(class_id), Tablet.state.in_(WITH_HOLDER))
            .order_by(Tablet.tag, Tablet.id)
        )
        return [TabletOfClass(*row) for row in self.session.execute(statement)]

    def list_sessions(self, class_id: UUID, since: datetime) -> Sequence[ClassSession]:
        """Return the sessions of a class that have started since an instant, oldest first."""
        statement = select(ClassSession).where(ClassSession.class_id == class_id, ClassSession.starts >= since)
        return self.session.scalars(statement.order_by(ClassSession.starts, ClassSession.id)).all()
