"""Verbs of custody: order, bench, loan, handover, swap, return, storage, the end (schools.md section 8). Never commits.

Mishaps (breakage, theft) are in `incidents`, acts that need two people in `pairs`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from enrollment.people.models import Pupil, PupilState
from enrollment.places.models import Town
from enrollment.tablets import service
from enrollment.tablets.errors import (
    AgreementMissing,
    NoLoan,
    NotFree,
    NotOrdered,
    NotWiped,
    OnHold,
    OtherTown,
    PupilHasTablet,
    SerialKnown,
    TagTaken,
    UnknownScan,
)
from enrollment.tablets.models import AccessoryKind, Agreement, Condition, Loan, LoanAccessory, Tablet
from enrollment.tablets.models import TabletState as S
from enrollment.tablets.repository import TabletRepository
from enrollment.tablets.rules import FREE, IN_HAND, is_serial, is_tag, next_tag, read_scan
from mdm.kit import audit
from mdm.kit.errors import Invalid, NotFound, Refusal
from mdm.kit.outbox import Topic
from mdm.kit.scope import Actor, Permission
from mdm.kit.work import Work

LONGEST_ORDER = 5000


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


def held(work: Work, actor: Actor, tablet_id: UUID) -> Tablet:
    """The tablet as it is now, for one who handles tablets there; other acts on the town's tablets wait."""
    tablet = service.get(work, actor, tablet_id)
    actor.require(Permission.HANDLE, tablet.town_id, tablet.school_id)
    return service.hold(work, tablet)


def scanned(work: Work, actor: Actor, town_id: UUID, text: str) -> Tablet:
    """The tablet whose label or back was scanned. Raises `UnknownScan`, `OtherTown`."""
    return held(work, actor, _found(work, actor, town_id, text, UnknownScan(field="scan")).id)


def _found(work: Work, actor: Actor, town_id: UUID, text: str, unknown: Refusal) -> Tablet:
    repository = TabletRepository(work.session)
    wanted = read_scan(text)
    tablet = repository.scanned(actor, town_id, wanted) if wanted else None
    if tablet is not None:
        return tablet
    if wanted and (town := repository.town_of_scanned(actor, wanted)) is not None:
        raise OtherTown(town=town)
    raise unknown


def order(work: Work, actor: Actor, town_id: UUID, serials: Sequence[str], reference: str) -> list[Tablet]:
    """Enter the serial numbers of an order: only these are received at the bench. Raises `Invalid`, `SerialKnown`."""
    actor.require(Permission.HANDLE, town_id)
    wanted = [serial.strip().upper() for serial in serials]
    if not 1 <= len(wanted) <= LONGEST_ORDER or len(set(wanted)) != len(wanted) or not all(is_serial(s) for s in wanted):
        raise Invalid(field="serials", maximum=LONGEST_ORDER)
    if not reference.strip().isprintable() or not 1 <= len(reference.strip()) <= 60:
        raise Invalid(field="reference", maximum=60)
    reference = reference.strip()
    repository = TabletRepository(work.session)
    audit.record(work, actor, "tablet.order", "town", town_id, town_id=town_id, reference=reference, count=len(wanted))
    town = work.session.get_one(Town, town_id, with_for_update={"key_share": True})
    if repository.known_serials(wanted):
        raise SerialKnown(field="serials")
    tag = repository.highest_tag(town_id, town.tag_prefix + "-")
    made = []
    for serial in wanted:
        tag = next_tag(town.tag_prefix, tag)
        made.append(Tablet(town_id=town_id, serial=serial, tag=tag, state=S.ORDERED, created_at=work.now))
        made[-1].order_reference = reference
    work.session.add_all(made)
    work.session.flush()
    return made


def bench(work: Work, actor: Actor, town_id: UUID, serial: str, tag: str | None = None) -> Tablet:
    """One scan at the bench: the tablet of the order is unpacked, tagged and prepared. Again: nothing changes.

    Raises `NotOrdered`, `OtherTown`, `TagTaken`, `WrongState`, `Invalid` (what was scanned as a tag is none).
    """
    actor.require(Permission.HANDLE, town_id)
    tablet = held(work, actor, _found(work, actor, town_id, serial, NotOrdered(field="serial")).id)
    tag = read_scan(tag) if tag else tablet.tag
    if not is_tag(tag):
        raise Invalid(field="tag")
    other = TabletRepository(work.session).by_tag(town_id, tag)
    if other is not None and other.id != tablet.id:
        raise TagTaken(field="tag")
    if tag != tablet.tag:
        audit.record(work, actor, "tablet.tag", "tablet", tablet.id, town_id=town_id, before=tablet.tag, after=tag)
        tablet.tag = tag
    service.change_state(work, actor, tablet, S.PREPARED, "prepared at the bench")
    return tablet


def move(work: Work, actor: Actor, tablet: Tablet, after: S, why: str) -> Tablet:
    """Put a tablet that nobody holds where it belongs: stock, storage, received. Raises `WrongState`, `PupilHasTablet`."""
    if after not in (S.RECEIVED, S.STOCK, S.STORAGE, S.PREPARED):
        raise Invalid(field="state")
    if TabletRepository(work.session).open_loan_of_tablet(tablet.id) is not None:
        raise PupilHasTablet
    service.change_state(work, actor, tablet, after, why)
    return tablet


def assign(work: Work, actor: Actor, tablet: Tablet, pupil_id: UUID) -> Loan:
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


def check_wiped(work: Work, tablet: Tablet, pupil_id: UUID | None) -> None:
    """No child is given what another one made (PRIV-20): only the one who had the tablet last may have it back as it is.

    Raises `NotWiped`.
    """
    if tablet.to_wipe and (pupil_id is None or TabletRepository(work.session).last_holder(tablet.id) != pupil_id):
        raise NotWiped


def state_wiped(work: Work, actor: Actor, tablet: Tablet, proof: str) -> Tablet:
    """A technician has erased it by hand, for instance over a cable: `proof` says how. Raises `PupilHasTablet`."""
    if TabletRepository(work.session).open_loan_of_tablet(tablet.id) is not None:
        raise PupilHasTablet
    audit.record(work, actor, "tablet.wiped", "tablet", tablet.id, town_id=tablet.town_id, proof=proof)
    tablet.to_wipe = False
    return tablet


def _pupil(work: Work, actor: Actor, tablet: Tablet, pupil_id: UUID) -> Pupil:
    pupil = work.session.get(Pupil, pupil_id)
    if pupil is None or pupil.town_id != tablet.town_id or pupil.state is PupilState.ERASED:
        raise NotFound(field="pupil_id")
    actor.require(Permission.HANDLE, pupil.town_id, pupil.school_id)
    return pupil


def agree(work: Work, actor: Actor, tablet: Tablet, agreement: Agreement, signed_by: str | None, on: date | None) -> Loan:
    """Note the family's answer to the loan agreement. Refused: the tablet stays at school. Raises `NoLoan`, `Invalid`."""
    loan = _loan(work, tablet)
    if agreement is Agreement.SIGNED and not (signed_by and on):
        raise Invalid(field="signed_by")
    audit.record(work, actor, "loan.agreement", "tablet", tablet.id, town_id=tablet.town_id, answer=agreement.value)
    loan.agreement, loan.signed_by, loan.agreed_on = agreement, signed_by, on
    if agreement is Agreement.REFUSED:
        work.session.get_one(Pupil, loan.pupil_id).take_home = False
    return loan


def hand_over(work: Work, actor: Actor, tablet: Tablet, pupil_id: UUID, said: Handing) -> Loan:
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


def take_back(work: Work, actor: Actor, tablet: Tablet, condition: Condition, back: Collection[AccessoryKind]) -> Loan:
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


def lose_accessory(work: Work, actor: Actor, tablet: Tablet, kind: AccessoryKind) -> Loan:
    """An accessory is lost; the tablet is not. Raises `NoLoan`, `NotFound`."""
    loan = _loan(work, tablet)
    line = next((line for line in TabletRepository(work.session).accessories(loan.id) if line.kind is kind), None)
    if line is None:
        raise NotFound(field="kind")
    audit.record(work, actor, "loan.accessory_lost", "tablet", tablet.id, town_id=tablet.town_id, kind=kind.value)
    line.lost_at = line.lost_at or work.now
    return loan


def swap(work: Work, actor: Actor, first: Tablet, second: Tablet, *, to_confirm: bool) -> tuple[Loan, Loan]:
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
    audit.record(
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
    work.later(Topic.DECIDE, first.id, second.id)
    return made


def _again(work: Work, loan: Loan, tablet: Tablet, *, to_confirm: bool = False) -> Loan:
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


def transfer(work: Work, actor: Actor, loan: Loan, tablet: Tablet) -> Loan:
    """Let a pupil's loan go on with another tablet: the pupil keeps one. Raises nothing; the caller has checked both."""
    pupil, former_id = work.session.get_one(Pupil, loan.pupil_id), loan.tablet_id
    audit.record(work, actor, "loan.transfer", "tablet", tablet.id, town_id=tablet.town_id, former=str(former_id))
    loan.closed_at = work.now
    work.session.flush()
    made = _again(work, loan, tablet)
    tablet.school_id, tablet.class_id = pupil.school_id, None
    TabletRepository(work.session).leave_slot(tablet.id)
    work.session.flush()
    work.later(Topic.DECIDE, former_id, tablet.id)
    return made


def confirm_swap(work: Work, actor: Actor, tablet: Tablet) -> Loan:
    """A technician has seen who holds what. Raises `NoLoan`."""
    loan = _loan(work, tablet)
    if loan.to_confirm:
        audit.record(work, actor, "loan.confirm", "tablet", tablet.id, town_id=tablet.town_id)
        loan.to_confirm = False
    return loan


def close(work: Work, actor: Actor, loan: Loan, why: str) -> None:
    """End a loan; the tablet's policy is decided again, its licences with it."""
    audit.record(work, actor, "loan.close", "tablet", loan.tablet_id, town_id=loan.town_id, why=why)
    loan.closed_at = work.now
    work.session.flush()
    work.later(Topic.DECIDE, loan.tablet_id)


def retire(work: Work, actor: Actor, tablet: Tablet, why: str) -> Tablet:
    """Take a tablet out of the programme. Raises `OnHold`, `PupilHasTablet`, `WrongState`."""
    _not_held(work, tablet)
    service.change_state(work, actor, tablet, S.RETIRED, why)
    return tablet


def dispose(work: Work, actor: Actor, tablet: Tablet, *, wipe_proof: str, waste_slip: str) -> Tablet:
    """The tablet is gone for good: with the proof of its wipe and the waste slip. Raises `OnHold`, `WrongState`, `Invalid`."""
    _not_held(work, tablet)
    if not wipe_proof.strip():
        raise Invalid(field="wipe_proof")
    audit.record(
        work, actor, "tablet.dispose", "tablet", tablet.id, town_id=tablet.town_id, wipe_proof=wipe_proof, waste_slip=waste_slip
    )
    service.change_state(work, actor, tablet, S.DISPOSED, "disposed of")
    return tablet


def _not_held(work: Work, tablet: Tablet) -> None:
    if tablet.evidence_hold:
        raise OnHold
    if TabletRepository(work.session).open_loan_of_tablet(tablet.id) is not None:
        raise PupilHasTablet


def _loan(work: Work, tablet: Tablet) -> Loan:
    loan = TabletRepository(work.session).open_loan_of_tablet(tablet.id)
    if loan is None:
        raise NoLoan
    return loan
