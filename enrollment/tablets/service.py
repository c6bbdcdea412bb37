"""Reading, registering and locking tablets, changing their state, opening loans. Never commits.

Handover and return are in `custody`, purchase orders and retirement in `inventory`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from uuid import UUID

from cartable import audit, locks
from cartable.outbox import Topic
from cartable.scope import Actor
from cartable.unit_of_work import UnitOfWork
from enrollment.people.models import Pupil, StaffMember
from enrollment.places.models import Town
from enrollment.tablets.errors import PupilHasTablet, StaffMemberHasTablet, TabletNotFound, TransitionNotAllowed
from enrollment.tablets.loan_repository import LoanRepository
from enrollment.tablets.models import Loan, Tablet, TabletState
from enrollment.tablets.repository import TabletRepository
from enrollment.tablets.rules import (
    DECOMMISSIONED,
    NOT_PREPARED,
    build_next_tag,
    can_transition,
    find_transition_path,
    read_system_version,
)


@dataclass(frozen=True, slots=True)
class TabletDetails:
    """What a tablet reports of itself; None: it did not report the value, or none that can be one."""

    product_name: str | None = None
    model_name: str | None = None
    os_version: str | None = None
    build_version: str | None = None
    supervised: bool | None = None
    battery_level: float | None = None
    available_gigabytes: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "os_version", read_system_version(self.os_version))


def get_tablet(work: UnitOfWork, actor: Actor, tablet_id: UUID) -> Tablet:
    """Return a tablet that the actor may see. Raises `TabletNotFound`."""
    tablet = TabletRepository(work.session).get_visible(actor, tablet_id)
    if tablet is None:
        raise TabletNotFound
    return tablet


def lock_tablet(work: UnitOfWork, tablet: Tablet) -> Tablet:
    """Lock the tablet's town and return the tablet as it is stored now.

    Call it before any other lock: with a fixed order of locks there is no deadlock.
    """
    locks.lock_town(work, tablet.town_id)
    work.session.flush()  # a refresh discards changes that are not flushed
    work.session.refresh(tablet)
    return tablet


def search_tablets(work: UnitOfWork, actor: Actor, text: str, limit: int = 50) -> list[Tablet]:
    """Return the tablets visible to the actor whose tag or serial number contains `text`, ordered by tag."""
    return TabletRepository(work.session).search(actor, text.strip()[:64], limit)


def register_tablet(work: UnitOfWork, *, town_id: UUID, school_id: UUID | None, serial: str, details: TabletDetails) -> Tablet:
    """Add a tablet to the inventory with the town's next tag and return it. The serial number must be new."""
    town = work.session.get_one(
        Town, town_id, with_for_update={"key_share": True}
    )  # locked: two transactions must not give the same tag
    highest = TabletRepository(work.session).get_highest_tag(town_id, town.tag_prefix + "-")
    tablet = Tablet(
        town_id=town_id,
        school_id=school_id,
        serial=serial,
        tag=build_next_tag(town.tag_prefix, highest),
        state=TabletState.PREPARED,
        created_at=work.now,
        **_get_reported_values(details),
    )
    work.session.add(tablet)
    work.session.flush()
    return tablet


def update_details(work: UnitOfWork, tablet_id: UUID, details: TabletDetails) -> None:
    """Store what a tablet reported of itself; values that are None change nothing.

    Enqueues a reconcile job when the system version or the supervision has changed: the policy depends on them.
    """
    reported = _get_reported_values(details)
    repository = TabletRepository(work.session)
    tablet = repository.get(tablet_id) if reported else None
    if tablet is None:
        return
    if any(name in reported and getattr(tablet, name) != reported[name] for name in ("os_version", "supervised")):
        work.enqueue_job(Topic.RECONCILE, tablet_id)
    repository.update(tablet_id, reported)


def update_systems(work: UnitOfWork, systems: Mapping[UUID, TabletDetails]) -> None:
    """Store the system that each of many tablets reported, in a constant number of queries, and enqueue a reconcile job for the changed.

    Tablets report a new system by themselves as soon as it runs, long before they are asked for their details.
    """
    repository = TabletRepository(work.session)
    stored = repository.get_os_versions(list(systems))
    changed = {each: details for each, details in systems.items() if each in stored and details.os_version != stored[each]}
    if changed:
        repository.update_many({tablet_id: _get_reported_values(details) for tablet_id, details in changed.items()})
        work.enqueue_job(Topic.RECONCILE, *changed)


def change_state(work: UnitOfWork, actor: Actor, tablet: Tablet, after: TabletState, reason: str) -> None:
    """Change the state of a tablet and audit it; the same state again changes nothing. Raises `TransitionNotAllowed`."""
    before = tablet.state
    if before == after:
        return
    if not can_transition(before, after):
        raise TransitionNotAllowed(before=before.value, after=after.value)
    audit.record_event(
        work,
        actor,
        "tablet.state",
        "tablet",
        tablet.id,
        town_id=tablet.town_id,
        before=before.value,
        after=after.value,
        why=reason,
    )
    tablet.state = after
    if after in DECOMMISSIONED:
        TabletRepository(work.session).remove_from_slot(tablet.id)
        tablet.class_id = None
    work.enqueue_job(Topic.RECONCILE, tablet.id)  # the tablet's mode depends on its state


def move_to_state(work: UnitOfWork, actor: Actor, tablet: Tablet, after: TabletState, reason: str) -> bool:
    """Move a tablet to a state through allowed transitions and return True; return False and change nothing if there is no path."""
    path = find_transition_path(tablet.state, after)
    for state in path or ():
        change_state(work, actor, tablet, state, reason)
    return path is not None


def update_state_on_enrollment(work: UnitOfWork, actor: Actor, tablet: Tablet) -> None:
    """Set the state of a tablet that enrolls: not prepared becomes PREPARED, written off becomes FOUND.

    A tablet in FOUND is in quarantine until a person has checked it.
    """
    if tablet.state in NOT_PREPARED:
        change_state(work, actor, tablet, TabletState.PREPARED, "enrolled out of its box")
    elif tablet.state is TabletState.MISSING_WRITTEN_OFF:
        change_state(work, actor, tablet, TabletState.FOUND, "a tablet that was written off has come back")


def record_wipe(work: UnitOfWork, tablet_id: UUID) -> None:
    """Clear `needs_wipe`: the tablet has been erased and holds no child's data."""
    TabletRepository(work.session).update(tablet_id, {"needs_wipe": False})


def open_loan(work: UnitOfWork, actor: Actor, tablet: Tablet, pupil: Pupil) -> Loan:
    """Open a loan of the tablet to the pupil and return it; the open loan of the same pair is returned unchanged.

    Closes the tablet's former loan and enqueues a reconcile job. Raises `PupilHasTablet` when the pupil has another tablet.
    """
    current = LoanRepository(work.session).get_open_loan_by_pupil(pupil.id)
    if current is not None and current.tablet_id == tablet.id:
        return current
    if current is not None:
        raise PupilHasTablet(pupil_id=str(pupil.id))
    audit.record_event(work, actor, "loan.open", "tablet", tablet.id, town_id=tablet.town_id, pupil_id=str(pupil.id))
    return _add_loan(work, tablet, Loan(town_id=tablet.town_id, tablet_id=tablet.id, pupil_id=pupil.id), pupil.school_id)


def open_staff_loan(work: UnitOfWork, actor: Actor, tablet: Tablet, member: StaffMember, school_id: UUID | None) -> Loan:
    """Open a loan of the tablet to a member of staff and return it; the open loan of the same pair is returned unchanged.

    `school_id`: where the person works; None for somebody of the town. Raises `StaffMemberHasTablet`.
    """
    current = LoanRepository(work.session).get_open_loan_by_staff(member.id)
    if current is not None and current.tablet_id == tablet.id:
        return current
    if current is not None:
        raise StaffMemberHasTablet(staff_id=str(member.id))
    audit.record_event(work, actor, "loan.open", "tablet", tablet.id, town_id=tablet.town_id, staff_id=str(member.id))
    return _add_loan(work, tablet, Loan(town_id=tablet.town_id, tablet_id=tablet.id, staff_id=member.id), school_id)


def _add_loan(work: UnitOfWork, tablet: Tablet, loan: Loan, school_id: UUID | None) -> Loan:
    """Store a loan in place of the tablet's former loan, class or slot."""
    repository = TabletRepository(work.session)
    LoanRepository(work.session).close_loan(tablet.id, work.now)
    repository.remove_from_slot(tablet.id)
    loan.opened_at = work.now
    work.session.add(loan)
    tablet.school_id, tablet.class_id = school_id, None
    work.session.flush()
    work.enqueue_job(Topic.RECONCILE, tablet.id)
    return loan


def _get_reported_values(details: TabletDetails) -> dict[str, object]:
    return {key: value for key, value in asdict(details).items() if value is not None}
