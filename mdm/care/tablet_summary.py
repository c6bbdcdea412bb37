"""Summary of one tablet for the helpdesk: its holder, what is open, and which actions are possible now. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.joining.models import Reservation
from enrollment.joining.reservation_repository import ReservationRepository
from enrollment.tablets import desk
from enrollment.tablets.incident_repository import IncidentRepository
from enrollment.tablets.loan_repository import LoanRepository
from enrollment.tablets.models import Incident, IncidentKind, Loan, LoanAccessory, Tablet
from enrollment.tablets.models import TabletState as S
from enrollment.tablets.repository import TabletRepository
from enrollment.tablets.rules import MISSING, can_transition


class TabletAction(StrEnum):
    """What a person may record of one tablet without a scanner."""

    BROKEN = "broken"
    REPAIR = "repair"
    REPAIRED = "repaired"
    SETTLE = "settle"
    FOUND = "found"


@dataclass(frozen=True, slots=True)
class TabletSummary:
    """Loans and incidents of a tablet, newest first, its loaner or the tablet it stands in for, and its reservation."""

    loans: Sequence[Loan]
    incidents: Sequence[Incident]
    accessories: Sequence[LoanAccessory]
    loaner: Tablet | None
    stands_in_for: Tablet | None
    reservation: Reservation | None

    @property
    def loan(self) -> Loan | None:
        """Return the open loan, if any."""
        return next((loan for loan in self.loans if loan.closed_at is None), None)

    @property
    def incident(self) -> Incident | None:
        """Return the open incident, if any."""
        return next((incident for incident in self.incidents if incident.closed_at is None), None)


def load_summary(work: UnitOfWork, actor: Actor, tablet: Tablet) -> TabletSummary:
    """Return the summary of a tablet. Raises `TabletNotFound`."""
    loans, incidents = desk.get_history(work, actor, tablet.id)
    repository = TabletRepository(work.session)
    open_loan = next((loan for loan in loans if loan.closed_at is None), None)
    broken = next((each for each in incidents if each.closed_at is None and each.loaner_id is not None), None)
    covered = IncidentRepository(work.session).get_incident_by_loaner(tablet.id)
    return TabletSummary(
        loans=loans,
        incidents=incidents,
        accessories=LoanRepository(work.session).list_accessories(open_loan.id) if open_loan is not None else (),
        loaner=repository.get(broken.loaner_id) if broken is not None and broken.loaner_id is not None else None,
        stands_in_for=repository.get(covered.tablet_id) if covered is not None else None,
        reservation=ReservationRepository(work.session).get_visible(actor, tablet.id),
    )


def list_possible_actions(actor: Actor, tablet: Tablet, summary: TabletSummary) -> list[TabletAction]:
    """List the actions that the tablet's state and the actor's permissions allow now."""
    state, incident = tablet.state, summary.incident
    may_handle = actor.has_permission(Permission.HANDLE, tablet.town_id, tablet.school_id)
    may_care = actor.has_permission(Permission.CARE, tablet.town_id, tablet.school_id)
    is_possible = {
        TabletAction.BROKEN: may_care and incident is None and state is not S.BROKEN and can_transition(state, S.BROKEN),
        TabletAction.REPAIR: may_handle and not tablet.evidence_hold and state is S.BROKEN,
        TabletAction.REPAIRED: may_handle and state in (S.BROKEN, S.IN_REPAIR),
        TabletAction.SETTLE: may_handle
        and state is S.REPAIRED
        and incident is not None
        and incident.kind is IncidentKind.BREAKAGE,
        TabletAction.FOUND: may_handle and (state in MISSING or state is S.MISSING_WRITTEN_OFF),
    }
    return [action for action in TabletAction if is_possible[action]]
