"""All SQL of reservations."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Row, delete, or_, select, update
from sqlalchemy.orm import Session

from cartable.scope import Actor, Permission
from enrollment.joining.models import Reservation
from enrollment.joining.targets import Target
from enrollment.tablets.models import CartSlot, Tablet
from enrollment.tablets.rules import GONE


class ReservationRepository:
    """Reads and writes reservations."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def tablets(self, town_id: UUID, serials: Sequence[str]) -> dict[str, Tablet]:
        """The town's tablets by their serial numbers."""
        found = self.session.scalars(select(Tablet).where(Tablet.town_id == town_id, Tablet.serial.in_(serials)))
        return {tablet.serial: tablet for tablet in found}

    def forget(self, tablet_ids: Sequence[UUID]) -> None:
        self.session.execute(delete(Reservation).where(Reservation.tablet_id.in_(tablet_ids)))

    def forget_gone(self, town_id: UUID) -> None:
        """What was meant for tablets that are out of the programme: the pupil or slot is free for another."""
        gone = select(Tablet.id).where(Tablet.town_id == town_id, Tablet.state.in_(GONE))
        self.session.execute(delete(Reservation).where(Reservation.town_id == town_id, Reservation.tablet_id.in_(gone)))

    def taken(self, targets: Sequence[Target]) -> bool:
        """Whether a reservation exists for one of these pupils or slots."""
        pupils = [target["pupil_id"] for target in targets if target.get("pupil_id")]
        slots = [target["cart_slot_id"] for target in targets if target.get("cart_slot_id")]
        either = or_(Reservation.pupil_id.in_(pupils), Reservation.cart_slot_id.in_(slots))
        return self.session.scalar(select(Reservation.tablet_id).where(either).limit(1)) is not None

    def visible(self, actor: Actor, tablet_id: UUID) -> Reservation | None:
        statement = select(Reservation).where(Reservation.tablet_id == tablet_id)
        return self.session.scalar(actor.restrict(statement, Reservation, Permission.HANDLE))

    def listed(self, actor: Actor, town_id: UUID, after: UUID | None, limit: int) -> Sequence[Row[Reservation, Tablet]]:
        """Reservations of a town with their tablets, by the tablet's id."""
        statement = select(Reservation, Tablet).join(Tablet, Tablet.id == Reservation.tablet_id)
        statement = statement.where(Reservation.town_id == town_id)
        if after is not None:
            statement = statement.where(Reservation.tablet_id > after)
        statement = actor.restrict(statement, Reservation, Permission.HANDLE)
        return self.session.execute(statement.order_by(Reservation.tablet_id).limit(limit)).all()

    def fill(self, slot_id: UUID, tablet_id: UUID) -> None:
        """Put a tablet into a slot; it leaves any other."""
        self.session.execute(update(CartSlot).where(CartSlot.tablet_id == tablet_id).values(tablet_id=None))
        self.session.execute(update(CartSlot).where(CartSlot.id == slot_id).values(tablet_id=tablet_id))
