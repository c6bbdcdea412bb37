"""Tablets without a loan: purchase order, preparation, stock and storage, wipe by hand, retirement, disposal. Never commits.

See docs/domain/custody.md#preparation.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from cartable import audit
from cartable.errors import Invalid
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.places.models import Town
from enrollment.safeguards import budget
from enrollment.safeguards.models import IrreversibleAct
from enrollment.tablets import service
from enrollment.tablets.errors import (
    PupilHasTablet,
    SerialAlreadyExists,
    SerialNotOrdered,
    TagTaken,
    UnderEvidenceHold,
)
from enrollment.tablets.loan_repository import LoanRepository
from enrollment.tablets.lookup import find_by_scan, get_tablet_for_update
from enrollment.tablets.models import Tablet
from enrollment.tablets.models import TabletState as S
from enrollment.tablets.ports import Unenroll
from enrollment.tablets.repository import TabletRepository
from enrollment.tablets.rules import build_next_tag, is_serial, is_tag, parse_scan

MAX_ORDER_SIZE = 5000


def register_purchase_order(
    work: UnitOfWork, actor: Actor, town_id: UUID, serials: Sequence[str], reference: str, *, school_id: UUID | None = None
) -> list[Tablet]:
    """Add the tablets of a purchase order, of a school where it is known, and return them: only these can be prepared.

    Raises `Invalid`, `SerialAlreadyExists`.
    """
    actor.require_permission(Permission.HANDLE, town_id)
    ordered = [serial.strip().upper() for serial in serials]
    if not 1 <= len(ordered) <= MAX_ORDER_SIZE or len(set(ordered)) != len(ordered) or not all(is_serial(s) for s in ordered):
        raise Invalid(field="serials", maximum=MAX_ORDER_SIZE)
    if not reference.strip().isprintable() or not 1 <= len(reference.strip()) <= 60:
        raise Invalid(field="reference", maximum=60)
    reference = reference.strip()
    repository = TabletRepository(work.session)
    audit.record_event(work, actor, "tablet.order", "town", town_id, town_id=town_id, reference=reference, count=len(ordered))
    town = work.session.get_one(Town, town_id, with_for_update={"key_share": True})
    if repository.list_existing_serials(ordered):
        raise SerialAlreadyExists(field="serials")
    tag = repository.get_highest_tag(town_id, town.tag_prefix + "-")
    tablets = []
    for serial in ordered:
        tag = build_next_tag(town.tag_prefix, tag)
        tablets.append(
            Tablet(
                town_id=town_id,
                school_id=school_id,
                serial=serial,
                tag=tag,
                state=S.ORDERED,
                created_at=work.now,
                order_reference=reference,
            )
        )
    work.session.add_all(tablets)
    work.session.flush()
    return tablets


def prepare_tablet(work: UnitOfWork, actor: Actor, town_id: UUID, serial: str, tag: str | None = None) -> Tablet:
    """Set the tag of the scanned tablet of a purchase order, mark it as prepared and return it. Repeating it changes nothing.

    Raises `SerialNotOrdered`, `TabletOfAnotherTown`, `TagTaken`, `TransitionNotAllowed`, `Invalid` (not a tag).
    """
    actor.require_permission(Permission.HANDLE, town_id)
    tablet = get_tablet_for_update(work, actor, find_by_scan(work, actor, town_id, serial, SerialNotOrdered(field="serial")).id)
    tag = parse_scan(tag) if tag else tablet.tag
    if not is_tag(tag):
        raise Invalid(field="tag")
    tagged = TabletRepository(work.session).get_by_tag(town_id, tag)
    if tagged is not None and tagged.id != tablet.id:
        raise TagTaken(field="tag")
    if tag != tablet.tag:
        audit.record_event(work, actor, "tablet.tag", "tablet", tablet.id, town_id=town_id, before=tablet.tag, after=tag)
        tablet.tag = tag
    service.change_state(work, actor, tablet, S.PREPARED, "prepared at the bench")
    return tablet


def set_inventory_state(work: UnitOfWork, actor: Actor, tablet: Tablet, after: S, reason: str) -> Tablet:
    """Set a tablet without a loan to received, prepared, stock or storage, and return it.

    Raises `TransitionNotAllowed`, `PupilHasTablet`, `Invalid` (another state).
    """
    if after not in (S.RECEIVED, S.STOCK, S.STORAGE, S.PREPARED):
        raise Invalid(field="state")
    if LoanRepository(work.session).get_open_loan_by_tablet(tablet.id) is not None:
        raise PupilHasTablet
    service.change_state(work, actor, tablet, after, reason)
    return tablet


def record_manual_wipe(work: UnitOfWork, actor: Actor, tablet: Tablet, proof: str) -> Tablet:
    """Record that a technician has erased the tablet by hand; `proof`: how. Raises `PupilHasTablet`."""
    if LoanRepository(work.session).get_open_loan_by_tablet(tablet.id) is not None:
        raise PupilHasTablet
    audit.record_event(work, actor, "tablet.wiped", "tablet", tablet.id, town_id=tablet.town_id, proof=proof)
    tablet.needs_wipe = False
    return tablet


def retire_tablet(work: UnitOfWork, actor: Actor, tablet: Tablet, reason: str) -> Tablet:
    """Retire a tablet and return it.

    Raises `UnderEvidenceHold`, `PupilHasTablet`, `TransitionNotAllowed`, `BudgetUsedUp`, `DestructiveCommandsStopped`.
    """
    _check_not_in_use(work, tablet)
    if tablet.state is not S.RETIRED:
        budget.spend_budget(work, actor, tablet.town_id, IrreversibleAct.RETIRE)
    service.change_state(work, actor, tablet, S.RETIRED, reason)
    return tablet


def dispose_of_tablet(
    work: UnitOfWork, actor: Actor, tablet: Tablet, *, wipe_proof: str, waste_slip: str, unenroll: Unenroll
) -> Tablet:
    """Record the disposal of a retired tablet, with proof of the wipe and waste slip, and end its enrollments.

    Raises `UnderEvidenceHold`, `PupilHasTablet`, `TransitionNotAllowed`, `Invalid`, `ReauthenticationRequired`, `BudgetUsedUp`,
    `DestructiveCommandsStopped`.
    """
    actor.require_reauthentication()
    _check_not_in_use(work, tablet)
    if not wipe_proof.strip():
        raise Invalid(field="wipe_proof")
    if tablet.state is not S.DISPOSED:
        budget.spend_budget(work, actor, tablet.town_id, IrreversibleAct.DISPOSE)
    audit.record_event(
        work, actor, "tablet.dispose", "tablet", tablet.id, town_id=tablet.town_id, wipe_proof=wipe_proof, waste_slip=waste_slip
    )
    service.change_state(work, actor, tablet, S.DISPOSED, "disposed of")
    unenroll(work, tablet.id)
    return tablet


def _check_not_in_use(work: UnitOfWork, tablet: Tablet) -> None:
    if tablet.evidence_hold:
        raise UnderEvidenceHold
    if LoanRepository(work.session).get_open_loan_by_tablet(tablet.id) is not None:
        raise PupilHasTablet
