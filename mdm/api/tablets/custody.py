"""Endpoints of custody: purchase orders, preparation, loans and agreements, handovers, swaps, returns."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from enrollment.tablets import custody, desk, inventory, lookup, staff_loans
from enrollment.tablets.custody import HandoverForm
from enrollment.tablets.models import (
    AccessoryKind,
    AgreementState,
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
ReasonText = Annotated[str, Field(min_length=3, max_length=300, description="No names.")]
RequestId = Annotated[UUID, Field(description="Made by the caller. Sent again after a failure, it has no second effect.")]


class DeskTabletOut(BaseModel):
    """A tablet with what identifies it, and its inventory state."""

    tablet_id: UUID
    tag: str
    serial: str
    state: TabletState


class PurchaseOrderIn(BaseModel):
    """A purchase order and its serial numbers."""

    reference: str = Field(min_length=1, max_length=60)
    serials: list[str] = Field(min_length=1, max_length=inventory.MAX_ORDER_SIZE)


class PreparationIn(BaseModel):
    """The scan of an ordered tablet; `tag` when the label is already printed."""

    request_id: RequestId
    serial: str = Field(min_length=4, max_length=64)
    tag: str | None = Field(None, pattern=r"^[A-Za-z0-9-]{2,24}$")


class MoveIn(BaseModel):
    """The inventory state to which a tablet goes that nobody holds."""

    state: TabletState
    reason: ReasonText


class AgreementIn(BaseModel):
    """The family's answer to the loan agreement."""

    answer: AgreementState
    signed_by: str | None = Field(None, max_length=120)
    signed_on: date | None = None


class HandoverIn(BaseModel):
    """The handover of one tablet to one pupil."""

    request_id: RequestId
    scan: Scan
    pupil_id: UUID
    condition: Condition = Condition.GOOD
    accessories: list[AccessoryKind] = Field(default_factory=list, max_length=10)
    signed_by: str | None = Field(None, max_length=120, description="Who signs the agreement at the handover.")
    signed_on: date | None = None
    stays_at_school: bool = Field(False, description="The family does not want it at home.")


class StaffHandoverIn(BaseModel):
    """The handover of one tablet to a member of staff."""

    condition: Condition = Condition.GOOD
    accessories: list[AccessoryKind] = Field(default_factory=list, max_length=10)
    signed_by: str | None = Field(None, max_length=120, description="Who signs the agreement at the handover.")
    signed_on: date | None = None
    stays_at_school: bool = Field(False, description="The person leaves it at school.")


class SwapIn(BaseModel):
    """The scans of the two tablets that were exchanged."""

    request_id: RequestId
    first: Scan
    second: Scan


class ReturnIn(BaseModel):
    """The checklist of a return. Accessories that are not named did not come back."""

    request_id: RequestId
    condition: Condition
    accessories: list[AccessoryKind] = Field(default_factory=list, max_length=10)


class ReasonIn(BaseModel):
    """The reason for an act."""

    reason: ReasonText


class LostAccessoryIn(BaseModel):
    """The accessory that is lost."""

    kind: AccessoryKind


class LoanOut(BaseModel):
    """A loan to a pupil or to a member of staff. The person is an id, never a name."""

    id: UUID
    tablet_id: UUID
    pupil_id: UUID | None
    staff_id: UUID | None
    opened_at: datetime
    closed_at: datetime | None
    agreement: AgreementState
    agreed_on: date | None
    handed_over_at: datetime | None
    condition_out: Condition | None
    condition_in: Condition | None
    needs_confirmation: bool


@router.post("/towns/{town_id}/purchase-orders", status_code=201)
def create_purchase_order(town_id: UUID, body: PurchaseOrderIn, work: WorkDep, actor: ActorDep) -> list[DeskTabletOut]:
    """Enter the serial numbers of a purchase order.

    Only these tablets can then be prepared.
    """
    return [
        build_desk_tablet_out(row)
        for row in inventory.register_purchase_order(work, actor, town_id, body.serials, body.reference)
    ]


@router.post("/towns/{town_id}/preparations")
def prepare_tablet(town_id: UUID, body: PreparationIn, work: WorkDep, actor: ActorDep) -> DeskTabletOut:
    """Prepare an ordered tablet by one scan: it is unpacked and gets its tag."""
    return DeskTabletOut(**desk.prepare_by_scan(work, actor, town_id, body.request_id, body.serial, body.tag))


@router.post("/towns/{town_id}/handovers")
def hand_over_tablet(town_id: UUID, body: HandoverIn, work: WorkDep, actor: ActorDep) -> dict[str, Any]:
    """Hand a tablet over to a pupil, one call per pupil.

    Refused without a signed agreement, unless the tablet stays at school.
    """
    form = HandoverForm(
        body.condition, tuple(body.accessories), body.signed_by, body.signed_on, stays_at_school=body.stays_at_school
    )
    return desk.hand_over_by_scan(work, actor, town_id, body.request_id, body.scan, body.pupil_id, form)


@router.post("/towns/{town_id}/swaps")
def swap_tablets(town_id: UUID, body: SwapIn, work: WorkDep, actor: ActorDep) -> dict[str, Any]:
    """Swap the tablets of two pupils who have exchanged them.

    Both are scanned, and the loans follow.
    """
    return desk.swap_by_scan(work, actor, town_id, body.request_id, body.first, body.second)


@router.post("/tablets/{tablet_id}/confirm-swap")
def confirm_swap(tablet_id: UUID, work: WorkDep, actor: ActorDep) -> LoanOut:
    """Confirm that a technician has seen who holds the tablet after a swap."""
    return build_loan_out(custody.confirm_swap(work, actor, lookup.get_tablet_for_update(work, actor, tablet_id)))


@router.post("/tablets/{tablet_id}/agreement")
def record_agreement(tablet_id: UUID, body: AgreementIn, work: WorkDep, actor: ActorDep) -> LoanOut:
    """Record the family's answer to the loan agreement."""
    tablet = lookup.get_tablet_for_update(work, actor, tablet_id)
    return build_loan_out(custody.record_agreement(work, actor, tablet, body.answer, body.signed_by, body.signed_on))


@router.put("/tablets/{tablet_id}/pupil/{pupil_id}")
def assign_tablet(tablet_id: UUID, pupil_id: UUID, work: WorkDep, actor: ActorDep) -> LoanOut:
    """Assign a tablet to a pupil before the handover."""
    return build_loan_out(custody.assign_tablet(work, actor, lookup.get_tablet_for_update(work, actor, tablet_id), pupil_id))


@router.put("/tablets/{tablet_id}/staff/{staff_id}")
def assign_tablet_to_staff(tablet_id: UUID, staff_id: UUID, work: WorkDep, actor: ActorDep) -> LoanOut:
    """Assign a tablet to a member of staff before the handover."""
    tablet = lookup.get_tablet_for_update(work, actor, tablet_id)
    return build_loan_out(staff_loans.assign_to_staff(work, actor, tablet, staff_id))


@router.post("/tablets/{tablet_id}/staff/{staff_id}/handover")
def hand_over_to_staff(tablet_id: UUID, staff_id: UUID, body: StaffHandoverIn, work: WorkDep, actor: ActorDep) -> LoanOut:
    """Hand a tablet over to a member of staff, who signs the agreement or leaves it at school."""
    tablet = lookup.get_tablet_for_update(work, actor, tablet_id)
    form = HandoverForm(body.condition, tuple(body.accessories), body.signed_by, body.signed_on, body.stays_at_school)
    return build_loan_out(staff_loans.hand_over_to_staff(work, actor, tablet, staff_id, form))


@router.post("/tablets/{tablet_id}/return")
def return_tablet(tablet_id: UUID, body: ReturnIn, work: WorkDep, actor: ActorDep) -> dict[str, Any]:
    """Take a tablet back from its pupil.

    The loan ends, and the tablet is in quarantine until it is wiped.
    """
    return desk.take_back(work, actor, tablet_id, body.request_id, body.condition, tuple(body.accessories))


@router.post("/tablets/{tablet_id}/lost-accessories")
def report_lost_accessory(tablet_id: UUID, body: LostAccessoryIn, work: WorkDep, actor: ActorDep) -> LoanOut:
    """Report that an accessory of a tablet is lost."""
    return build_loan_out(
        custody.record_accessory_loss(work, actor, lookup.get_tablet_for_update(work, actor, tablet_id), body.kind)
    )


@router.post("/tablets/{tablet_id}/move")
def move_tablet(tablet_id: UUID, body: MoveIn, work: WorkDep, actor: ActorDep) -> DeskTabletOut:
    """Move a tablet that nobody holds to stock, to storage or back to preparation."""
    return build_desk_tablet_out(
        inventory.set_inventory_state(work, actor, lookup.get_tablet_for_update(work, actor, tablet_id), body.state, body.reason)
    )


def build_desk_tablet_out(row: Tablet) -> DeskTabletOut:
    """Return a tablet for the API of custody."""
    return DeskTabletOut(tablet_id=row.id, tag=row.tag, serial=row.serial, state=row.state)


def build_loan_out(row: Loan) -> LoanOut:
    """Return a loan for the API, without names."""
    return LoanOut(**{name: getattr(row, name) for name in LoanOut.model_fields})
