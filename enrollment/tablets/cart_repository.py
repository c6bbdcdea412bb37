"""All SQL of carts."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from cartable.scope import Actor
from enrollment.tablets.models import Cart, CartSlot, Tablet


class CartRepository:
    """Reads carts and their slots."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def visible(self, actor: Actor, cart_id: UUID) -> Cart | None:
        return self.session.scalar(actor.restrict(select(Cart).where(Cart.id == cart_id), Cart))

    def listed(self, actor: Actor, town_id: UUID, school_id: UUID | None) -> Sequence[Cart]:
        statement = select(Cart).where(Cart.town_id == town_id)
        if school_id is not None:
            statement = statement.where(Cart.school_id == school_id)
        return self.session.scalars(actor.restrict(statement, Cart).order_by(Cart.label, Cart.id).limit(500)).all()

    def slots(self, cart_id: UUID) -> Sequence[Row[CartSlot, Tablet | None]]:
        return self.session.execute(
            select(CartSlot, Tablet)
            .outerjoin(Tablet, Tablet.id == CartSlot.tablet_id)
            .where(CartSlot.cart_id == cart_id)
            .order_by(CartSlot.number)
        ).all()

    def holds(self, tablet_id: UUID) -> bool:
        """Whether the tablet is in a cart."""
        return self.session.scalar(select(CartSlot.id).where(CartSlot.tablet_id == tablet_id)) is not None

    def slot(self, cart_id: UUID, number: int) -> CartSlot | None:
        return self.session.scalar(select(CartSlot).where(CartSlot.cart_id == cart_id, CartSlot.number == number))
