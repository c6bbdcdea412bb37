"""Loans of tablets to teachers and other adults: assign, hand over; and who left and still has one. Never commits.

Agreement, accessories, return, loss and repair are those of every loan (`custody`, `incidents`). See docs/domain/custody.md#staff.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from cartable.errors import NotFound
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.people.models import StaffMember
from enrollment.people.staff import find_workplace, require_staff_member
from enrollment.tablets import custody, service
from enrollment.tablets.custody import HandoverForm
from enrollment.tablets.errors import TabletNotAvailable, UnderEvidenceHold
from enrollment.tablets.loan_repository import LoanRepository
from enrollment.tablets.models import Loan, Tablet, TabletState
from enrollment.tablets.rules import LENDABLE


def assign_to_staff(work: UnitOfWork, actor: Actor, tablet: Tablet, staff_id: UUID) -> Loan:
    """Open the loan before the handover and return it: the tablet gets the rules and apps of staff.

    Raises `NotFound`, `Forbidden`, `TabletNotAvailable`, `StaffMemberHasTablet`, `UnderEvidenceHold`, `TabletNotWiped`.
    """
    member = require_staff_member(work, actor, staff_id, Permission.HANDLE)
    if member.town_id != tablet.town_id:
        raise NotFound(field="staff_id")
    loan = LoanRepository(work.session).get_open_loan_by_tablet(tablet.id)
    if loan is not None and loan.staff_id == member.id:
        return loan
    if tablet.evidence_hold:
        raise UnderEvidenceHold
    if (loan is not None and tablet.state is not TabletState.ASSIGNED) or tablet.state not in LENDABLE:
        raise TabletNotAvailable(state=tablet.state.value)
    custody.check_wiped(work, tablet, member.id)
    loan = service.open_staff_loan(work, actor, tablet, member, find_workplace(work, member))
    service.change_state(work, actor, tablet, TabletState.ASSIGNED, "assigned to a member of staff")
    return loan


def hand_over_to_staff(work: UnitOfWork, actor: Actor, tablet: Tablet, staff_id: UUID, form: HandoverForm) -> Loan:
    """Record the handover to a member of staff and return the loan; one that was handed over before is returned unchanged.

    Raises `AgreementMissing` unless the person signs the agreement or the tablet stays at school, and what `assign_to_staff` raises.
    """
    loan = assign_to_staff(work, actor, tablet, staff_id)
    return custody.complete_handover(work, actor, tablet, loan, form, is_agreement_needed=not form.stays_at_school)


def list_tablets_of_staff(work: UnitOfWork, members: Sequence[StaffMember]) -> dict[UUID, Tablet]:
    """Return the tablet of each member of staff who has one."""
    return LoanRepository(work.session).get_tablets_by_staff([member.id for member in members])
