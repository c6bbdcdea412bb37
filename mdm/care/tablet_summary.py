"""Who holds one tablet, what is open about it and what may be done next: what a person on the phone asks first. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.joining.models import Reservation
from enrollment.joining.reservation_repository import ReservationRepository
from enrollment.tablets import desk
from enrollment.tablets.models import Incident, IncidentKind, Loan, LoanAccessory, Tablet
from enrollment.tablets.models import TabletState as S
from enrollment.tablets.repository import TabletRepository
from enrollment.tablets.rules import MISSING, may_become


class Act(StrEnum):
    """What a person may note of one tablet without a scanner."""

    BROKEN = "broken"
    REPAIR = "repair"
    REPAIRED = "repaired"
    SETTLE = "settle"
    FOUND = "found"


@dataclass(frozen=True, slots=True)
class Holding:
    """The loans and incidents of a tablet, newest first, and the other tablet of a breakage."""

    loans: Sequence[Loan]
    incidents: Sequence[Incident]
    accessories: Sequence[LoanAccessory]
    loaner: Tablet | None
    stands_in_for: Tablet | None
    reservation: Reservation | None

    @property
    def loan(self) -> Loan | None:
        """The loan that is open."""
        return next((loan for loan in self.loans if loan.closed_at is None), None)

    @property
    def incident(self) -> Incident | None:
        """The incident that is open."""
        return next((incident for incident in self.incidents if incident.closed_at is None), None)


def holding(work: UnitOfWork, actor: Actor, tablet: Tablet) -> Holding:
    """Raises `TabletNotFound`."""
    loans, incidents = desk.history(work, actor, tablet.id)
    repository = TabletRepository(work.session)
    current = next((loan for loan in loans if loan.closed_at is None), None)
    broken = next((each for each in incidents if each.closed_at is None and each.loaner_id is not None), None)
    covered = repository.incident_of_loaner(tablet.id)
    return Holding(
        loans=loans,
        incidents=incidents,
        accessories=repository.accessories(current.id) if current is not None else (),
        loaner=repository.get(broken.loaner_id) if broken is not None and broken.loaner_id is not None else None,
        stands_in_for=repository.get(covered.tablet_id) if covered is not None else None,
        reservation=ReservationRepository(work.session).visible(actor, tablet.id),
    )


def next_acts(actor: Actor, tablet: Tablet, seen: Holding) -> list[Act]:
    """What this person may note now, by the life cycle (schools.md section 8) and the role."""
    state, open_ = tablet.state, seen.incident
    handles = actor.has_permission(Permission.HANDLE, tablet.town_id, tablet.school_id)
    cares = actor.has_permission(Permission.CARE, tablet.town_id, tablet.school_id)
    possible = {
        Act.BROKEN: cares and open_ is None and state is not S.BROKEN and may_become(state, S.BROKEN),
        Act.REPAIR: handles and not tablet.evidence_hold and state is S.BROKEN,
        Act.REPAIRED: handles and state in (S.BROKEN, S.IN_REPAIR),
        Act.SETTLE: handles and state is S.REPAIRED and open_ is not None and open_.kind is IncidentKind.BREAKAGE,
        Act.FOUND: handles and (state in MISSING or state is S.MISSING_WRITTEN_OFF),
    }
    return [act for act in Act if possible[act]]
