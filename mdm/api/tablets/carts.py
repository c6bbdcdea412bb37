"""Endpoints of carts: their slots and the tablets in them."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from cartable.paging import paginate
from enrollment.tablets import carts
from enrollment.tablets.carts import SlotContent
from enrollment.tablets.models import TabletState
from mdm.api.deps import ActorDep, WorkDep
from mdm.api.paging import PageOut, PageParams
from mdm.api.tablets.custody import Scan

router = APIRouter(tags=["custody"])
SlotNumber = Path(ge=1, le=carts.MAX_SLOTS, description="The slot's number.")


class CartIn(BaseModel):
    """A new cart."""

    label: str = Field(min_length=1, max_length=80, examples=["Chariot 2"])
    slots: int = Field(ge=1, le=carts.MAX_SLOTS, examples=[15])


class CartOut(BaseModel):
    """A cart."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    town_id: UUID
    school_id: UUID
    label: str


class CartSlotOut(BaseModel):
    """A slot and the tablet in it."""

    id: UUID
    number: int
    tablet_id: UUID | None
    tag: str | None
    state: TabletState | None


class CartSlotIn(BaseModel):
    """The scan of the tablet that goes into a slot."""

    scan: Scan


@router.post("/schools/{school_id}/carts", response_model=CartOut, status_code=201)
def create_cart(school_id: UUID, body: CartIn, work: WorkDep, actor: ActorDep) -> object:
    """Create a cart with numbered, empty slots."""
    return carts.create_cart(work, actor, school_id, body.label, body.slots)


@router.get("/towns/{town_id}/carts")
def list_carts(
    town_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams, school_id: UUID | None = None
) -> PageOut[CartOut]:
    """List the carts of a town that the caller may see."""
    return PageOut.of(carts.list_carts(work, actor, town_id, school_id, page), CartOut.model_validate)


@router.get("/carts/{cart_id}/slots")
def list_cart_slots(cart_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[CartSlotOut]:
    """List the slots of a cart, by number, with the tablet in each."""
    _, slots = carts.get_cart_contents(work, actor, cart_id)
    return PageOut.of(paginate(slots, page, lambda content: (content.slot.number,)), _build_slot_out)


@router.put("/carts/{cart_id}/slots/{number}", status_code=204)
def put_tablet_in_cart(cart_id: UUID, body: CartSlotIn, work: WorkDep, actor: ActorDep, number: int = SlotNumber) -> None:
    """Put the scanned tablet into a slot of a cart.

    The tablet that was in the slot goes back to stock.
    """
    carts.put_in_slot(work, actor, cart_id, number, body.scan)


@router.delete("/carts/{cart_id}/slots/{number}", status_code=204)
def remove_tablet_from_cart(cart_id: UUID, work: WorkDep, actor: ActorDep, number: int = SlotNumber) -> None:
    """Remove the tablet from a slot of a cart.

    It goes back to stock.
    """
    carts.empty_slot(work, actor, cart_id, number)


def _build_slot_out(content: SlotContent) -> CartSlotOut:
    slot, tablet = content.slot, content.tablet
    return CartSlotOut(
        id=slot.id,
        number=slot.number,
        tablet_id=slot.tablet_id,
        tag=tablet.tag if tablet else None,
        state=tablet.state if tablet else None,
    )
