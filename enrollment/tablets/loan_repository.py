"""All SQL on loans and their accessories: who holds a tablet or held it, which pupils have none, and at which school."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Row, func, select, type_coerce, update
from sqlalchemy.orm import Session

from cartable.database import UtcDateTime
from cartable.keyset import fetch_page
from cartable.paging import Page, PageRequest
from cartable.scope import Actor, Permission
from enrollment.people.models import Pupil, PupilState
from enrollment.people.repository import split_ids
from enrollment.places.models import School, SchoolClass
from enrollment.tablets.models import Loan, LoanAccessory, Tablet


class LoanRepository:
    """Reads and changes loans, one by one and in sets."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def get_open_loan_by_tablet(self, tablet_id: UUID) -> Loan | None:
        return self.session.scalar(select(Loan).where(Loan.tablet_id == tablet_id, Loan.closed_at.is_(None)))

    def get_last_holder_id(self, tablet_id: UUID) -> UUID | None:
        """Return the person to whom the tablet was handed over last, whether the loan is open or closed."""
        statement = select(func.coalesce(Loan.pupil_id, Loan.staff_id)).where(
            Loan.tablet_id == tablet_id, Loan.handed_over_at.is_not(None)
        )
        return self.session.scalar(statement.order_by(Loan.handed_over_at.desc(), Loan.id.desc()).limit(1))

    def get_open_loan_by_pupil(self, pupil_id: UUID) -> Loan | None:
        return self.session.scalar(select(Loan).where(Loan.pupil_id == pupil_id, Loan.closed_at.is_(None)))

    def get_open_loan_by_staff(self, staff_id: UUID) -> Loan | None:
        return self.session.scalar(select(Loan).where(Loan.staff_id == staff_id, Loan.closed_at.is_(None)))

    def list_accessories(self, loan_id: UUID) -> Sequence[LoanAccessory]:
        return self.session.scalars(
            select(LoanAccessory).where(LoanAccessory.loan_id == loan_id).order_by(LoanAccessory.kind)
        ).all()

    def move_accessories(self, from_loan: UUID, to_loan: UUID) -> None:
        """Move the accessories that the pupil still has to another loan; returned and lost ones stay with the old loan."""
        self.session.execute(
            update(LoanAccessory)
            .where(LoanAccessory.loan_id == from_loan, LoanAccessory.returned_at.is_(None), LoanAccessory.lost_at.is_(None))
            .values(loan_id=to_loan)
            .execution_options(synchronize_session=False)
        )

    def list_loans(self, tablet_id: UUID) -> Sequence[Loan]:
        statement = select(Loan).where(Loan.tablet_id == tablet_id)
        return self.session.scalars(statement.order_by(Loan.opened_at.desc(), Loan.id).limit(100)).all()

    def list_pupils_with_loan(self, class_id: UUID) -> Sequence[Row[Pupil, Loan | None, Tablet | None]]:
        """Return the active pupils of a class, each with the open loan and its tablet."""
        return self.session.execute(
            select(Pupil, Loan, Tablet)
            .outerjoin(Loan, (Loan.pupil_id == Pupil.id) & Loan.closed_at.is_(None))
            .outerjoin(Tablet, Tablet.id == Loan.tablet_id)
            .where(Pupil.class_id == class_id, Pupil.state == PupilState.ACTIVE)
            .order_by(Pupil.id)
        ).all()

    def list_returned(self, class_id: UUID, since: datetime) -> Sequence[Row[UUID, Tablet, datetime]]:
        """Return the pupils of a class whose loan ended with a return: pupil id, tablet, time of the return; oldest first."""
        return self.session.execute(
            select(Pupil.id, Tablet, type_coerce(Loan.closed_at, UtcDateTime))
            .join(Loan, Loan.pupil_id == Pupil.id)
            .join(Tablet, Tablet.id == Loan.tablet_id)
            .where(Pupil.class_id == class_id, Loan.condition_in.is_not(None), Loan.closed_at >= since)
            .order_by(Loan.closed_at, Loan.id)
        ).all()

    def close_loan(self, tablet_id: UUID, now: datetime) -> None:
        self.session.execute(update(Loan).where(Loan.tablet_id == tablet_id, Loan.closed_at.is_(None)).values(closed_at=now))

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
        return fetch_page(self.session, statement, page, School.name, func.coalesce(SchoolClass.label_order, ""), Pupil.id)

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
