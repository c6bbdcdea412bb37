"""Endpoints of reservations: for whom tablets are meant before they enroll."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from enrollment.joining import reservations
from enrollment.joining.models import InvitationKind, Reservation
from enrollment.joining.reservation_repository import ReservationRepository
from enrollment.joining.targets import InvitationSpec
from enrollment.tablets.models import Tablet, TabletState
from mdm.api.deps import ActorDep, WorkDep
from mdm.api.paging import PageOut, PageParams

router = APIRouter(tags=["reservations"])


class ReservationIn(BaseModel):
    """`pupil` and `cart_slot`: the first serial number for the first id, and so on (with `class_id` instead of `pupil_ids`: for its
    pupils without a tablet). `class` and `stock` (a school): all serial numbers for the one place.
    """

    kind: InvitationKind
    serials: list[str] = Field(min_length=1, max_length=reservations.MAX_TABLETS)
    school_id: UUID | None = None
    class_id: UUID | None = None
    pupil_ids: list[UUID] = Field(default=[], max_length=reservations.MAX_TABLETS)
    cart_slot_ids: list[UUID] = Field(default=[], max_length=reservations.MAX_TABLETS)


class ReservationOut(BaseModel):
    """For whom a tablet is meant. `problem` is the reason why it could not be assigned so when it enrolled."""

    tablet_id: UUID
    kind: InvitationKind
    school_id: UUID | None
    class_id: UUID | None
    pupil_id: UUID | None
    cart_slot_id: UUID | None
    problem: str | None = Field(examples=["pupil_has_tablet"])
    created_at: datetime


class ReservedTabletOut(ReservationOut):
    """A reservation with its tablet."""

    serial: str
    tag: str
    state: TabletState


@router.post("/towns/{town_id}/reservations", status_code=201)
def create_reservations(town_id: UUID, body: ReservationIn, work: WorkDep, actor: ActorDep) -> list[ReservationOut]:
    """Reserve tablets for pupils, cart slots, a class or a stock.

    When they enroll they need no invitation and are assigned as reserved.
    """
    spec = InvitationSpec(body.kind, town_id, body.school_id, tuple(body.pupil_ids), body.class_id, tuple(body.cart_slot_ids))
    return [ReservationOut(**_reservation_values(row)) for row in reservations.reserve_tablets(work, actor, body.serials, spec)]


@router.get("/towns/{town_id}/reservations")
def list_reservations(town_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[ReservedTabletOut]:
    """List the reservations of a town that the caller may see."""
    rows = ReservationRepository(work.session).list_reservations(actor, town_id, page)
    return PageOut.of(rows, lambda row: _build_reserved_tablet_out(*row))


@router.delete("/tablets/{tablet_id}/reservation", status_code=204)
def delete_reservation(tablet_id: UUID, work: WorkDep, actor: ActorDep) -> None:
    """Delete the reservation of a tablet."""
    reservations.withdraw_reservation(work, actor, tablet_id)


def _reservation_values(row: Reservation) -> dict[str, object]:
    return {name: getattr(row, name) for name in ReservationOut.model_fields}


def _build_reserved_tablet_out(row: Reservation, tablet: Tablet) -> ReservedTabletOut:
    return ReservedTabletOut(**_reservation_values(row), serial=tablet.serial, tag=tablet.tag, state=tablet.state)
