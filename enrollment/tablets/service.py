"""Verbs of the inventory and of custody: find, update, change state, lend. Never commits."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from uuid import UUID

from cartable import audit, locks
from cartable.outbox import Topic
from cartable.scope import Actor
from cartable.unit_of_work import UnitOfWork
from enrollment.people.models import Pupil
from enrollment.places.models import Town
from enrollment.tablets.errors import PupilHasTablet, TabletNotFound, WrongState
from enrollment.tablets.models import Loan, Tablet, TabletState
from enrollment.tablets.repository import TabletRepository
from enrollment.tablets.rules import GONE, UNPACKED, may_become, next_tag, way


@dataclass(frozen=True, slots=True)
class TabletDetails:
    """What a tablet says of itself; None means it did not say."""

    product_name: str | None = None
    model_name: str | None = None
    os_version: str | None = None
    build_version: str | None = None
    supervised: bool | None = None
    battery_level: float | None = None


def get(work: UnitOfWork, actor: Actor, tablet_id: UUID) -> Tablet:
    """Return a tablet the actor may see. Raises `TabletNotFound`."""
    tablet = TabletRepository(work.session).visible(actor, tablet_id)
    if tablet is None:
        raise TabletNotFound
    return tablet


def hold(work: UnitOfWork, tablet: Tablet) -> Tablet:
    """The tablet as it is now; other acts on the town's tablets wait. Before anything else is locked: so nobody waits in a ring."""
    locks.lock_town(work, tablet.town_id)
    work.session.flush()  # to refresh forgets what this transaction has changed and not written yet
    work.session.refresh(tablet)
    return tablet


def find(work: UnitOfWork, actor: Actor, text: str, limit: int = 50) -> list[Tablet]:
    """Find tablets by a part of their tag or serial number, within the actor's reach."""
    return TabletRepository(work.session).matching(actor, text.strip()[:64], limit)


def register(work: UnitOfWork, *, town_id: UUID, school_id: UUID | None, serial: str, details: TabletDetails) -> Tablet:
    """Enter a new tablet into the inventory, with the town's next tag. The serial number must be new."""
    town = work.session.get_one(Town, town_id, with_for_update={"key_share": True})  # tags are numbered one at a time
    highest = TabletRepository(work.session).highest_tag(town_id, town.tag_prefix + "-")
    tablet = Tablet(
        town_id=town_id,
        school_id=school_id,
        serial=serial,
        tag=next_tag(town.tag_prefix, highest),
        state=TabletState.PREPARED,
        created_at=work.now,
        **_said(details),
    )
    work.session.add(tablet)
    work.session.flush()
    return tablet


def update_details(work: UnitOfWork, tablet_id: UUID, details: TabletDetails) -> None:
    """Keep what a tablet said of itself; silence removes nothing. Its policy depends on some of it, so it is decided again."""
    said = _said(details)
    repository = TabletRepository(work.session)
    tablet = repository.get(tablet_id) if said else None
    if tablet is None:
        return
    if any(name in said and getattr(tablet, name) != said[name] for name in ("os_version", "supervised")):
        work.enqueue_job(Topic.DECIDE, tablet_id)
    repository.update(tablet_id, said)


def change_state(work: UnitOfWork, actor: Actor, tablet: Tablet, after: TabletState, why: str) -> None:
    """Move a tablet along its life cycle, audited first. Raises `WrongState`."""
    before = tablet.state
    if before == after:
        return
    if not may_become(before, after):
        raise WrongState(before=before.value, after=after.value)
    audit.record_event(
        work, actor, "tablet.state", "tablet", tablet.id, town_id=tablet.town_id, before=before.value, after=after.value, why=why
    )
    tablet.state = after
    if after in GONE:
        TabletRepository(work.session).leave_slot(tablet.id)
        tablet.class_id = None
    work.enqueue_job(Topic.DECIDE, tablet.id)  # the mode of a tablet depends on it


def bring_to(work: UnitOfWork, actor: Actor, tablet: Tablet, after: TabletState, why: str) -> bool:
    """Move a tablet to a state by lawful steps, each audited. False, and nothing changes, where there is no way."""
    steps = way(tablet.state, after)
    for step in steps or ():
        change_state(work, actor, tablet, step, why)
    return steps is not None


def unpack(work: UnitOfWork, actor: Actor, tablet: Tablet) -> None:
    """A tablet has been switched on and says who it is: one out of its box is prepared, one that was written off is found, and
    waits in quarantine until a person has looked at it.
    """
    if tablet.state in UNPACKED:
        change_state(work, actor, tablet, TabletState.PREPARED, "enrolled out of its box")
    elif tablet.state is TabletState.MISSING_WRITTEN_OFF:
        change_state(work, actor, tablet, TabletState.FOUND, "a tablet that was written off has come back")


def wiped(work: UnitOfWork, tablet_id: UUID) -> None:
    """Nothing of a child is left on the tablet: it has been erased."""
    TabletRepository(work.session).update(tablet_id, {"to_wipe": False})


def lend(work: UnitOfWork, actor: Actor, tablet: Tablet, pupil: Pupil) -> Loan:
    """Put a tablet into a pupil's hands: closes the tablet's former loan, asks for a new decision on its policy.

    Raises `PupilHasTablet` when the pupil holds another one. Lending it again to the same pupil changes nothing.
    """
    repository = TabletRepository(work.session)
    current = repository.open_loan_of_pupil(pupil.id)
    if current is not None and current.tablet_id == tablet.id:
        return current
    if current is not None:
        raise PupilHasTablet(pupil_id=str(pupil.id))
    audit.record_event(work, actor, "loan.open", "tablet", tablet.id, town_id=tablet.town_id, pupil_id=str(pupil.id))
    repository.close_loan(tablet.id, work.now)
    repository.leave_slot(tablet.id)
    loan = Loan(town_id=tablet.town_id, tablet_id=tablet.id, pupil_id=pupil.id, opened_at=work.now)
    work.session.add(loan)
    tablet.school_id = pupil.school_id
    tablet.class_id = None
    work.session.flush()
    work.enqueue_job(Topic.DECIDE, tablet.id)
    return loan


def _said(details: TabletDetails) -> dict[str, object]:
    return {key: value for key, value in asdict(details).items() if value is not None}
