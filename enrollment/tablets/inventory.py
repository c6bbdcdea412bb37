"""Verbs of a tablet that nobody holds: order, bench, where it lies, proof that it is empty, the end (schools.md section 8). Never commits."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from cartable import audit
from cartable.errors import Invalid
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.places.models import Town
from enrollment.tablets import service
from enrollment.tablets.errors import (
    NotOrdered,
    OnHold,
    PupilHasTablet,
    SerialKnown,
    TagTaken,
)
from enrollment.tablets.lookup import found, held
from enrollment.tablets.models import Tablet
from enrollment.tablets.models import TabletState as S
from enrollment.tablets.repository import TabletRepository
from enrollment.tablets.rules import is_serial, is_tag, next_tag, read_scan

LONGEST_ORDER = 5000


def order(work: UnitOfWork, actor: Actor, town_id: UUID, serials: Sequence[str], reference: str) -> list[Tablet]:
    """Enter the serial numbers of an order: only these are received at the bench. Raises `Invalid`, `SerialKnown`."""
    actor.require_permission(Permission.HANDLE, town_id)
    wanted = [serial.strip().upper() for serial in serials]
    if not 1 <= len(wanted) <= LONGEST_ORDER or len(set(wanted)) != len(wanted) or not all(is_serial(s) for s in wanted):
        raise Invalid(field="serials", maximum=LONGEST_ORDER)
    if not reference.strip().isprintable() or not 1 <= len(reference.strip()) <= 60:
        raise Invalid(field="reference", maximum=60)
    reference = reference.strip()
    repository = TabletRepository(work.session)
    audit.record_event(work, actor, "tablet.order", "town", town_id, town_id=town_id, reference=reference, count=len(wanted))
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


def bench(work: UnitOfWork, actor: Actor, town_id: UUID, serial: str, tag: str | None = None) -> Tablet:
    """One scan at the bench: the tablet of the order is unpacked, tagged and prepared. Again: nothing changes.

    Raises `NotOrdered`, `OtherTown`, `TagTaken`, `WrongState`, `Invalid` (what was scanned as a tag is none).
    """
    actor.require_permission(Permission.HANDLE, town_id)
    tablet = held(work, actor, found(work, actor, town_id, serial, NotOrdered(field="serial")).id)
    tag = read_scan(tag) if tag else tablet.tag
    if not is_tag(tag):
        raise Invalid(field="tag")
    other = TabletRepository(work.session).by_tag(town_id, tag)
    if other is not None and other.id != tablet.id:
        raise TagTaken(field="tag")
    if tag != tablet.tag:
        audit.record_event(work, actor, "tablet.tag", "tablet", tablet.id, town_id=town_id, before=tablet.tag, after=tag)
        tablet.tag = tag
    service.change_state(work, actor, tablet, S.PREPARED, "prepared at the bench")
    return tablet


def move(work: UnitOfWork, actor: Actor, tablet: Tablet, after: S, why: str) -> Tablet:
    """Put a tablet that nobody holds where it belongs: stock, storage, received. Raises `WrongState`, `PupilHasTablet`."""
    if after not in (S.RECEIVED, S.STOCK, S.STORAGE, S.PREPARED):
        raise Invalid(field="state")
    if TabletRepository(work.session).open_loan_of_tablet(tablet.id) is not None:
        raise PupilHasTablet
    service.change_state(work, actor, tablet, after, why)
    return tablet


def state_wiped(work: UnitOfWork, actor: Actor, tablet: Tablet, proof: str) -> Tablet:
    """A technician has erased it by hand, for instance over a cable: `proof` says how. Raises `PupilHasTablet`."""
    if TabletRepository(work.session).open_loan_of_tablet(tablet.id) is not None:
        raise PupilHasTablet
    audit.record_event(work, actor, "tablet.wiped", "tablet", tablet.id, town_id=tablet.town_id, proof=proof)
    tablet.to_wipe = False
    return tablet


def retire(work: UnitOfWork, actor: Actor, tablet: Tablet, why: str) -> Tablet:
    """Take a tablet out of the programme. Raises `OnHold`, `PupilHasTablet`, `WrongState`."""
    _not_held(work, tablet)
    service.change_state(work, actor, tablet, S.RETIRED, why)
    return tablet


def dispose(work: UnitOfWork, actor: Actor, tablet: Tablet, *, wipe_proof: str, waste_slip: str) -> Tablet:
    """The tablet is gone for good: with the proof of its wipe and the waste slip. Raises `OnHold`, `WrongState`, `Invalid`."""
    _not_held(work, tablet)
    if not wipe_proof.strip():
        raise Invalid(field="wipe_proof")
    audit.record_event(
        work, actor, "tablet.dispose", "tablet", tablet.id, town_id=tablet.town_id, wipe_proof=wipe_proof, waste_slip=waste_slip
    )
    service.change_state(work, actor, tablet, S.DISPOSED, "disposed of")
    return tablet


def _not_held(work: UnitOfWork, tablet: Tablet) -> None:
    if tablet.evidence_hold:
        raise OnHold
    if TabletRepository(work.session).open_loan_of_tablet(tablet.id) is not None:
        raise PupilHasTablet
