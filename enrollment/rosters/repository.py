"""All SQL of pupils who left the roster. The SQL of imports and exports is in their own packages."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from enrollment.people.models import Pupil, PupilState
from enrollment.tablets.models import Loan, Tablet


class AbsentPupilRepository:
    """Reads the pupils whom the last roster does not list."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def list_absent_pupils(self, school_id: UUID) -> list[tuple[Pupil, str | None]]:
        """Return the absent pupils of a school, longest absence first, each with the tag of the tablet on loan."""
        rows = self.session.execute(
            select(Pupil, Tablet.tag)
            .outerjoin(Loan, (Loan.pupil_id == Pupil.id) & Loan.closed_at.is_(None))
            .outerjoin(Tablet, Tablet.id == Loan.tablet_id)
            .where(Pupil.school_id == school_id, Pupil.state == PupilState.ABSENT_FROM_ROSTER)
            .order_by(Pupil.absent_since, Pupil.id)
        )
        return [(row[0], row[1]) for row in rows]
