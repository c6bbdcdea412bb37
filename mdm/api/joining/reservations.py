"""Reservations: for whom tablets are meant that are still in their boxes."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from enrollment.joining import reservations
from enrollment.joining.models import InvitationKind, Reservation
from enrollment.joining.reservation_repository import ReservationRepository
from enrollment.joining.targets import InvitationSpec
from enrollment.tablets.models import TabletState
from mdm.api.deps import ActorDep, WorkDep

router = APIRouter(tags=["reservations"])


class ReservationIn(BaseModel):
    """`pupil` and `cart_slot`: the first serial number for the first id, and so on (with `class_id` instead of `pupil_ids`: for its
    pupils without a tablet). `class` and `stock` (a school): all serial numbers for the one place.
    """

    kind: InvitationKind
    serials: list[str] = Field(min_length=1, max_length=reservations.MOST)
    school_id: UUID | None = None
    class_id: UUID | None = None
    pupil_ids: list[UUID] = Field(default=[], max_length=reservations.MOST)
    cart_slot_ids: list[UUID] = Field(default=[], max_length=reservations.MOST)


class ReservationOut(BaseModel):
    """For whom a tablet is meant. `problem`: why it could not be put there when it enrolled."""

    tablet_id: UUID
    kind: InvitationKind
    school_id: UUID | None
    class_id: UUID | None
    pupil_id: UUID | None
    cart_slot_id: UUID | None
    problem: str | None = Field(examples=["pupil_has_tablet"])
    made_at: datetime


class ReservedOut(ReservationOut):
    """The same with the tablet."""

    serial: str
    tag: str
    state: TabletState


@router.post("/towns/{town_id}/reservations", status_code=201, operation_id="reserve_tablets")
def reserve(town_id: UUID, body: ReservationIn, work: WorkDep, actor: ActorDep) -> list[ReservationOut]:
    """Say for whom tablets are meant. When they enrol they need no invitation, and are put there."""
    spec = InvitationSpec(body.kind, town_id, body.school_id, tuple(body.pupil_ids), body.class_id, tuple(body.cart_slot_ids))
    return [ReservationOut(**_told(row)) for row in reservations.reserve(work, actor, body.serials, spec)]


@router.get("/towns/{town_id}/reservations", operation_id="list_reservations")
def listed(
    town_id: UUID, work: WorkDep, actor: ActorDep, after: UUID | None = None, limit: int = Query(200, ge=1, le=1000)
) -> list[ReservedOut]:
    """The reservations in the caller's reach; page on with the last tablet's id as `after`."""
    rows = ReservationRepository(work.session).listed(actor, town_id, after, limit)
    return [ReservedOut(**_told(row), serial=tablet.serial, tag=tablet.tag, state=tablet.state) for row, tablet in rows]


@router.delete("/tablets/{tablet_id}/reservation", status_code=204, operation_id="withdraw_reservation")
def withdraw(tablet_id: UUID, work: WorkDep, actor: ActorDep) -> None:
    """The tablet is meant for nobody any more."""
    reservations.withdraw(work, actor, tablet_id)


def _told(row: Reservation) -> dict[str, object]:
    return {name: getattr(row, name) for name in ReservationOut.model_fields}
