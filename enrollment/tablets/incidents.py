"""Verbs of mishaps: breakage with loaner and repair, loss, theft (schools.md sections 8 and 9). Never commits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from cartable import audit
from cartable.scope import Actor
from cartable.unit_of_work import UnitOfWork
from enrollment.tablets import custody, service
from enrollment.tablets.errors import NoIncident, NoLoan, NotFree, OnHold
from enrollment.tablets.models import Cause, Incident, IncidentKind, Loan, Reporter, Tablet
from enrollment.tablets.models import TabletState as S
from enrollment.tablets.repository import TabletRepository
from enrollment.tablets.rules import FREE

#: Back from repair, and with a child again before anybody settled the breakage.
_LENT_ANEW = frozenset({S.ASSIGNED, S.HANDED_OVER, S.IN_USE})


@dataclass(frozen=True, slots=True)
class Account:
    """What was told of a mishap. `cause` is a breakage's; `intentional` stays None unless somebody knows."""

    text: str
    cause: Cause | None = None
    intentional: bool | None = None
    insured_on: date | None = None
    reporter: Reporter | None = None
    place: str | None = None
    happened_on: date | None = None


def open_incident(work: UnitOfWork, actor: Actor, tablet: Tablet, kind: IncidentKind, account: Account) -> Incident:
    """Open the incident of a tablet; the one that is open already is told again, not doubled."""
    repository = TabletRepository(work.session)
    incident = repository.open_incident(tablet.id)
    if incident is not None:
        return incident
    loan = repository.open_loan_of_tablet(tablet.id)
    incident = Incident(
        town_id=tablet.town_id,
        school_id=tablet.school_id,
        tablet_id=tablet.id,
        loan_id=loan.id if loan else None,
        kind=kind,
        cause=account.cause,
        intentional=account.intentional,
        insured_on=account.insured_on,
        account=account.text,
        reporter=account.reporter,
        place=account.place,
        happened_on=account.happened_on,
        reported_by=actor.account_id,
        reported_at=work.now,
    )
    work.session.add(incident)
    work.session.flush()
    audit.record_event(
        work, actor, "incident.open", "tablet", tablet.id, town_id=tablet.town_id, kind=kind.value, incident_id=str(incident.id)
    )
    return incident


def break_(work: UnitOfWork, actor: Actor, tablet: Tablet, account: Account) -> Incident:
    """A tablet is broken. The loan stays open: it is still the pupil's. Raises `WrongState`."""
    service.change_state(work, actor, tablet, S.BROKEN, "reported broken")
    return open_incident(work, actor, tablet, IncidentKind.BREAKAGE, account)


def lend_loaner(work: UnitOfWork, actor: Actor, broken: Tablet, loaner: Tablet) -> Incident:
    """The pupil goes on with a loaner, with the same rules and apps; the accessories stay with them.

    Raises `NoIncident`, `NoLoan`, `NotFree`, `NotWiped`, `OnHold`.
    """
    incident = _open(work, broken, IncidentKind.BREAKAGE)
    if incident.loaner_id == loaner.id:
        return incident
    repository = TabletRepository(work.session)
    if loaner.evidence_hold or broken.evidence_hold:
        raise OnHold
    if loaner.state not in FREE or repository.open_loan_of_tablet(loaner.id) is not None or loaner.town_id != broken.town_id:
        raise NotFree(state=loaner.state.value)
    loan = repository.open_loan_of_tablet(broken.id)
    if loan is None:
        raise NoLoan
    custody.check_wiped(work, loaner, loan.pupil_id)
    incident.loan_id = custody.transfer(work, actor, loan, loaner).id
    service.change_state(work, actor, loaner, S.LOANER_OUT, "stands in for a broken tablet")
    incident.loaner_id = loaner.id
    return incident


def send_to_repair(work: UnitOfWork, actor: Actor, tablet: Tablet, why: str) -> Tablet:
    """The repair service has picked it up. Raises `OnHold`, `WrongState`."""
    if tablet.evidence_hold:
        raise OnHold
    service.change_state(work, actor, tablet, S.IN_REPAIR, why)
    return tablet


def repaired(work: UnitOfWork, actor: Actor, tablet: Tablet, tests: str) -> Tablet:
    """It has come back and passed the tests. Raises `WrongState`."""
    service.change_state(work, actor, tablet, S.REPAIRED, tests)
    return tablet


def settle(work: UnitOfWork, actor: Actor, tablet: Tablet, *, keep_loaner: bool) -> Incident:
    """End a breakage: the pupil gets the own tablet back and the loaner is free, or keeps the loaner for good.

    Either may have gone on to another child meanwhile, who keeps it.

    Raises `NoIncident`, `WrongState`, `NotFree` (the own tablet is another child's by now), `NotWiped`, `OnHold`.
    """
    incident = _open(work, tablet, IncidentKind.BREAKAGE)
    if tablet.evidence_hold:
        raise OnHold
    repository = TabletRepository(work.session)
    own = repository.open_loan_of_tablet(tablet.id)
    loaner = repository.get(incident.loaner_id) if incident.loaner_id else None
    loan = _loan_of_loaner(work, incident)
    if loaner is None or loan is None:
        if own is None or tablet.state not in _LENT_ANEW:
            service.change_state(work, actor, tablet, S.IN_USE if own else S.STOCK, "repaired")
    elif keep_loaner:
        service.change_state(work, actor, loaner, S.IN_USE, "the loaner stays with the pupil")
        if own is None:
            service.change_state(work, actor, tablet, S.STOCK, "repaired, replaced for good")
    else:
        if own is not None:
            raise NotFree(state=tablet.state.value)
        custody.check_wiped(work, tablet, loan.pupil_id)
        custody.transfer(work, actor, loan, tablet)
        service.change_state(work, actor, tablet, S.IN_USE, "repaired, back with the pupil")
        service.change_state(work, actor, loaner, S.STOCK, "the pupil has the own tablet back")
    end(work, actor, incident)
    return incident


def _loan_of_loaner(work: UnitOfWork, incident: Incident) -> Loan | None:
    """The loan by which the child of a breakage still has the loaner; None when it was given back, or is another child's."""
    lent = work.session.get(Loan, incident.loan_id) if incident.loan_id else None
    loan = TabletRepository(work.session).open_loan_of_tablet(incident.loaner_id) if incident.loaner_id else None
    return loan if lent is not None and loan is not None and loan.pupil_id == lent.pupil_id else None


def stolen(work: UnitOfWork, actor: Actor, tablet: Tablet, receipt_number: str, receipt_on: date) -> Incident:
    """The police report was made: its number and date are kept, nothing of what it says. Raises `WrongState`."""
    incident = open_incident(work, actor, tablet, IncidentKind.THEFT, Account(""))
    service.change_state(work, actor, tablet, S.STOLEN, "police report receipt given")
    incident.kind, incident.receipt_number, incident.receipt_on = IncidentKind.THEFT, receipt_number, receipt_on
    return incident


def end(work: UnitOfWork, actor: Actor, incident: Incident) -> None:
    """Close an incident, once."""
    if incident.closed_at is None:
        audit.record_event(
            work, actor, "incident.close", "tablet", incident.tablet_id, town_id=incident.town_id, incident_id=str(incident.id)
        )
        incident.closed_at = work.now


def _open(work: UnitOfWork, tablet: Tablet, kind: IncidentKind) -> Incident:
    incident = TabletRepository(work.session).open_incident(tablet.id)
    if incident is None or incident.kind is not kind:
        raise NoIncident
    return incident
