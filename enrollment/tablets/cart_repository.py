"""All SQL of carts and their slots."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from cartable.keyset import fetch_scalar_page
from cartable.paging import Page, PageRequest
from cartable.scope import Actor
from enrollment.tablets.models import Cart, CartSlot, Tablet


class CartRepository:
    """Reads carts and their slots."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def get_visible(self, actor: Actor, cart_id: UUID) -> Cart | None:
        return self.session.scalar(actor.restrict(select(Cart).where(Cart.id == cart_id), Cart))

    def list_carts(self, actor: Actor, town_id: UUID, school_id: UUID | None, page: PageRequest) -> Page[Cart]:
        statement = select(Cart).where(Cart.town_id == town_id)
        if school_id is not None:
            statement = statement.where(Cart.school_id == school_id)
        return fetch_scalar_page(self.session, actor.restrict(statement, Cart), page, Cart.label, Cart.id)

    def list_slots(self, cart_id: UUID) -> Sequence[Row[CartSlot, Tablet | None]]:
        return self.session.execute(
            select(CartSlot, Tablet)
            .outerjoin(Tablet, Tablet.id == CartSlot.tablet_id)
            .where(CartSlot.cart_id == cart_id)
            .order_by(CartSlot.number)
        ).all()

    def is_in_cart(self, tablet_id: UUID) -> bool:
        """Return whether the tablet is in a slot of a cart."""
        return self.session.scalar(select(CartSlot.id).where(CartSlot.tablet_id == tablet_id)) is not None

    def get_slot(self, cart_id: UUID, number: int) -> CartSlot | None:
        return self.session.scalar(select(CartSlot).where(CartSlot.cart_id == cart_id, CartSlot.number == number))
