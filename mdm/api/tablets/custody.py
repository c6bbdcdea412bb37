"""Custody: orders, the bench, loans and agreements, handover, swaps, returns."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from enrollment.tablets import custody, desk, inventory, lookup
from enrollment.tablets.custody import Handing
from enrollment.tablets.models import (
    AccessoryKind,
    Agreement,
    Condition,
    Loan,
    Tablet,
    TabletState,
)
from mdm.api.deps import ActorDep, WorkDep

router = APIRouter(tags=["custody"])
Scan = Annotated[
    str, Field(min_length=1, max_length=200, description="A tag, a serial number, or the address in a label's QR code.")
]
Why = Annotated[str, Field(min_length=3, max_length=300, description="No names.")]
RequestId = Annotated[UUID, Field(description="Made by the caller. Sent again after a failure, it has no second effect.")]


class DeskTablet(BaseModel):
    """A tablet at the desk."""

    tablet_id: UUID
    tag: str
    serial: str
    state: TabletState


class OrderIn(BaseModel):
    """The serial numbers of a delivery."""

    reference: str = Field(min_length=1, max_length=60)
    serials: list[str] = Field(min_length=1, max_length=inventory.LONGEST_ORDER)


class BenchIn(BaseModel):
    """One scan at the bench; `tag` when the label is pre-printed."""

    request_id: RequestId
    serial: str = Field(min_length=4, max_length=64)
    tag: str | None = Field(None, pattern=r"^[A-Za-z0-9-]{2,24}$")


class MoveIn(BaseModel):
    """Where a tablet goes that nobody holds."""

    state: TabletState
    why: Why


class AgreementIn(BaseModel):
    """The family's answer."""

    answer: Agreement
    signed_by: str | None = Field(None, max_length=120)
    signed_on: date | None = None


class HandoverIn(BaseModel):
    """One child at the table: scan, pupil, and what goes along."""

    request_id: RequestId
    scan: Scan
    pupil_id: UUID
    condition: Condition = Condition.GOOD
    accessories: list[AccessoryKind] = Field(default_factory=list, max_length=10)
    signed_by: str | None = Field(None, max_length=120, description="Who signs the agreement at the table.")
    signed_on: date | None = None
    stays_at_school: bool = Field(False, description="The family does not want it at home.")


class SwapIn(BaseModel):
    """Two scans."""

    request_id: RequestId
    first: Scan
    second: Scan


class ReturnIn(BaseModel):
    """The checklist of a return: what is not in `accessories` did not come back."""

    request_id: RequestId
    condition: Condition
    accessories: list[AccessoryKind] = Field(default_factory=list, max_length=10)


class WhyIn(BaseModel):
    """Why."""

    why: Why


class AccessoryIn(BaseModel):
    """One accessory."""

    kind: AccessoryKind


class LoanOut(BaseModel):
    """One loan. No name: the pupil is a number here."""

    id: UUID
    tablet_id: UUID
    pupil_id: UUID
    opened_at: datetime
    closed_at: datetime | None
    agreement: Agreement
    agreed_on: date | None
    handed_over_at: datetime | None
    condition_out: Condition | None
    condition_in: Condition | None
    to_confirm: bool


@router.post("/towns/{town_id}/tablet-orders", status_code=201, operation_id="order_tablets")
def order(town_id: UUID, body: OrderIn, work: WorkDep, actor: ActorDep) -> list[DeskTablet]:
    """Enter the serial numbers of an order; the bench then receives these and no others."""
    return [desk_tablet(row) for row in inventory.order(work, actor, town_id, body.serials, body.reference)]


@router.post("/towns/{town_id}/bench", operation_id="bench_scan")
def bench(town_id: UUID, body: BenchIn, work: WorkDep, actor: ActorDep) -> DeskTablet:
    """One scan at the bench: unpacked, tagged, prepared."""
    return DeskTablet(**desk.bench(work, actor, town_id, body.request_id, body.serial, body.tag))


@router.post("/towns/{town_id}/handover", operation_id="hand_over")
def handover(town_id: UUID, body: HandoverIn, work: WorkDep, actor: ActorDep) -> dict[str, Any]:
    """Hand a tablet to a pupil: one call per child. Refused without a signed agreement, unless it stays at school."""
    said = Handing(body.condition, tuple(body.accessories), body.signed_by, body.signed_on, stays=body.stays_at_school)
    return desk.hand_over(work, actor, town_id, body.request_id, body.scan, body.pupil_id, said)


@router.post("/towns/{town_id}/swaps", operation_id="swap_tablets")
def swap(town_id: UUID, body: SwapIn, work: WorkDep, actor: ActorDep) -> dict[str, Any]:
    """Two children have exchanged their tablets: two scans, and the loans follow."""
    return desk.swap(work, actor, town_id, body.request_id, body.first, body.second)


@router.post("/tablets/{tablet_id}/confirm-swap", operation_id="confirm_swap")
def confirm_swap(tablet_id: UUID, work: WorkDep, actor: ActorDep) -> LoanOut:
    """A technician has seen who holds what."""
    return loan_out(custody.confirm_swap(work, actor, lookup.held(work, actor, tablet_id)))


@router.post("/tablets/{tablet_id}/agreement", operation_id="note_agreement")
def agreement(tablet_id: UUID, body: AgreementIn, work: WorkDep, actor: ActorDep) -> LoanOut:
    """Note the family's answer to the loan agreement."""
    tablet = lookup.held(work, actor, tablet_id)
    return loan_out(custody.agree(work, actor, tablet, body.answer, body.signed_by, body.signed_on))


@router.put("/tablets/{tablet_id}/pupil/{pupil_id}", operation_id="assign_tablet")
def assign(tablet_id: UUID, pupil_id: UUID, work: WorkDep, actor: ActorDep) -> LoanOut:
    """Draft the loan before the handover."""
    return loan_out(custody.assign(work, actor, lookup.held(work, actor, tablet_id), pupil_id))


@router.post("/tablets/{tablet_id}/return", operation_id="return_tablet")
def give_back(tablet_id: UUID, body: ReturnIn, work: WorkDep, actor: ActorDep) -> dict[str, Any]:
    """The pupil gives it back: checklist, end of the loan, quarantine until it is wiped."""
    return desk.take_back(work, actor, tablet_id, body.request_id, body.condition, tuple(body.accessories))


@router.post("/tablets/{tablet_id}/accessory-loss", operation_id="lose_accessory")
def accessory(tablet_id: UUID, body: AccessoryIn, work: WorkDep, actor: ActorDep) -> LoanOut:
    """An accessory is lost, the tablet is not."""
    return loan_out(custody.lose_accessory(work, actor, lookup.held(work, actor, tablet_id), body.kind))


@router.post("/tablets/{tablet_id}/move", operation_id="move_tablet")
def move(tablet_id: UUID, body: MoveIn, work: WorkDep, actor: ActorDep) -> DeskTablet:
    """Put a tablet that nobody holds into stock, storage, or back to the bench."""
    return desk_tablet(inventory.move(work, actor, lookup.held(work, actor, tablet_id), body.state, body.why))


def desk_tablet(row: Tablet) -> DeskTablet:
    """A tablet as it stands at the desk."""
    return DeskTablet(tablet_id=row.id, tag=row.tag, serial=row.serial, state=row.state)


def loan_out(row: Loan) -> LoanOut:
    """A loan, without names."""
    return LoanOut(**{name: getattr(row, name) for name in LoanOut.model_fields})
