"""Custody: orders, the bench, loans and agreements, handover, swaps, returns, mishaps, and acts of two people."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from enrollment.tablets import custody, desk, incidents, pairs
from enrollment.tablets.custody import Handing
from enrollment.tablets.incidents import Account
from enrollment.tablets.models import (
    AccessoryKind,
    Agreement,
    Cause,
    Condition,
    Incident,
    IncidentKind,
    Loan,
    PairAct,
    PairRequest,
    Reporter,
    Tablet,
    TabletState,
)
from mdm.api.deps import ActorDep, WorkDep
from mdm.care import custody as acts
from mdm.care import finding

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
    serials: list[str] = Field(min_length=1, max_length=custody.LONGEST_ORDER)


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


class BreakageIn(BaseModel):
    """What the family or the teacher tells."""

    account: str = Field(min_length=3, max_length=1000)
    cause: Cause
    intentional: bool | None = None
    insured_on: date | None = None
    reporter: Reporter | None = None
    place: str | None = Field(None, max_length=120)
    happened_on: date | None = None


class FoundIn(BaseModel):
    """A missing tablet in hand: what was scanned, and how it looks."""

    scan: Scan
    condition: Condition


class LoanerIn(BaseModel):
    """The tablet that stands in."""

    scan: Scan


class TheftIn(BaseModel):
    """The receipt of the police report; never what it says."""

    receipt_number: str = Field(min_length=1, max_length=40)
    receipt_on: date


class SettleIn(BaseModel):
    """Who keeps what when a repair is over."""

    keep_loaner: bool = False


class PairIn(BaseModel):
    """An act that another person must approve."""

    act: PairAct
    reason: str = Field(min_length=3, max_length=300)


class ApproveIn(BaseModel):
    """`decision`: why a loss is written off before sixty days."""

    decision: str | None = Field(None, min_length=3, max_length=300)


class WhyIn(BaseModel):
    """Why."""

    why: Why


class DisposeIn(BaseModel):
    """The papers of the end."""

    wipe_proof: str = Field(min_length=1, max_length=120)
    waste_slip: str = Field(min_length=1, max_length=120)


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


class IncidentOut(BaseModel):
    """One incident."""

    id: UUID
    tablet_id: UUID
    kind: IncidentKind
    reporter: Reporter | None
    happened_on: date | None
    cause: Cause | None
    intentional: bool | None
    reported_at: datetime
    receipt_number: str | None
    receipt_on: date | None
    insured_on: date | None
    loaner_id: UUID | None
    closed_at: datetime | None


class PairOut(BaseModel):
    """A request that waits for a second person, or has been approved."""

    id: UUID
    tablet_id: UUID
    act: PairAct
    asked_at: datetime
    approved_at: datetime | None


class CustodyOut(BaseModel):
    """Who held a tablet, and what happened to it, newest first."""

    loans: list[LoanOut]
    incidents: list[IncidentOut]


@router.post("/towns/{town_id}/tablet-orders", status_code=201, operation_id="order_tablets")
def order(town_id: UUID, body: OrderIn, work: WorkDep, actor: ActorDep) -> list[DeskTablet]:
    """Enter the serial numbers of an order; the bench then receives these and no others."""
    return [_tablet(row) for row in custody.order(work, actor, town_id, body.serials, body.reference)]


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
    return _loan(custody.confirm_swap(work, actor, custody.held(work, actor, tablet_id)))


@router.post("/tablets/{tablet_id}/agreement", operation_id="note_agreement")
def agreement(tablet_id: UUID, body: AgreementIn, work: WorkDep, actor: ActorDep) -> LoanOut:
    """Note the family's answer to the loan agreement."""
    tablet = custody.held(work, actor, tablet_id)
    return _loan(custody.agree(work, actor, tablet, body.answer, body.signed_by, body.signed_on))


@router.put("/tablets/{tablet_id}/pupil/{pupil_id}", operation_id="assign_tablet")
def assign(tablet_id: UUID, pupil_id: UUID, work: WorkDep, actor: ActorDep) -> LoanOut:
    """Draft the loan before the handover."""
    return _loan(custody.assign(work, actor, custody.held(work, actor, tablet_id), pupil_id))


@router.post("/tablets/{tablet_id}/return", operation_id="return_tablet")
def give_back(tablet_id: UUID, body: ReturnIn, work: WorkDep, actor: ActorDep) -> dict[str, Any]:
    """The pupil gives it back: checklist, end of the loan, quarantine until it is wiped."""
    return desk.take_back(work, actor, tablet_id, body.request_id, body.condition, tuple(body.accessories))


@router.post("/tablets/{tablet_id}/accessory-loss", operation_id="lose_accessory")
def accessory(tablet_id: UUID, body: AccessoryIn, work: WorkDep, actor: ActorDep) -> LoanOut:
    """An accessory is lost, the tablet is not."""
    return _loan(custody.lose_accessory(work, actor, custody.held(work, actor, tablet_id), body.kind))


@router.post("/tablets/{tablet_id}/move", operation_id="move_tablet")
def move(tablet_id: UUID, body: MoveIn, work: WorkDep, actor: ActorDep) -> DeskTablet:
    """Put a tablet that nobody holds into stock, storage, or back to the bench."""
    return _tablet(custody.move(work, actor, custody.held(work, actor, tablet_id), body.state, body.why))


@router.post("/tablets/{tablet_id}/breakage", status_code=201, operation_id="report_breakage")
def breakage(tablet_id: UUID, body: BreakageIn, work: WorkDep, actor: ActorDep) -> IncidentOut:
    """Report a breakage. The loan stays open."""
    account = Account(body.account, **body.model_dump(exclude={"account"}))
    return _incident(acts.report_breakage(work, actor, tablet_id, account))


@router.post("/tablets/{tablet_id}/loaner", operation_id="lend_loaner")
def loaner(tablet_id: UUID, body: LoanerIn, work: WorkDep, actor: ActorDep) -> IncidentOut:
    """Give the pupil of a broken tablet a loaner, with the same rules and apps."""
    broken = custody.held(work, actor, tablet_id)
    return _incident(incidents.lend_loaner(work, actor, broken, custody.scanned(work, actor, broken.town_id, body.scan)))


@router.post("/tablets/{tablet_id}/repair", operation_id="send_to_repair")
def repair(tablet_id: UUID, body: WhyIn, work: WorkDep, actor: ActorDep) -> DeskTablet:
    """The repair service has picked it up."""
    return _tablet(incidents.send_to_repair(work, actor, custody.held(work, actor, tablet_id), body.why))


@router.post("/tablets/{tablet_id}/repaired", operation_id="repaired")
def repaired(tablet_id: UUID, body: WhyIn, work: WorkDep, actor: ActorDep) -> DeskTablet:
    """It has come back; `why` names the tests it passed."""
    return _tablet(incidents.repaired(work, actor, custody.held(work, actor, tablet_id), body.why))


@router.post("/tablets/{tablet_id}/settle", operation_id="settle_breakage")
def settle(tablet_id: UUID, body: SettleIn, work: WorkDep, actor: ActorDep) -> IncidentOut:
    """End a breakage: the own tablet comes back, or the loaner stays."""
    return _incident(incidents.settle(work, actor, custody.held(work, actor, tablet_id), keep_loaner=body.keep_loaner))


@router.post("/tablets/{tablet_id}/theft", operation_id="report_theft")
def theft(tablet_id: UUID, body: TheftIn, work: WorkDep, actor: ActorDep) -> IncidentOut:
    """A lost tablet is stolen: the police report was made."""
    return _incident(acts.report_theft(work, actor, tablet_id, body.receipt_number, body.receipt_on))


@router.post("/towns/{town_id}/found", operation_id="found_tablet")
def found(town_id: UUID, body: FoundIn, work: WorkDep, actor: ActorDep) -> DeskTablet:
    """A missing tablet is held in hand again: lost mode is lifted, its identity renewed, what it has asked anew."""
    return _tablet(finding.found(work, actor, town_id, body.scan, body.condition))


@router.get("/towns/{town_id}/incidents", operation_id="list_incidents")
def listed(
    town_id: UUID,
    work: WorkDep,
    actor: ActorDep,
    kind: IncidentKind | None = None,
    is_open: bool | None = Query(None, alias="open"),
    after: Annotated[UUID | None, Query(description="The last incident of the page before.")] = None,
    limit: int = Query(50, ge=1, le=200),
) -> list[IncidentOut]:
    """Incidents of a town in the caller's reach, newest first."""
    return [_incident(row) for row in desk.incidents_of(work, actor, town_id, kind, is_open=is_open, after=after, limit=limit)]


@router.post("/tablets/{tablet_id}/retire", operation_id="retire_tablet")
def retire(tablet_id: UUID, body: WhyIn, work: WorkDep, actor: ActorDep) -> DeskTablet:
    """Take a tablet out of the programme."""
    return _tablet(custody.retire(work, actor, custody.held(work, actor, tablet_id), body.why))


@router.post("/tablets/{tablet_id}/wiped", operation_id="state_wiped")
def wiped(tablet_id: UUID, body: WhyIn, work: WorkDep, actor: ActorDep) -> DeskTablet:
    """A tablet that could not be told was erased by hand; `why` says how. Others say so themselves."""
    return _tablet(custody.state_wiped(work, actor, custody.held(work, actor, tablet_id), body.why))


@router.post("/tablets/{tablet_id}/dispose", operation_id="dispose_tablet")
def dispose(tablet_id: UUID, body: DisposeIn, work: WorkDep, actor: ActorDep) -> DeskTablet:
    """A retired tablet is gone, with the proof of its wipe and the waste slip."""
    return _tablet(acts.dispose(work, actor, tablet_id, wipe_proof=body.wipe_proof, waste_slip=body.waste_slip))


@router.post("/tablets/{tablet_id}/pair-requests", status_code=201, operation_id="ask_pair")
def ask(tablet_id: UUID, body: PairIn, work: WorkDep, actor: ActorDep) -> PairOut:
    """Ask for an evidence hold, its release, or the writing off of a loss; another person approves."""
    return _pair(acts.ask_pair(work, actor, tablet_id, body.act, body.reason))


@router.post("/pair-requests/{request_id}/approve", operation_id="approve_pair")
def approve(request_id: UUID, body: ApproveIn, work: WorkDep, actor: ActorDep) -> PairOut:
    """Carry out what another person asked for."""
    return _pair(pairs.approve(work, actor, request_id, decision=body.decision))


@router.get("/tablets/{tablet_id}/custody", operation_id="get_custody")
def history(tablet_id: UUID, work: WorkDep, actor: ActorDep) -> CustodyOut:
    """Who held a tablet and what happened to it."""
    loans, happened = desk.history(work, actor, tablet_id)
    return CustodyOut(loans=[_loan(row) for row in loans], incidents=[_incident(row) for row in happened])


def _tablet(row: Tablet) -> DeskTablet:
    return DeskTablet(tablet_id=row.id, tag=row.tag, serial=row.serial, state=row.state)


def _loan(row: Loan) -> LoanOut:
    return LoanOut(**{name: getattr(row, name) for name in LoanOut.model_fields})


def _incident(row: Incident) -> IncidentOut:
    return IncidentOut(**{name: getattr(row, name) for name in IncidentOut.model_fields})


def _pair(row: PairRequest) -> PairOut:
    return PairOut(**{name: getattr(row, name) for name in PairOut.model_fields})
