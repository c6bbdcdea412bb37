"""All SQL on tablets by pupil: which pupils hold which, who has none, and at which school. Single loans are in `repository`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy import Row, func, select, update
from sqlalchemy.orm import Session

from cartable.keyset import fetch_page
from cartable.paging import Page, PageRequest
from cartable.scope import Actor, Permission
from enrollment.people.models import Pupil, PupilState
from enrollment.people.repository import split_ids
from enrollment.places.models import School, SchoolClass
from enrollment.tablets.models import Loan, Tablet


class LoanRepository:
    """Reads and moves the tablets on loan to pupils, in sets."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def list_tablet_ids_of_pupils(self, pupil_ids: Iterable[UUID]) -> list[UUID]:
        """Return the tablets on loan to these pupils."""
        tablet_ids: list[UUID] = []
        for part in split_ids(pupil_ids):
            tablet_ids += self.session.scalars(select(Loan.tablet_id).where(Loan.closed_at.is_(None), Loan.pupil_id.in_(part)))
        return tablet_ids

    def get_tablets_by_pupil(self, pupil_ids: Iterable[UUID]) -> dict[UUID, Tablet]:
        """Return the tablet on loan to each of these pupils who has one."""
        tablets: dict[UUID, Tablet] = {}
        for part in split_ids(pupil_ids):
            rows = self.session.execute(
                select(Loan.pupil_id, Tablet)
                .join(Tablet, Tablet.id == Loan.tablet_id)
                .where(Loan.closed_at.is_(None), Loan.pupil_id.in_(part))
            )
            tablets |= {row.pupil_id: row.Tablet for row in rows}
        return tablets

    def list_pupils_without_tablet(
        self, actor: Actor, town_id: UUID, page: PageRequest
    ) -> Page[tuple[Pupil, School, SchoolClass | None]]:
        """Return one page of the pupils of a town's rosters who have no tablet on loan, by school and class."""
        lent = select(Loan.pupil_id).where(Loan.closed_at.is_(None), Loan.pupil_id.is_not(None))
        statement = (
            select(Pupil, School, SchoolClass)
            .join(School, School.id == Pupil.school_id)
            .outerjoin(SchoolClass, SchoolClass.id == Pupil.class_id)
            .where(Pupil.town_id == town_id, Pupil.state == PupilState.ACTIVE, Pupil.id.not_in(lent))
        )
        statement = actor.restrict(statement, Pupil, Permission.ROSTER)
        return fetch_page(self.session, statement, page, School.name, func.coalesce(SchoolClass.label_key, ""), Pupil.id)

    def list_loans_of_pupil(self, pupil_id: UUID) -> Sequence[Row[Loan, Tablet]]:
        """Return the loans of a pupil with their tablets, newest first."""
        return self.session.execute(
            select(Loan, Tablet)
            .join(Tablet, Tablet.id == Loan.tablet_id)
            .where(Loan.pupil_id == pupil_id)
            .order_by(Loan.opened_at.desc(), Loan.id)
        ).all()

    def get_tablets_by_staff(self, staff_ids: Iterable[UUID]) -> dict[UUID, Tablet]:
        """Return the tablet on loan to each of these members of staff who has one."""
        tablets: dict[UUID, Tablet] = {}
        for part in split_ids(staff_ids):
            rows = self.session.execute(
                select(Loan.staff_id, Tablet)
                .join(Tablet, Tablet.id == Loan.tablet_id)
                .where(Loan.closed_at.is_(None), Loan.staff_id.in_(part))
            )
            tablets |= {row.staff_id: row.Tablet for row in rows}
        return tablets

    def move_tablets_to_schools_of_pupils(self, pupil_ids: Iterable[UUID]) -> None:
        """Set the school of the tablets on loan to these pupils to the school of each pupil."""
        school = (
            select(Pupil.school_id)
            .join(Loan, Loan.pupil_id == Pupil.id)
            .where(Loan.tablet_id == Tablet.id, Loan.closed_at.is_(None))
            .scalar_subquery()
        )
        for part in split_ids(self.list_tablet_ids_of_pupils(pupil_ids)):
            self.session.execute(
                update(Tablet).where(Tablet.id.in_(part)).values(school_id=school).execution_options(synchronize_session=False)
            )
