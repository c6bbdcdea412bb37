"""Loans of tablets to pupils: assign, record the agreement, hand over, swap, take back. Never commits.

Loans to adults begin in `staff_loans` and go on here. Tablets without a loan are in `inventory`, breakages and thefts in `incidents`, actions that two people decide in `approvals`.
See docs/domain/custody.md#loans.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from cartable import audit
from cartable.errors import Invalid, NotFound
from cartable.outbox import Topic
from cartable.references import require_in_town
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.people.models import Pupil, PupilState
from enrollment.tablets import service
from enrollment.tablets.errors import (
    AgreementMissing,
    NoOpenLoan,
    TabletNotAvailable,
    TabletNotWiped,
    UnderEvidenceHold,
)
from enrollment.tablets.loan_repository import LoanRepository
from enrollment.tablets.models import AccessoryKind, AgreementState, Condition, Loan, LoanAccessory, Tablet
from enrollment.tablets.models import TabletState as S
from enrollment.tablets.repository import TabletRepository
from enrollment.tablets.rules import IN_PUPIL_HANDS, LENDABLE


@dataclass(frozen=True, slots=True)
class HandoverForm:
    """What is filled in at a handover. `signed_by`: who signs the loan agreement there. `stays_at_school`: the family refuses it."""

    condition: Condition = Condition.GOOD
    accessories: Collection[AccessoryKind] = ()
    signed_by: str | None = None
    signed_on: date | None = None
    stays_at_school: bool = False


def assign_tablet(work: UnitOfWork, actor: Actor, tablet: Tablet, pupil_id: UUID) -> Loan:
    """Open the loan before the handover and return it: the tablet gets the pupil's policy and apps.

    Raises `TabletNotAvailable`, `PupilHasTablet`, `UnderEvidenceHold`, `TabletNotWiped`, `NotFound`.
    """
    pupil = _get_pupil(work, actor, tablet, pupil_id)
    loan = LoanRepository(work.session).get_open_loan_by_tablet(tablet.id)
    if loan is not None and loan.pupil_id == pupil.id:
        return loan
    if tablet.evidence_hold:
        raise UnderEvidenceHold
    if (loan is not None and tablet.state is not S.ASSIGNED) or tablet.state not in LENDABLE:
        raise TabletNotAvailable(state=tablet.state.value)
    check_wiped(work, tablet, pupil.id)
    loan = service.open_loan(work, actor, tablet, pupil)
    service.change_state(work, actor, tablet, S.ASSIGNED, "assigned to a pupil")
    return loan


def check_wiped(work: UnitOfWork, tablet: Tablet, holder_id: UUID | None) -> None:
    """Raise `TabletNotWiped` if the tablet holds data of a person other than `holder_id` (PRIV-20).

    The person who had the tablet last may get it back as it is. `holder_id` None: it goes to a class or a cart.
    """
    if tablet.needs_wipe and (holder_id is None or LoanRepository(work.session).get_last_holder_id(tablet.id) != holder_id):
        raise TabletNotWiped


def _get_pupil(work: UnitOfWork, actor: Actor, tablet: Tablet, pupil_id: UUID) -> Pupil:
    pupil = require_in_town(work, Pupil, pupil_id, tablet.town_id, field="pupil_id")
    if pupil.state is PupilState.ERASED:
        raise NotFound(field="pupil_id")
    actor.require_permission(Permission.HANDLE, pupil.town_id, pupil.school_id)
    return pupil


def record_agreement(
    work: UnitOfWork, actor: Actor, tablet: Tablet, agreement: AgreementState, signed_by: str | None, on: date | None
) -> Loan:
    """Store the family's answer to the loan agreement and return the loan. After a refusal the tablet stays at school.

    Raises `NoOpenLoan`, `Invalid`.
    """
    loan = _get_open_loan(work, tablet)
    if agreement is AgreementState.SIGNED and not (signed_by and on):
        raise Invalid(field="signed_by")
    audit.record_event(work, actor, "loan.agreement", "tablet", tablet.id, town_id=tablet.town_id, answer=agreement.value)
    loan.agreement, loan.signed_by, loan.agreed_on = agreement, signed_by, on
    if agreement is AgreementState.REFUSED and loan.pupil_id is not None:
        work.session.get_one(Pupil, loan.pupil_id).take_home = False
    return loan


def hand_over(work: UnitOfWork, actor: Actor, tablet: Tablet, pupil_id: UUID, form: HandoverForm) -> Loan:
    """Record the handover to the pupil and return the loan; a loan that was handed over before is returned unchanged.

    Raises `AgreementMissing` when the pupil takes the tablet home without a signed agreement, and what `assign_tablet` raises.
    """
    loan = assign_tablet(work, actor, tablet, pupil_id)
    takes_home = work.session.get_one(Pupil, pupil_id).take_home and not form.stays_at_school
    return complete_handover(work, actor, tablet, loan, form, is_agreement_needed=takes_home)


def complete_handover(
    work: UnitOfWork, actor: Actor, tablet: Tablet, loan: Loan, form: HandoverForm, *, is_agreement_needed: bool
) -> Loan:
    """Record the handover of an open loan and return it. Raises `AgreementMissing`."""
    # A tablet that joined by invitation is in the pupil's hands, but its handover was never recorded.
    by_invitation = loan.condition_out is None and loan.agreement is AgreementState.PENDING
    if loan.handed_over_at is not None and not by_invitation:
        return loan
    if form.stays_at_school:
        record_agreement(work, actor, tablet, AgreementState.REFUSED, None, None)
    elif form.signed_by is not None:
        record_agreement(work, actor, tablet, AgreementState.SIGNED, form.signed_by, form.signed_on or work.now.date())
    if is_agreement_needed and loan.agreement is not AgreementState.SIGNED:
        raise AgreementMissing
    service.change_state(work, actor, tablet, S.HANDED_OVER, "handed over")
    loan.handed_over_at, loan.condition_out, tablet.needs_wipe = work.now, form.condition, True
    for kind in sorted(set(form.accessories)):
        work.session.add(LoanAccessory(town_id=loan.town_id, loan_id=loan.id, kind=kind, given_at=work.now))
    work.session.flush()
    return loan


def take_back(work: UnitOfWork, actor: Actor, tablet: Tablet, condition: Condition, back: Collection[AccessoryKind]) -> Loan:
    """Record the return of a tablet, close its loan and return the loan. `back`: the accessories that came back; others are lost.

    Raises `NoOpenLoan`, `UnderEvidenceHold`, `TransitionNotAllowed`.
    """
    if tablet.evidence_hold:
        raise UnderEvidenceHold
    loan = _get_open_loan(work, tablet)
    service.change_state(work, actor, tablet, S.RETURNED, "given back")
    loan.condition_in = condition
    for accessory in LoanRepository(work.session).list_accessories(loan.id):
        if accessory.lost_at is None and accessory.returned_at is None:
            if accessory.kind in back:
                accessory.returned_at = work.now
            else:
                accessory.lost_at = work.now
    close_loan(work, actor, loan, "given back")
    return loan


def record_accessory_loss(work: UnitOfWork, actor: Actor, tablet: Tablet, kind: AccessoryKind) -> Loan:
    """Record the loss of one accessory and return the loan. Raises `NoOpenLoan`, `NotFound`."""
    loan = _get_open_loan(work, tablet)
    accessories = LoanRepository(work.session).list_accessories(loan.id)
    accessory = next((accessory for accessory in accessories if accessory.kind is kind), None)
    if accessory is None:
        raise NotFound(field="kind")
    audit.record_event(work, actor, "loan.accessory_lost", "tablet", tablet.id, town_id=tablet.town_id, kind=kind.value)
    accessory.lost_at = accessory.lost_at or work.now
    return loan


def swap_tablets(work: UnitOfWork, actor: Actor, first: Tablet, second: Tablet, *, needs_confirmation: bool) -> tuple[Loan, Loan]:
    """Exchange the tablets of two open loans and return the new loans. Accessories stay with the pupils, licences with the tablets.

    Writes one audit event for both. Raises `NoOpenLoan`, `TabletNotAvailable`, `UnderEvidenceHold`, `Invalid`.
    """
    if first.id == second.id or first.town_id != second.town_id:
        raise Invalid(field="second")
    for tablet in (first, second):
        if tablet.evidence_hold:
            raise UnderEvidenceHold
        if tablet.state not in IN_PUPIL_HANDS | {S.ASSIGNED}:
            raise TabletNotAvailable(state=tablet.state.value)
    first_loan, second_loan = _get_open_loan(work, first), _get_open_loan(work, second)
    audit.record_event(
        work,
        actor,
        "loan.swap",
        "tablet",
        first.id,
        town_id=first.town_id,
        other=str(second.id),
        loans=[str(first_loan.id), str(second_loan.id)],
    )
    first_loan.closed_at = second_loan.closed_at = work.now
    work.session.flush()
    continued = (
        _continue_loan(work, first_loan, second, needs_confirmation=needs_confirmation),
        _continue_loan(work, second_loan, first, needs_confirmation=needs_confirmation),
    )
    first.school_id, second.school_id = second.school_id, first.school_id
    first.state, second.state = second.state, first.state
    work.session.flush()
    work.enqueue_job(Topic.RECONCILE, first.id, second.id)
    return continued


def _continue_loan(work: UnitOfWork, loan: Loan, tablet: Tablet, *, needs_confirmation: bool = False) -> Loan:
    """Open a loan of another tablet with the agreement and the accessories of `loan`, and return it."""
    continued = Loan(
        town_id=loan.town_id, tablet_id=tablet.id, pupil_id=loan.pupil_id, staff_id=loan.staff_id, opened_at=work.now,
        agreement=loan.agreement,
        agreed_on=loan.agreed_on, signed_by=loan.signed_by, handed_over_at=work.now, needs_confirmation=needs_confirmation,
    )  # fmt: skip
    work.session.add(continued)
    tablet.needs_wipe = True
    work.session.flush()
    LoanRepository(work.session).move_accessories(loan.id, continued.id)
    return continued


def transfer_loan(work: UnitOfWork, actor: Actor, loan: Loan, tablet: Tablet) -> Loan:
    """Close a loan, open the same loan of another tablet and return it. The caller has checked both tablets."""
    former_id = loan.tablet_id
    pupil = work.session.get_one(Pupil, loan.pupil_id) if loan.pupil_id is not None else None
    school_id = pupil.school_id if pupil is not None else work.session.get_one(Tablet, former_id).school_id
    audit.record_event(work, actor, "loan.transfer", "tablet", tablet.id, town_id=tablet.town_id, former=str(former_id))
    loan.closed_at = work.now
    work.session.flush()
    continued = _continue_loan(work, loan, tablet)
    tablet.school_id, tablet.class_id = school_id, None
    TabletRepository(work.session).remove_from_slot(tablet.id)
    work.session.flush()
    work.enqueue_job(Topic.RECONCILE, former_id, tablet.id)
    return continued


def confirm_swap(work: UnitOfWork, actor: Actor, tablet: Tablet) -> Loan:
    """Record that a technician has checked a swap, and return the loan. Raises `NoOpenLoan`."""
    loan = _get_open_loan(work, tablet)
    if loan.needs_confirmation:
        audit.record_event(work, actor, "loan.confirm", "tablet", tablet.id, town_id=tablet.town_id)
        loan.needs_confirmation = False
    return loan


def close_loan(work: UnitOfWork, actor: Actor, loan: Loan, reason: str) -> None:
    """Close a loan and enqueue a reconcile job for its tablet, which also frees licences."""
    audit.record_event(work, actor, "loan.close", "tablet", loan.tablet_id, town_id=loan.town_id, why=reason)
    loan.closed_at = work.now
    work.session.flush()
    work.enqueue_job(Topic.RECONCILE, loan.tablet_id)


def _get_open_loan(work: UnitOfWork, tablet: Tablet) -> Loan:
    loan = LoanRepository(work.session).get_open_loan_by_tablet(tablet.id)
    if loan is None:
        raise NoOpenLoan
    return loan
