"""All SQL of reservations."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from cartable.keyset import fetch_page
from cartable.paging import Page, PageRequest
from cartable.scope import Actor, Permission
from enrollment.joining.models import Reservation
from enrollment.joining.targets import TargetColumns
from enrollment.tablets.models import CartSlot, Tablet
from enrollment.tablets.rules import DECOMMISSIONED


class ReservationRepository:
    """Reads and writes reservations."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def get_tablets_by_serial(self, town_id: UUID, serials: Sequence[str]) -> dict[str, Tablet]:
        """Return the town's tablets by serial number."""
        tablets = self.session.scalars(select(Tablet).where(Tablet.town_id == town_id, Tablet.serial.in_(serials)))
        return {tablet.serial: tablet for tablet in tablets}

    def delete_by_tablets(self, tablet_ids: Sequence[UUID]) -> None:
        self.session.execute(delete(Reservation).where(Reservation.tablet_id.in_(tablet_ids)))

    def delete_of_decommissioned(self, town_id: UUID) -> None:
        """Delete the reservations of decommissioned tablets, so that their pupils and slots can be reserved again."""
        decommissioned_ids = select(Tablet.id).where(Tablet.town_id == town_id, Tablet.state.in_(DECOMMISSIONED))
        self.session.execute(
            delete(Reservation).where(Reservation.town_id == town_id, Reservation.tablet_id.in_(decommissioned_ids))
        )

    def exists_for_targets(self, targets: Sequence[TargetColumns]) -> bool:
        """Return whether a reservation exists for one of these pupils or slots."""
        pupils = [target["pupil_id"] for target in targets if target.get("pupil_id")]
        slots = [target["cart_slot_id"] for target in targets if target.get("cart_slot_id")]
        either = or_(Reservation.pupil_id.in_(pupils), Reservation.cart_slot_id.in_(slots))
        return self.session.scalar(select(Reservation.tablet_id).where(either).limit(1)) is not None

    def get_visible(self, actor: Actor, tablet_id: UUID) -> Reservation | None:
        statement = select(Reservation).where(Reservation.tablet_id == tablet_id)
        return self.session.scalar(actor.restrict(statement, Reservation, Permission.HANDLE))

    def list_reservations(self, actor: Actor, town_id: UUID, page: PageRequest) -> Page[tuple[Reservation, Tablet]]:
        """Return the reservations of a town with their tablets, ordered by the tablet's id, from behind `after` on."""
        statement = select(Reservation, Tablet).join(Tablet, Tablet.id == Reservation.tablet_id)
        statement = statement.where(Reservation.town_id == town_id)
        statement = actor.restrict(statement, Reservation, Permission.HANDLE)
        return fetch_page(self.session, statement, page, Reservation.tablet_id)

    def put_in_slot(self, slot_id: UUID, tablet_id: UUID) -> None:
        """Put a tablet into a slot; it leaves its former slot."""
        self.session.execute(update(CartSlot).where(CartSlot.tablet_id == tablet_id).values(tablet_id=None))
        self.session.execute(update(CartSlot).where(CartSlot.id == slot_id).values(tablet_id=tablet_id))
