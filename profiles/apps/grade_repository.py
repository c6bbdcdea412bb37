"""SQL that counts tablets and licences by the grade of the pupil who holds the tablet. Reads only."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from enrollment.people.models import Pupil
from enrollment.places.models import Grade
from enrollment.tablets.models import Loan
from profiles.apps.licence_repository import IN_USE
from profiles.apps.models import Licence, LicencePool


class GradeRepository:
    """Counts by grade, within one unit of work."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def count_tablets(self, town_id: UUID) -> dict[Grade, int]:
        """Return how many tablets are on loan to the pupils of each grade."""
        statement = (
            select(Pupil.grade, func.count())
            .join(Loan, Loan.pupil_id == Pupil.id)
            .where(Loan.closed_at.is_(None), Pupil.town_id == town_id)
            .group_by(Pupil.grade)
        )
        return {grade: count for grade, count in self.session.execute(statement)}  # noqa: C416 (rows are no pairs for mypy)

    def count_licences(self, town_id: UUID, app_ids: Collection[UUID]) -> dict[tuple[UUID, Grade], int]:
        """Return how many licences of each app are in use on the tablets of each grade."""
        statement = (
            select(LicencePool.app_id, Pupil.grade, func.count(func.distinct(Licence.tablet_id)))
            .select_from(Licence)
            .join(LicencePool, LicencePool.id == Licence.pool_id)
            .join(Loan, Loan.tablet_id == Licence.tablet_id)
            .join(Pupil, Pupil.id == Loan.pupil_id)
            .where(Loan.closed_at.is_(None), Pupil.town_id == town_id, LicencePool.app_id.in_(app_ids), Licence.state.in_(IN_USE))
            .group_by(LicencePool.app_id, Pupil.grade)
        )
        return {(app_id, grade): count for app_id, grade, count in self.session.execute(statement)}
