"""Carts: their slots, and which tablet is in which."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from enrollment.tablets import carts
from enrollment.tablets.models import TabletState
from mdm.api.deps import ActorDep, WorkDep
from mdm.api.tablets.custody import Scan

router = APIRouter(tags=["custody"])
Number = Path(ge=1, le=carts.MOST_SLOTS, description="The slot's number.")


class CartIn(BaseModel):
    """A cart to enter."""

    label: str = Field(min_length=1, max_length=80, examples=["Chariot 2"])
    slots: int = Field(ge=1, le=carts.MOST_SLOTS, examples=[15])


class CartOut(BaseModel):
    """A cart."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    town_id: UUID
    school_id: UUID
    label: str


class SlotOut(BaseModel):
    """A slot and the tablet in it."""

    id: UUID
    number: int
    tablet_id: UUID | None
    tag: str | None
    state: TabletState | None


class PutIn(BaseModel):
    """What was scanned."""

    scan: Scan


@router.post("/schools/{school_id}/carts", response_model=CartOut, status_code=201, operation_id="make_cart")
def make(school_id: UUID, body: CartIn, work: WorkDep, actor: ActorDep) -> object:
    """Enter a cart with numbered, empty slots."""
    return carts.make(work, actor, school_id, body.label, body.slots)


@router.get("/towns/{town_id}/carts", response_model=list[CartOut], operation_id="list_carts")
def listed(town_id: UUID, work: WorkDep, actor: ActorDep, school_id: UUID | None = None) -> object:
    """The carts in the caller's reach."""
    return carts.listed(work, actor, town_id, school_id)


@router.get("/carts/{cart_id}/slots", operation_id="list_cart_slots")
def slots(cart_id: UUID, work: WorkDep, actor: ActorDep) -> list[SlotOut]:
    """The slots of a cart, in order."""
    _, found = carts.contents(work, actor, cart_id)
    return [
        SlotOut(
            id=each.slot.id, number=each.slot.number, tablet_id=each.slot.tablet_id,
            tag=each.tablet.tag if each.tablet else None, state=each.tablet.state if each.tablet else None,
        )
        for each in found
    ]  # fmt: skip


@router.put("/carts/{cart_id}/slots/{number}", status_code=204, operation_id="put_into_cart")
def put(cart_id: UUID, body: PutIn, work: WorkDep, actor: ActorDep, number: int = Number) -> None:
    """Put the scanned tablet into a slot; what was there goes back to stock."""
    carts.put(work, actor, cart_id, number, body.scan)


@router.delete("/carts/{cart_id}/slots/{number}", status_code=204, operation_id="take_out_of_cart")
def take(cart_id: UUID, work: WorkDep, actor: ActorDep, number: int = Number) -> None:
    """Empty a slot; the tablet goes back to stock."""
    carts.take(work, actor, cart_id, number)
