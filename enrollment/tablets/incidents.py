"""Incidents of tablets: breakage with loaner and repair, theft. Never commits. Lost mode is elsewhere.

See docs/domain/custody.md#breakage.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from cartable import audit
from cartable.scope import Actor
from cartable.unit_of_work import UnitOfWork
from enrollment.tablets import custody, service
from enrollment.tablets.errors import IncidentNotFound, NoOpenIncident, NoOpenLoan, TabletNotAvailable, UnderEvidenceHold
from enrollment.tablets.incident_repository import IncidentRepository
from enrollment.tablets.loan_repository import LoanRepository
from enrollment.tablets.models import BreakageCause, Incident, IncidentKind, Loan, Reporter, Tablet
from enrollment.tablets.models import TabletState as S
from enrollment.tablets.repository import TabletRepository
from enrollment.tablets.rules import LENDABLE

#: States of a repaired tablet that was lent again before its breakage was settled.
_LENT_AGAIN = frozenset({S.ASSIGNED, S.HANDED_OVER, S.IN_USE})


@dataclass(frozen=True, slots=True)
class IncidentReport:
    """What is reported about an incident. `cause` is given for a breakage; `intentional` is None while unknown."""

    description: str
    cause: BreakageCause | None = None
    intentional: bool | None = None
    insured_on: date | None = None
    reporter: Reporter | None = None
    place: str | None = None
    happened_on: date | None = None


def open_incident(work: UnitOfWork, actor: Actor, tablet: Tablet, kind: IncidentKind, report: IncidentReport) -> Incident:
    """Open an incident of a tablet and return it; an incident that is open already is returned unchanged."""
    incident = IncidentRepository(work.session).get_open_incident(tablet.id)
    if incident is not None:
        return incident
    loan = LoanRepository(work.session).get_open_loan_by_tablet(tablet.id)
    incident = Incident(
        town_id=tablet.town_id,
        school_id=tablet.school_id,
        tablet_id=tablet.id,
        loan_id=loan.id if loan else None,
        kind=kind,
        cause=report.cause,
        intentional=report.intentional,
        insured_on=report.insured_on,
        description=report.description,
        reporter=report.reporter,
        place=report.place,
        happened_on=report.happened_on,
        reported_by=actor.account_id,
        reported_at=work.now,
    )
    work.session.add(incident)
    work.session.flush()
    audit.record_event(
        work, actor, "incident.open", "tablet", tablet.id, town_id=tablet.town_id, kind=kind.value, incident_id=str(incident.id)
    )
    return incident


def report_breakage(work: UnitOfWork, actor: Actor, tablet: Tablet, report: IncidentReport) -> Incident:
    """Record a breakage and return its incident. The loan stays open. Raises `TransitionNotAllowed`."""
    service.change_state(work, actor, tablet, S.BROKEN, "reported broken")
    return open_incident(work, actor, tablet, IncidentKind.BREAKAGE, report)


def lend_loaner(work: UnitOfWork, actor: Actor, broken: Tablet, loaner: Tablet) -> Incident:
    """Transfer the pupil's loan from a broken tablet to a loaner and return the incident. Policy and accessories follow the pupil.

    Raises `NoOpenIncident`, `NoOpenLoan`, `TabletNotAvailable`, `TabletNotWiped`, `UnderEvidenceHold`.
    """
    incident = _get_open_incident(work, broken, IncidentKind.BREAKAGE)
    if incident.loaner_id == loaner.id:
        return incident
    if loaner.evidence_hold or broken.evidence_hold:
        raise UnderEvidenceHold
    if (
        loaner.state not in LENDABLE
        or LoanRepository(work.session).get_open_loan_by_tablet(loaner.id) is not None
        or loaner.town_id != broken.town_id
    ):
        raise TabletNotAvailable(state=loaner.state.value)
    loan = LoanRepository(work.session).get_open_loan_by_tablet(broken.id)
    if loan is None:
        raise NoOpenLoan
    custody.check_wiped(work, loaner, loan.holder_id)
    incident.loan_id = custody.transfer_loan(work, actor, loan, loaner).id
    service.change_state(work, actor, loaner, S.LOANER_OUT, "stands in for a broken tablet")
    incident.loaner_id = loaner.id
    return incident


def send_to_repair(work: UnitOfWork, actor: Actor, tablet: Tablet, reason: str) -> Tablet:
    """Record that the repair service has the tablet. Raises `UnderEvidenceHold`, `TransitionNotAllowed`."""
    if tablet.evidence_hold:
        raise UnderEvidenceHold
    service.change_state(work, actor, tablet, S.IN_REPAIR, reason)
    return tablet


def record_repair(work: UnitOfWork, actor: Actor, tablet: Tablet, tests: str) -> Tablet:
    """Record that the tablet came back from repair; `tests`: which tests it passed. Raises `TransitionNotAllowed`."""
    service.change_state(work, actor, tablet, S.REPAIRED, tests)
    return tablet


def settle_breakage(work: UnitOfWork, actor: Actor, tablet: Tablet, *, keep_loaner: bool) -> Incident:
    """Close a breakage and return its incident: the pupil gets the repaired tablet back, or keeps the loaner for good.

    A tablet that was lent to another pupil meanwhile stays with that pupil. Raises `NoOpenIncident`, `TransitionNotAllowed`,
    `TabletNotAvailable` (another pupil has the repaired tablet), `TabletNotWiped`, `UnderEvidenceHold`.
    """
    incident = _get_open_incident(work, tablet, IncidentKind.BREAKAGE)
    if tablet.evidence_hold:
        raise UnderEvidenceHold
    repository = TabletRepository(work.session)
    own = LoanRepository(work.session).get_open_loan_by_tablet(tablet.id)
    loaner = repository.get(incident.loaner_id) if incident.loaner_id else None
    loan = _get_loaner_loan(work, incident)
    if loaner is None or loan is None:
        if own is None or tablet.state not in _LENT_AGAIN:
            service.change_state(work, actor, tablet, S.IN_USE if own else S.STOCK, "repaired")
    elif keep_loaner:
        service.change_state(work, actor, loaner, S.IN_USE, "the loaner stays with the pupil")
        if own is None:
            service.change_state(work, actor, tablet, S.STOCK, "repaired, replaced for good")
    else:
        if own is not None:
            raise TabletNotAvailable(state=tablet.state.value)
        custody.check_wiped(work, tablet, loan.holder_id)
        custody.transfer_loan(work, actor, loan, tablet)
        service.change_state(work, actor, tablet, S.IN_USE, "repaired, back with the pupil")
        service.change_state(work, actor, loaner, S.STOCK, "the pupil has the own tablet back")
    close_incident(work, actor, incident)
    return incident


def _get_loaner_loan(work: UnitOfWork, incident: Incident) -> Loan | None:
    """Return the open loan of the loaner if it is still the pupil's of this incident, else None."""
    lent = work.session.get(Loan, incident.loan_id) if incident.loan_id else None
    loan = LoanRepository(work.session).get_open_loan_by_tablet(incident.loaner_id) if incident.loaner_id else None
    return loan if lent is not None and loan is not None and loan.holder_id == lent.holder_id else None


def read_incident(work: UnitOfWork, actor: Actor, incident_id: UUID) -> Incident:
    """Return an incident with its report. Who reported it, where and when may concern a child, so each reading is audited.

    Raises `IncidentNotFound`.
    """
    incident = IncidentRepository(work.session).get_cared_for(actor, incident_id)
    if incident is None:
        raise IncidentNotFound
    audit.record_event(
        work, actor, "incident.read", "tablet", incident.tablet_id, town_id=incident.town_id, incident_id=str(incident.id)
    )
    return incident


def record_theft(work: UnitOfWork, actor: Actor, tablet: Tablet, receipt_number: str, receipt_on: date) -> Incident:
    """Record a theft with the number and date of the police report, and return the incident. Raises `TransitionNotAllowed`."""
    incident = open_incident(work, actor, tablet, IncidentKind.THEFT, IncidentReport(""))
    service.change_state(work, actor, tablet, S.STOLEN, "police report receipt given")
    incident.kind, incident.receipt_number, incident.receipt_on = IncidentKind.THEFT, receipt_number, receipt_on
    return incident


def close_incident(work: UnitOfWork, actor: Actor, incident: Incident) -> None:
    """Close an incident; a closed one stays as it is."""
    if incident.closed_at is None:
        audit.record_event(
            work, actor, "incident.close", "tablet", incident.tablet_id, town_id=incident.town_id, incident_id=str(incident.id)
        )
        incident.closed_at = work.now


def _get_open_incident(work: UnitOfWork, tablet: Tablet, kind: IncidentKind) -> Incident:
    incident = IncidentRepository(work.session).get_open_incident(tablet.id)
    if incident is None or incident.kind is not kind:
        raise NoOpenIncident
    return incident
