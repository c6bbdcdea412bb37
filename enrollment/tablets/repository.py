"""All SQL of the inventory and of custody."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, case, delete, func, or_, select, type_coerce, union, update
from sqlalchemy.orm import Session, aliased

from cartable.database import EnumText, UtcDateTime
from cartable.scope import Actor, Permission
from enrollment.people.models import Pupil, PupilState
from enrollment.places.models import Level, School, SchoolClass, Town
from enrollment.tablets.models import (
    CartSlot,
    DoneOnce,
    Incident,
    IncidentKind,
    Loan,
    LoanAccessory,
    PairAct,
    PairRequest,
    Tablet,
    TabletState,
)
from enrollment.tablets.rules import IN_HAND

InClass = aliased(Pupil)


def _is(text: str) -> ColumnElement[bool]:
    """The condition that a tablet is the one that was scanned."""
    return or_(Tablet.tag == text, Tablet.serial.in_({text, text.removeprefix("S")}))


class TabletRepository:
    """Reads and writes tablets, loans and cart slots."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def get(self, tablet_id: UUID) -> Tablet | None:
        return self.session.get(Tablet, tablet_id)

    def visible(self, actor: Actor, tablet_id: UUID) -> Tablet | None:
        """The tablet, if the actor may see it."""
        return self.session.scalar(actor.restrict(select(Tablet).where(Tablet.id == tablet_id), Tablet))

    def by_serial(self, serial: str) -> Tablet | None:
        return self.session.scalar(select(Tablet).where(Tablet.serial == serial))

    def with_holder(self, tablet_ids: Sequence[UUID]) -> Sequence[Row[Tablet, UUID | None, UUID | None, Level | None]]:
        """Each tablet with the pupil of its open loan, and the class and level of that pupil. A tablet held by a
        class without a named pupil has the level of the class, when all its pupils share one.
        """
        one = (
            select(case((func.min(InClass.level) == func.max(InClass.level), func.min(InClass.level))))
            .where(InClass.class_id == Tablet.class_id)
            .scalar_subquery()
        )
        level = type_coerce(func.coalesce(Pupil.level, one), EnumText(Level))
        return self.session.execute(
            select(Tablet, Pupil.id, func.coalesce(Pupil.class_id, Tablet.class_id), level)
            .outerjoin(Loan, (Loan.tablet_id == Tablet.id) & Loan.closed_at.is_(None))
            .outerjoin(Pupil, Pupil.id == Loan.pupil_id)
            .where(Tablet.id.in_(tablet_ids))
            .order_by(Tablet.id)
        ).all()

    def of_level(self, town_id: UUID, level: Level) -> Select[UUID]:
        """Statement: the tablets on loan to pupils of one level of a town."""
        return (
            select(Loan.tablet_id)
            .join(Pupil, Pupil.id == Loan.pupil_id)
            .where(Loan.closed_at.is_(None), Pupil.town_id == town_id, Pupil.level == level)
        )

    def of_town(self, town_id: UUID) -> Select[UUID]:
        """Statement: every tablet of a town."""
        return select(Tablet.id).where(Tablet.town_id == town_id)

    def everywhere(self) -> Select[UUID]:
        """Statement: every tablet of every town."""
        return select(Tablet.id)

    def of_school(self, school_id: UUID) -> Select[UUID]:
        """Statement: every tablet of a school."""
        return select(Tablet.id).where(Tablet.school_id == school_id)

    def of_class(self, class_id: UUID) -> Select[UUID]:
        """Statement: the tablets on loan to pupils of a class, and those that the class itself holds."""
        lent = select(Loan.tablet_id).join(Pupil, Pupil.id == Loan.pupil_id)
        lent = lent.where(Loan.closed_at.is_(None), Pupil.class_id == class_id)
        held = select(Tablet.id).where(Tablet.class_id == class_id)
        # Two lists joined, not one OR: an OR over both makes the database read every tablet there is.
        return select(Tablet.id).where(Tablet.id.in_(union(lent, held))).order_by(Tablet.id)

    def among(self, tablet_ids: Sequence[UUID]) -> Select[UUID]:
        """Statement: those of these tablets that exist."""
        return select(Tablet.id).where(Tablet.id.in_(tablet_ids))

    def of_pupils(self, pupil_ids: Sequence[UUID]) -> list[UUID]:
        """The tablets on loan to these pupils."""
        return list(self.session.scalars(select(Loan.tablet_id).where(Loan.closed_at.is_(None), Loan.pupil_id.in_(pupil_ids))))

    def open_loan_of_tablet(self, tablet_id: UUID) -> Loan | None:
        return self.session.scalar(select(Loan).where(Loan.tablet_id == tablet_id, Loan.closed_at.is_(None)))

    def last_holder(self, tablet_id: UUID) -> UUID | None:
        """The pupil who had the tablet in hand last, or has it."""
        statement = select(Loan.pupil_id).where(Loan.tablet_id == tablet_id, Loan.handed_over_at.is_not(None))
        return self.session.scalar(statement.order_by(Loan.handed_over_at.desc(), Loan.id.desc()).limit(1))

    def open_loan_of_pupil(self, pupil_id: UUID) -> Loan | None:
        return self.session.scalar(select(Loan).where(Loan.pupil_id == pupil_id, Loan.closed_at.is_(None)))

    def accessories(self, loan_id: UUID) -> Sequence[LoanAccessory]:
        return self.session.scalars(
            select(LoanAccessory).where(LoanAccessory.loan_id == loan_id).order_by(LoanAccessory.kind)
        ).all()

    def move_accessories(self, from_loan: UUID, to_loan: UUID) -> None:
        """What the child still has of a loan goes on with the next one; what came back or was lost stays written there."""
        self.session.execute(
            update(LoanAccessory)
            .where(LoanAccessory.loan_id == from_loan, LoanAccessory.returned_at.is_(None), LoanAccessory.lost_at.is_(None))
            .values(loan_id=to_loan)
            .execution_options(synchronize_session=False)
        )

    def open_incident(self, tablet_id: UUID) -> Incident | None:
        return self.session.scalar(select(Incident).where(Incident.tablet_id == tablet_id, Incident.closed_at.is_(None)))

    def incident_of_loaner(self, loaner_id: UUID) -> Incident | None:
        return self.session.scalar(select(Incident).where(Incident.loaner_id == loaner_id, Incident.closed_at.is_(None)))

    def incidents(self, tablet_id: UUID) -> Sequence[Incident]:
        statement = select(Incident).where(Incident.tablet_id == tablet_id)
        return self.session.scalars(statement.order_by(Incident.reported_at.desc(), Incident.id).limit(100)).all()

    def listed_incidents(
        self, actor: Actor, town_id: UUID, kind: IncidentKind | None, *, is_open: bool | None, after: UUID | None, limit: int
    ) -> Sequence[Incident]:
        statement = select(Incident).where(Incident.town_id == town_id)
        if kind is not None:
            statement = statement.where(Incident.kind == kind)
        if is_open is not None:
            statement = statement.where(Incident.closed_at.is_(None) if is_open else Incident.closed_at.is_not(None))
        last = self.session.get(Incident, after) if after is not None else None
        if last is not None:
            behind = (Incident.reported_at == last.reported_at) & (Incident.id > last.id)
            statement = statement.where((Incident.reported_at < last.reported_at) | behind)
        statement = statement.order_by(Incident.reported_at.desc(), Incident.id).limit(limit)
        return self.session.scalars(actor.restrict(statement, Incident)).all()

    def loans(self, tablet_id: UUID) -> Sequence[Loan]:
        statement = select(Loan).where(Loan.tablet_id == tablet_id)
        return self.session.scalars(statement.order_by(Loan.opened_at.desc(), Loan.id).limit(100)).all()

    def pair_request(self, actor: Actor, request_id: UUID) -> PairRequest | None:
        statement = select(PairRequest).where(PairRequest.id == request_id).with_for_update(key_share=True)
        return self.session.scalar(actor.restrict(statement, PairRequest))

    def open_pair_request(self, tablet_id: UUID, act: PairAct) -> PairRequest | None:
        return self.session.scalar(
            select(PairRequest).where(
                PairRequest.tablet_id == tablet_id, PairRequest.act == act, PairRequest.approved_at.is_(None)
            )
        )

    def scanned(self, actor: Actor, town_id: UUID, text: str) -> Tablet | None:
        """The tablet of the town whose tag or serial number this is, exactly; or its serial number as the bar code of its box
        has it, with an S before. The tag goes first.
        """
        statement = select(Tablet).where(Tablet.town_id == town_id, _is(text))
        first = case((Tablet.tag == text, 0), (Tablet.serial == text, 1), else_=2)
        return self.session.scalar(actor.restrict(statement, Tablet).order_by(first, Tablet.id).limit(1))

    def town_of_scanned(self, actor: Actor, text: str) -> str | None:
        """The name of another town in the actor's reach that has this tablet."""
        statement = select(Town.name).join(Tablet, Tablet.town_id == Town.id).where(_is(text))
        return self.session.scalar(actor.restrict(statement, Tablet).order_by(Town.name, Tablet.id).limit(1))

    def known_serials(self, serials: Sequence[str]) -> set[str]:
        return set(self.session.scalars(select(Tablet.serial).where(Tablet.serial.in_(serials))))

    def by_tag(self, town_id: UUID, tag: str) -> Tablet | None:
        return self.session.scalar(select(Tablet).where(Tablet.town_id == town_id, Tablet.tag == tag))

    def done_once(self, request_id: UUID, account_id: UUID) -> DoneOnce | None:
        return self.session.get(DoneOnce, (request_id, account_id))

    def forget_done(self, before: datetime) -> None:
        self.session.execute(delete(DoneOnce).where(DoneOnce.at < before))

    def table_of(self, class_id: UUID) -> Sequence[Row[Pupil, Loan | None, Tablet | None]]:
        """The active pupils of a class, each with the open loan and its tablet."""
        return self.session.execute(
            select(Pupil, Loan, Tablet)
            .outerjoin(Loan, (Loan.pupil_id == Pupil.id) & Loan.closed_at.is_(None))
            .outerjoin(Tablet, Tablet.id == Loan.tablet_id)
            .where(Pupil.class_id == class_id, Pupil.state == PupilState.ACTIVE)
            .order_by(Pupil.id)
        ).all()

    def of_tags(self, actor: Actor, town_id: UUID, chosen: Select[UUID], limit: int) -> Sequence[Tablet]:
        """The tablets of a statement that are in a town and in the actor's hands, by tag."""
        statement = select(Tablet).where(Tablet.town_id == town_id, Tablet.id.in_(chosen.order_by(None)))
        statement = actor.restrict(statement, Tablet, Permission.HANDLE).order_by(Tablet.tag, Tablet.id)
        return self.session.scalars(statement.limit(limit)).all()

    def of_order(self, town_id: UUID, reference: str) -> Select[UUID]:
        """Statement: the tablets that came with an order."""
        return select(Tablet.id).where(Tablet.town_id == town_id, Tablet.order_reference == reference)

    def orders(self, actor: Actor, town_id: UUID) -> Sequence[Row[str, int, int]]:
        """The last orders of a town: reference, tablets, and how many are still to be unpacked."""
        waiting = func.sum(case((Tablet.state == TabletState.ORDERED, 1), else_=0))
        statement = (
            select(Tablet.order_reference, func.count(Tablet.id), waiting)
            .where(Tablet.town_id == town_id, Tablet.order_reference.is_not(None))
            .group_by(Tablet.order_reference)
            .order_by(func.max(Tablet.created_at).desc(), Tablet.order_reference)
            .limit(20)
        )
        return self.session.execute(actor.restrict(statement, Tablet, Permission.HANDLE)).all()

    def done_since(self, account_id: UUID, town_id: UUID, since: datetime) -> Sequence[DoneOnce]:
        """What a person has done in a town, newest first."""
        return self.session.scalars(
            select(DoneOnce)
            .where(DoneOnce.at >= since, DoneOnce.account_id == account_id, DoneOnce.town_id == town_id)
            .order_by(DoneOnce.at.desc(), DoneOnce.request_id)
            .limit(1000)
        ).all()

    def classes_at_the_desk(self, actor: Actor, town_id: UUID) -> Sequence[Row[School, SchoolClass, int, int]]:
        """The classes with active pupils, each with its school, its pupils and those who hold a tablet."""
        held = or_(Loan.handed_over_at.is_not(None), Tablet.state.in_(IN_HAND))
        statement = (
            select(School, SchoolClass, func.count(Pupil.id), func.sum(case((held, 1), else_=0)))
            .join(SchoolClass, SchoolClass.school_id == School.id)
            .join(Pupil, (Pupil.class_id == SchoolClass.id) & (Pupil.state == PupilState.ACTIVE))
            .outerjoin(Loan, (Loan.pupil_id == Pupil.id) & Loan.closed_at.is_(None))
            .outerjoin(Tablet, Tablet.id == Loan.tablet_id)
            .where(SchoolClass.town_id == town_id)
            .group_by(School.id, SchoolClass.id)
            .order_by(School.name, School.id, SchoolClass.label, SchoolClass.id)
        )
        return self.session.execute(actor.restrict(statement, SchoolClass, Permission.HANDLE)).all()

    def given_back(self, class_id: UUID, since: datetime) -> Sequence[Row[UUID, Tablet, datetime]]:
        """Pupils of a class whose loan ended with a return, with the tablet and when; the last one last."""
        return self.session.execute(
            select(Loan.pupil_id, Tablet, type_coerce(Loan.closed_at, UtcDateTime))
            .join(Pupil, Pupil.id == Loan.pupil_id)
            .join(Tablet, Tablet.id == Loan.tablet_id)
            .where(Pupil.class_id == class_id, Loan.condition_in.is_not(None), Loan.closed_at >= since)
            .order_by(Loan.closed_at, Loan.id)
        ).all()

    def slot(self, slot_id: UUID) -> CartSlot | None:
        return self.session.get(CartSlot, slot_id)

    def leave_slot(self, tablet_id: UUID) -> None:
        """Take the tablet out of its cart, if it is in one."""
        self.session.execute(update(CartSlot).where(CartSlot.tablet_id == tablet_id).values(tablet_id=None))

    def matching(self, actor: Actor, text: str, limit: int) -> list[Tablet]:
        """Tablets whose tag or serial number begins with or holds `text`."""
        pattern = "%" + text.upper().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        statement = select(Tablet).where(
            or_(func.upper(Tablet.tag).like(pattern, escape="\\"), func.upper(Tablet.serial).like(pattern, escape="\\"))
        )
        return list(self.session.scalars(actor.restrict(statement, Tablet).order_by(Tablet.tag, Tablet.id).limit(limit)))

    def highest_tag(self, town_id: UUID, prefix: str) -> str | None:
        """The highest tag of the town that begins with `prefix`: after 99 999 they get longer, and a longer one is higher."""
        statement = select(Tablet.tag).where(Tablet.town_id == town_id, Tablet.tag.like(prefix + "%"))
        return self.session.scalar(statement.order_by(func.length(Tablet.tag).desc(), Tablet.tag.desc()).limit(1))

    def update(self, tablet_id: UUID, values: dict[str, Any]) -> None:
        self.session.execute(update(Tablet).where(Tablet.id == tablet_id).values(**values))

    def close_loan(self, tablet_id: UUID, now: datetime) -> None:
        self.session.execute(update(Loan).where(Loan.tablet_id == tablet_id, Loan.closed_at.is_(None)).values(closed_at=now))
