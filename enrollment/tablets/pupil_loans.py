"""Pupils with their tablets as people look for them: class by class, those without a tablet, one child. Records who read. Never commits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Row

from cartable import audit
from cartable.errors import NotFound
from cartable.paging import Page, PageRequest
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.people import access
from enrollment.people.models import AccessKind, Pupil
from enrollment.people.repository import PeopleRepository
from enrollment.places.models import School, SchoolClass
from enrollment.tablets.desk import name_sort_key
from enrollment.tablets.loan_repository import LoanRepository
from enrollment.tablets.models import Loan, Tablet
from enrollment.tablets.repository import TabletRepository

#: Whoever runs rosters, or teaches, reads lists of pupils; others reach one child from a tablet or by a search.
_READS_LISTS = (Permission.ROSTER, Permission.TEACH)


@dataclass(frozen=True, slots=True)
class PupilRecord:
    """One child with school, class and loans, newest first. The open loan is the first, if there is one."""

    pupil: Pupil
    school: School
    school_class: SchoolClass | None
    loans: Sequence[Row[Loan, Tablet]]

    @property
    def open_loan(self) -> Row[Loan, Tablet] | None:
        """The loan that is not closed, with its tablet."""
        return next((row for row in self.loans if row[0].closed_at is None), None)


def list_classes(work: UnitOfWork, actor: Actor, town_id: UUID) -> Sequence[Row[School, SchoolClass, int, int]]:
    """Return the classes whose pupils the actor may list: school, class, number of pupils, number of pupils with a tablet."""
    repository = TabletRepository(work.session)
    permission = Permission.ROSTER if actor.has_permission_somewhere(Permission.ROSTER, town_id) else Permission.TEACH
    return repository.list_classes_with_counts(actor, town_id, permission)


def list_class_pupils(
    work: UnitOfWork, actor: Actor, class_id: UUID
) -> tuple[SchoolClass, list[tuple[Pupil, Loan | None, Tablet | None]]]:
    """Return a class and its pupils with loan and tablet, by name. The reading is audited. Raises `NotFound`."""
    school_class = PeopleRepository(work.session).find_class(actor, class_id)
    if school_class is None or not any(
        actor.has_permission(each, school_class.town_id, school_class.school_id, school_class.id) for each in _READS_LISTS
    ):
        raise NotFound
    audit.record_reading(work, actor, "class.read", "school_class", class_id, town_id=school_class.town_id)
    rows = [(pupil, loan, tablet) for pupil, loan, tablet in LoanRepository(work.session).list_pupils_with_loan(class_id)]
    access.record_access(work, actor, (pupil for pupil, _, _ in rows), AccessKind.CLASS_LIST)
    return school_class, sorted(rows, key=lambda row: name_sort_key(row[0]))


def list_pupils_without_tablet(
    work: UnitOfWork, actor: Actor, town_id: UUID, page: PageRequest
) -> Page[tuple[Pupil, School, SchoolClass | None]]:
    """Return one page of the pupils of a town who have no tablet, by school and class. The reading is audited."""
    rows = LoanRepository(work.session).list_pupils_without_tablet(actor, town_id, page)
    audit.record_reading(work, actor, "pupils.without_tablet", "town", town_id, town_id=town_id)
    access.record_access(work, actor, (pupil for pupil, _, _ in rows.items), AccessKind.CLASS_LIST)
    return rows


def get_pupil_record(work: UnitOfWork, actor: Actor, pupil_id: UUID) -> PupilRecord:
    """Return one child with place and loans. The reading is recorded. Raises `NotFound`."""
    pupil = PeopleRepository(work.session).find_pupil(actor, pupil_id)
    if pupil is None:
        raise NotFound
    access.record_access(work, actor, [pupil], AccessKind.RECORD)
    return PupilRecord(
        pupil,
        work.session.get_one(School, pupil.school_id),
        work.session.get(SchoolClass, pupil.class_id) if pupil.class_id is not None else None,
        LoanRepository(work.session).list_loans_of_pupil(pupil.id),
    )
