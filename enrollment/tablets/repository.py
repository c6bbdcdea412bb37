"""All SQL of tablets. Loans, incidents, carts and idempotency records have repositories of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, case, func, or_, select, type_coerce, union, update
from sqlalchemy.orm import Session, aliased

from cartable.database import EnumText
from cartable.scope import Actor, Permission
from enrollment.people.models import Pupil, PupilState
from enrollment.places.models import Grade, School, SchoolClass, Town
from enrollment.tablets.models import CartSlot, Loan, Tablet, TabletState
from enrollment.tablets.rules import IN_PUPIL_HANDS

ClassPupil = aliased(Pupil)


def _matches_scan(text: str) -> ColumnElement[bool]:
    """Return the condition that a tablet has this tag or serial number, also with the S of its box's bar code before it."""
    return or_(Tablet.tag == text, Tablet.serial.in_({text, text.removeprefix("S")}))


class TabletRepository:
    """Reads and writes tablets."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def get(self, tablet_id: UUID) -> Tablet | None:
        return self.session.get(Tablet, tablet_id)

    def get_visible(self, actor: Actor, tablet_id: UUID) -> Tablet | None:
        """Return the tablet if the actor may see it."""
        return self.session.scalar(actor.restrict(select(Tablet).where(Tablet.id == tablet_id), Tablet))

    def get_by_serial(self, serial: str) -> Tablet | None:
        return self.session.scalar(select(Tablet).where(Tablet.serial == serial))

    def list_with_holder(
        self, tablet_ids: Sequence[UUID]
    ) -> Sequence[Row[Tablet, UUID | None, UUID | None, Grade | None, UUID | None]]:
        """Return each tablet with the pupil of its open loan, the class and grade of that pupil, and the member of staff who has it.

        A tablet of a class without a named pupil has the grade of the class if all its pupils share one.
        """
        columns = (Pupil.id, func.coalesce(Pupil.class_id, Tablet.class_id), _build_grade(), Loan.staff_id)
        return self.session.execute(
            select(Tablet, *columns)
            .outerjoin(Loan, (Loan.tablet_id == Tablet.id) & Loan.closed_at.is_(None))
            .outerjoin(Pupil, Pupil.id == Loan.pupil_id)
            .where(Tablet.id.in_(tablet_ids))
            .order_by(Tablet.id)
        ).all()

    @staticmethod
    def select_places() -> Select[UUID, UUID, UUID | None, UUID, UUID, Grade | None, UUID | None]:
        """Return the statement for the place of each tablet: its town and school, and who has it, as `list_with_holder` does."""
        return (
            select(
                Tablet.id.label("tablet_id"),
                Tablet.town_id,
                Tablet.school_id,
                Pupil.id.label("pupil_id"),
                func.coalesce(Pupil.class_id, Tablet.class_id).label("class_id"),
                _build_grade().label("grade"),
                Loan.staff_id,
            )
            .outerjoin(Loan, (Loan.tablet_id == Tablet.id) & Loan.closed_at.is_(None))
            .outerjoin(Pupil, Pupil.id == Loan.pupil_id)
        )

    def select_by_grade(self, town_id: UUID, grade: Grade) -> Select[UUID]:
        """Return the statement for the tablets on loan to pupils of one grade of a town."""
        return (
            select(Loan.tablet_id)
            .join(Pupil, Pupil.id == Loan.pupil_id)
            .where(Loan.closed_at.is_(None), Pupil.town_id == town_id, Pupil.grade == grade)
        )

    def select_by_town(self, town_id: UUID) -> Select[UUID]:
        """Return the statement for every tablet of a town."""
        return select(Tablet.id).where(Tablet.town_id == town_id)

    def select_all(self) -> Select[UUID]:
        """Return the statement for every tablet of every town."""
        return select(Tablet.id)

    def select_by_school(self, school_id: UUID) -> Select[UUID]:
        """Return the statement for every tablet of a school."""
        return select(Tablet.id).where(Tablet.school_id == school_id)

    def select_by_class(self, class_id: UUID) -> Select[UUID]:
        """Return the statement for the tablets on loan to pupils of a class, and those of the class itself."""
        lent = select(Loan.tablet_id).join(Pupil, Pupil.id == Loan.pupil_id)
        lent = lent.where(Loan.closed_at.is_(None), Pupil.class_id == class_id)
        shared = select(Tablet.id).where(Tablet.class_id == class_id)
        # A union and not an OR: with an OR over both tables the database scans every tablet.
        return select(Tablet.id).where(Tablet.id.in_(union(lent, shared))).order_by(Tablet.id)

    def select_by_ids(self, tablet_ids: Sequence[UUID]) -> Select[UUID]:
        """Return the statement for those of these tablets that exist."""
        return select(Tablet.id).where(Tablet.id.in_(tablet_ids))

    def list_ids_by_pupils(self, pupil_ids: Sequence[UUID]) -> list[UUID]:
        """Return the ids of the tablets on loan to these pupils."""
        return list(self.session.scalars(select(Loan.tablet_id).where(Loan.closed_at.is_(None), Loan.pupil_id.in_(pupil_ids))))

    def get_by_scan(self, actor: Actor, town_id: UUID, text: str) -> Tablet | None:
        """Return the town's tablet with exactly this tag or serial number, if the actor may see it.

        The serial number may have the S of the box's bar code before it. A tag has precedence over a serial number.
        """
        statement = select(Tablet).where(Tablet.town_id == town_id, _matches_scan(text))
        precedence = case((Tablet.tag == text, 0), (Tablet.serial == text, 1), else_=2)
        return self.session.scalar(actor.restrict(statement, Tablet).order_by(precedence, Tablet.id).limit(1))

    def get_town_name_by_scan(self, actor: Actor, text: str) -> str | None:
        """Return the name of a town that has this tablet, among those that the actor may see."""
        statement = select(Town.name).join(Tablet, Tablet.town_id == Town.id).where(_matches_scan(text))
        return self.session.scalar(actor.restrict(statement, Tablet).order_by(Town.name, Tablet.id).limit(1))

    def list_towns_of_prefix(self, prefix: str) -> Sequence[Town]:
        """Return up to two towns whose tags begin with a prefix."""
        return self.session.scalars(select(Town).where(Town.tag_prefix == prefix).order_by(Town.id).limit(2)).all()

    def list_existing_serials(self, serials: Sequence[str]) -> set[str]:
        return set(self.session.scalars(select(Tablet.serial).where(Tablet.serial.in_(serials))))

    def get_by_tag(self, town_id: UUID, tag: str) -> Tablet | None:
        return self.session.scalar(select(Tablet).where(Tablet.town_id == town_id, Tablet.tag == tag))

    def list_selected(self, actor: Actor, town_id: UUID, chosen: Select[UUID], limit: int) -> Sequence[Tablet]:
        """Return the tablets of a statement that are in the town and that the actor may handle, ordered by tag."""
        statement = select(Tablet).where(Tablet.town_id == town_id, Tablet.id.in_(chosen.order_by(None)))
        statement = actor.restrict(statement, Tablet, Permission.HANDLE).order_by(Tablet.tag, Tablet.id)
        return self.session.scalars(statement.limit(limit)).all()

    def select_by_purchase_order(self, town_id: UUID, reference: str) -> Select[UUID]:
        """Return the statement for the tablets of a purchase order."""
        return select(Tablet.id).where(Tablet.town_id == town_id, Tablet.order_reference == reference)

    def list_purchase_orders(self, actor: Actor, town_id: UUID) -> Sequence[Row[str, int, int]]:
        """Return the newest purchase orders of a town: reference, number of tablets, number not received yet."""
        waiting = func.sum(case((Tablet.state == TabletState.ORDERED, 1), else_=0))
        statement = (
            select(Tablet.order_reference, func.count(Tablet.id), waiting)
            .where(Tablet.town_id == town_id, Tablet.order_reference.is_not(None))
            .group_by(Tablet.order_reference)
            .order_by(func.max(Tablet.created_at).desc(), Tablet.order_reference)
            .limit(20)
        )
        return self.session.execute(actor.restrict(statement, Tablet, Permission.HANDLE)).all()

    def list_classes_with_counts(
        self, actor: Actor, town_id: UUID, permission: Permission = Permission.HANDLE
    ) -> Sequence[Row[School, SchoolClass, int, int]]:
        """Return the classes with active pupils where the actor has a permission: school, class, number of pupils, number of pupils
        with a tablet.
        """
        has_tablet = or_(Loan.handed_over_at.is_not(None), Tablet.state.in_(IN_PUPIL_HANDS))
        statement = (
            select(School, SchoolClass, func.count(Pupil.id), func.sum(case((has_tablet, 1), else_=0)))
            .join(SchoolClass, SchoolClass.school_id == School.id)
            .join(Pupil, (Pupil.class_id == SchoolClass.id) & (Pupil.state == PupilState.ACTIVE))
            .outerjoin(Loan, (Loan.pupil_id == Pupil.id) & Loan.closed_at.is_(None))
            .outerjoin(Tablet, Tablet.id == Loan.tablet_id)
            .where(SchoolClass.town_id == town_id)
            .group_by(School.id, SchoolClass.id)
            .order_by(School.name, School.id, SchoolClass.label_order, SchoolClass.id)
        )
        return self.session.execute(actor.restrict(statement, SchoolClass, permission)).all()

    def get_slot(self, slot_id: UUID) -> CartSlot | None:
        return self.session.get(CartSlot, slot_id)

    def remove_from_slot(self, tablet_id: UUID) -> None:
        """Empty the cart slot that contains the tablet, if there is one."""
        self.session.execute(update(CartSlot).where(CartSlot.tablet_id == tablet_id).values(tablet_id=None))

    def search(self, actor: Actor, text: str, limit: int) -> list[Tablet]:
        """Return the tablets visible to the actor whose tag or serial number contains `text`, ordered by tag."""
        pattern = "%" + text.upper().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        statement = select(Tablet).where(
            or_(func.upper(Tablet.tag).like(pattern, escape="\\"), func.upper(Tablet.serial).like(pattern, escape="\\"))
        )
        return list(self.session.scalars(actor.restrict(statement, Tablet).order_by(Tablet.tag, Tablet.id).limit(limit)))

    def get_highest_tag(self, town_id: UUID, prefix: str) -> str | None:
        """Return the highest tag of the town that begins with `prefix`. A longer tag is higher: 100000 comes after 99999."""
        statement = select(Tablet.tag).where(Tablet.town_id == town_id, Tablet.tag.like(prefix + "%"))
        return self.session.scalar(statement.order_by(func.length(Tablet.tag).desc(), Tablet.tag.desc()).limit(1))

    def update(self, tablet_id: UUID, values: dict[str, Any]) -> None:
        self.session.execute(update(Tablet).where(Tablet.id == tablet_id).values(**values))

    def get_os_versions(self, tablet_ids: Sequence[UUID]) -> dict[UUID, str | None]:
        """Return the stored version of the system of each of these tablets."""
        statement = select(Tablet.id, Tablet.os_version).where(Tablet.id.in_(tablet_ids))
        return {row[0]: row[1] for row in self.session.execute(statement)}

    def update_many(self, values: Mapping[UUID, Mapping[str, object]]) -> None:
        """Set the columns of many tablets, each to values of its own."""
        self.session.execute(update(Tablet), [{"id": tablet_id, **columns} for tablet_id, columns in sorted(values.items())])


def _build_grade() -> ColumnElement[Grade | None]:
    """Build the grade of a tablet: its pupil's, or that of its class if all pupils of it share one."""
    shared_grade = (
        select(case((func.min(ClassPupil.grade) == func.max(ClassPupil.grade), func.min(ClassPupil.grade))))
        .where(ClassPupil.class_id == Tablet.class_id)
        .scalar_subquery()
    )
    return type_coerce(func.coalesce(Pupil.grade, shared_grade), EnumText(Grade))
