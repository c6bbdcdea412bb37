"""Verbs of loans: assign, agree, hand over, swap, take back (schools.md section 8). Never commits.

What nobody holds is in `preparing`, mishaps are in `incidents`, acts that need two people in `pairs`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from cartable import audit
from cartable.errors import Invalid, NotFound
from cartable.outbox import Topic
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.people.models import Pupil, PupilState
from enrollment.tablets import service
from enrollment.tablets.errors import (
    AgreementMissing,
    NoLoan,
    NotFree,
    NotWiped,
    OnHold,
)
from enrollment.tablets.models import AccessoryKind, Agreement, Condition, Loan, LoanAccessory, Tablet
from enrollment.tablets.models import TabletState as S
from enrollment.tablets.repository import TabletRepository
from enrollment.tablets.rules import FREE, IN_HAND


@dataclass(frozen=True, slots=True)
class Handing:
    """What is said at the table. `signed_by`: who signed the agreement there, as written on it. `stays`: the family does not
    want the tablet at home, it stays at school.
    """

    condition: Condition = Condition.GOOD
    accessories: Collection[AccessoryKind] = ()
    signed_by: str | None = None
    signed_on: date | None = None
    stays: bool = False


def assign(work: UnitOfWork, actor: Actor, tablet: Tablet, pupil_id: UUID) -> Loan:
    """Draft the loan: the tablet is the pupil's, and gets the level's apps, but is not in their hands yet.

    Raises `NotFree`, `PupilHasTablet`, `OnHold`, `NotWiped`, `NotFound`.
    """
    pupil = _pupil(work, actor, tablet, pupil_id)
    repository = TabletRepository(work.session)
    loan = repository.open_loan_of_tablet(tablet.id)
    if loan is not None and loan.pupil_id == pupil.id:
        return loan
    if tablet.evidence_hold:
        raise OnHold
    if (loan is not None and tablet.state is not S.ASSIGNED) or tablet.state not in FREE:
        raise NotFree(state=tablet.state.value)
    check_wiped(work, tablet, pupil.id)
    loan = service.lend(work, actor, tablet, pupil)
    service.change_state(work, actor, tablet, S.ASSIGNED, "assigned to a pupil")
    return loan


def check_wiped(work: UnitOfWork, tablet: Tablet, pupil_id: UUID | None) -> None:
    """No child is given what another one made (PRIV-20): only the one who had the tablet last may have it back as it is.

    Raises `NotWiped`.
    """
    if tablet.to_wipe and (pupil_id is None or TabletRepository(work.session).last_holder(tablet.id) != pupil_id):
        raise NotWiped


def _pupil(work: UnitOfWork, actor: Actor, tablet: Tablet, pupil_id: UUID) -> Pupil:
    pupil = work.session.get(Pupil, pupil_id)
    if pupil is None or pupil.town_id != tablet.town_id or pupil.state is PupilState.ERASED:
        raise NotFound(field="pupil_id")
    actor.require_permission(Permission.HANDLE, pupil.town_id, pupil.school_id)
    return pupil


def agree(work: UnitOfWork, actor: Actor, tablet: Tablet, agreement: Agreement, signed_by: str | None, on: date | None) -> Loan:
    """Note the family's answer to the loan agreement. Refused: the tablet stays at school. Raises `NoLoan`, `Invalid`."""
    loan = _loan(work, tablet)
    if agreement is Agreement.SIGNED and not (signed_by and on):
        raise Invalid(field="signed_by")
    audit.record_event(work, actor, "loan.agreement", "tablet", tablet.id, town_id=tablet.town_id, answer=agreement.value)
    loan.agreement, loan.signed_by, loan.agreed_on = agreement, signed_by, on
    if agreement is Agreement.REFUSED:
        work.session.get_one(Pupil, loan.pupil_id).take_home = False
    return loan


def hand_over(work: UnitOfWork, actor: Actor, tablet: Tablet, pupil_id: UUID, said: Handing) -> Loan:
    """Put the tablet into the pupil's hands. Without a signed agreement only where the tablet stays at school.

    Raises `AgreementMissing`, and what `assign` raises. Handed over already: nothing changes.
    """
    loan = assign(work, actor, tablet, pupil_id)
    by_invitation = loan.condition_out is None and loan.agreement is Agreement.WANTED  # in hand, but never at the table
    if loan.handed_over_at is not None and not by_invitation:
        return loan
    if said.stays:
        agree(work, actor, tablet, Agreement.REFUSED, None, None)
    elif said.signed_by is not None:
        agree(work, actor, tablet, Agreement.SIGNED, said.signed_by, said.signed_on or work.now.date())
    if loan.agreement is not Agreement.SIGNED and work.session.get_one(Pupil, pupil_id).take_home:
        raise AgreementMissing
    service.change_state(work, actor, tablet, S.HANDED_OVER, "handed over")
    loan.handed_over_at, loan.condition_out, tablet.to_wipe = work.now, said.condition, True
    for kind in sorted(set(said.accessories)):
        work.session.add(LoanAccessory(town_id=loan.town_id, loan_id=loan.id, kind=kind, given_at=work.now))
    work.session.flush()
    return loan


def take_back(work: UnitOfWork, actor: Actor, tablet: Tablet, condition: Condition, back: Collection[AccessoryKind]) -> Loan:
    """The pupil gives the tablet back: checklist, end of the loan, quarantine until it is wiped. What of the accessories
    did not come back is noted as lost. Raises `NoLoan`, `OnHold`, `WrongState`.
    """
    if tablet.evidence_hold:
        raise OnHold
    loan = _loan(work, tablet)
    service.change_state(work, actor, tablet, S.RETURNED, "given back")
    loan.condition_in = condition
    for line in TabletRepository(work.session).accessories(loan.id):
        if line.lost_at is None and line.returned_at is None:
            if line.kind in back:
                line.returned_at = work.now
            else:
                line.lost_at = work.now
    close(work, actor, loan, "given back")
    return loan


def lose_accessory(work: UnitOfWork, actor: Actor, tablet: Tablet, kind: AccessoryKind) -> Loan:
    """An accessory is lost; the tablet is not. Raises `NoLoan`, `NotFound`."""
    loan = _loan(work, tablet)
    line = next((line for line in TabletRepository(work.session).accessories(loan.id) if line.kind is kind), None)
    if line is None:
        raise NotFound(field="kind")
    audit.record_event(work, actor, "loan.accessory_lost", "tablet", tablet.id, town_id=tablet.town_id, kind=kind.value)
    line.lost_at = line.lost_at or work.now
    return loan


def swap(work: UnitOfWork, actor: Actor, first: Tablet, second: Tablet, *, to_confirm: bool) -> tuple[Loan, Loan]:
    """Two children have exchanged their tablets, and keep them: the loans follow, the accessories stay with the children.

    Licences belong to tablets and do not move. One event for the pair. Raises `NoLoan`, `NotFree`, `OnHold`, `Invalid`.
    """
    if first.id == second.id or first.town_id != second.town_id:
        raise Invalid(field="second")
    for tablet in (first, second):
        if tablet.evidence_hold:
            raise OnHold
        if tablet.state not in IN_HAND | {S.ASSIGNED}:
            raise NotFree(state=tablet.state.value)
    one, other = _loan(work, first), _loan(work, second)
    audit.record_event(
        work,
        actor,
        "loan.swap",
        "tablet",
        first.id,
        town_id=first.town_id,
        other=str(second.id),
        loans=[str(one.id), str(other.id)],
    )
    one.closed_at = other.closed_at = work.now
    work.session.flush()
    made = _again(work, one, second, to_confirm=to_confirm), _again(work, other, first, to_confirm=to_confirm)
    first.school_id, second.school_id = second.school_id, first.school_id
    first.state, second.state = second.state, first.state
    work.session.flush()
    work.enqueue_job(Topic.DECIDE, first.id, second.id)
    return made


def _again(work: UnitOfWork, loan: Loan, tablet: Tablet, *, to_confirm: bool = False) -> Loan:
    """The same loan, of another tablet: agreement and accessories stay with the child."""
    made = Loan(
        town_id=loan.town_id, tablet_id=tablet.id, pupil_id=loan.pupil_id, opened_at=work.now, agreement=loan.agreement,
        agreed_on=loan.agreed_on, signed_by=loan.signed_by, handed_over_at=work.now, to_confirm=to_confirm,
    )  # fmt: skip
    work.session.add(made)
    tablet.to_wipe = True
    work.session.flush()
    TabletRepository(work.session).move_accessories(loan.id, made.id)
    return made


def transfer(work: UnitOfWork, actor: Actor, loan: Loan, tablet: Tablet) -> Loan:
    """Let a pupil's loan go on with another tablet: the pupil keeps one. Raises nothing; the caller has checked both."""
    pupil, former_id = work.session.get_one(Pupil, loan.pupil_id), loan.tablet_id
    audit.record_event(work, actor, "loan.transfer", "tablet", tablet.id, town_id=tablet.town_id, former=str(former_id))
    loan.closed_at = work.now
    work.session.flush()
    made = _again(work, loan, tablet)
    tablet.school_id, tablet.class_id = pupil.school_id, None
    TabletRepository(work.session).leave_slot(tablet.id)
    work.session.flush()
    work.enqueue_job(Topic.DECIDE, former_id, tablet.id)
    return made


def confirm_swap(work: UnitOfWork, actor: Actor, tablet: Tablet) -> Loan:
    """A technician has seen who holds what. Raises `NoLoan`."""
    loan = _loan(work, tablet)
    if loan.to_confirm:
        audit.record_event(work, actor, "loan.confirm", "tablet", tablet.id, town_id=tablet.town_id)
        loan.to_confirm = False
    return loan


def close(work: UnitOfWork, actor: Actor, loan: Loan, why: str) -> None:
    """End a loan; the tablet's policy is decided again, its licences with it."""
    audit.record_event(work, actor, "loan.close", "tablet", loan.tablet_id, town_id=loan.town_id, why=why)
    loan.closed_at = work.now
    work.session.flush()
    work.enqueue_job(Topic.DECIDE, loan.tablet_id)


def _loan(work: UnitOfWork, tablet: Tablet) -> Loan:
    loan = TabletRepository(work.session).open_loan_of_tablet(tablet.id)
    if loan is None:
        raise NoLoan
    return loan
