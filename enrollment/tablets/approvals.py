"""Actions on a tablet that a second person approves: evidence hold, its release, writing off a loss. Never commits.

See docs/domain/custody.md#evidence-hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from cartable import audit, locks
from cartable.errors import NotFound
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.safeguards import budget
from enrollment.safeguards.models import IrreversibleAct
from enrollment.tablets import custody, incidents, service
from enrollment.tablets.errors import UnderEvidenceHold, WriteOffTooEarly
from enrollment.tablets.incident_repository import IncidentRepository
from enrollment.tablets.loan_repository import LoanRepository
from enrollment.tablets.models import ApprovalAction, ApprovalRequest, Tablet
from enrollment.tablets.models import TabletState as S
from enrollment.tablets.ports import RevokeCertificates
from enrollment.tablets.rules import WRITE_OFF_AFTER_DAYS


def request_approval(work: UnitOfWork, actor: Actor, tablet: Tablet, action: ApprovalAction, reason: str) -> ApprovalRequest:
    """Create the request for an action and return it; an open request for the same action is returned instead."""
    actor.require_trust(work.now)
    open_request = IncidentRepository(work.session).get_open_approval_request(tablet.id, action)
    if open_request is not None:
        return open_request
    request = ApprovalRequest(
        town_id=tablet.town_id,
        tablet_id=tablet.id,
        action=action,
        reason=reason,
        requested_by=actor.account_id,
        requested_at=work.now,
    )
    work.session.add(request)
    work.session.flush()
    audit.record_event(
        work, actor, f"approval.{action.value}.request", "tablet", tablet.id, town_id=tablet.town_id, request_id=str(request.id)
    )
    return request


def list_open_requests(work: UnitOfWork, actor: Actor, tablet: Tablet) -> Sequence[ApprovalRequest]:
    """Return what waits for a second person on a tablet, oldest first, to whoever cares for tablets there."""
    if not actor.has_permission(Permission.CARE, tablet.town_id, tablet.school_id):
        return ()
    return IncidentRepository(work.session).list_open_approval_requests(tablet.id)


def approve_request(
    work: UnitOfWork, actor: Actor, request_id: UUID, *, revoke_certificates: RevokeCertificates, decision: str | None = None
) -> ApprovalRequest:
    """Approve another person's request, carry it out and return it. `decision`: why a loss is written off before its time.

    Raises `SamePerson`, `NotTrustedYet`, `ReauthenticationRequired`, `WriteOffTooEarly`, `UnderEvidenceHold`, `TransitionNotAllowed`, `NotFound`,
    `BudgetUsedUp`, `DestructiveCommandsStopped`.
    """
    request = IncidentRepository(work.session).get_approval_request_for_update(actor, request_id)
    if request is None:
        raise NotFound
    actor.require_permission(Permission.GOVERN, request.town_id)
    actor.require_second_person(work.now, request.requested_by)
    locks.lock_town(work, request.town_id)
    work.session.refresh(request)
    if request.approved_at is not None:
        return request
    tablet = work.session.get_one(Tablet, request.tablet_id)
    audit.record_event(
        work, actor, f"approval.{request.action.value}.approve", "tablet", tablet.id, town_id=tablet.town_id,
        request_id=str(request.id), decision=decision,
    )  # fmt: skip
    if request.action is ApprovalAction.WRITE_OFF:
        _write_off(work, actor, tablet, decision, revoke_certificates)
    else:
        tablet.evidence_hold = request.action is ApprovalAction.PLACE_EVIDENCE_HOLD
    request.approved_by, request.approved_at = actor.account_id, work.now
    return request


def _write_off(
    work: UnitOfWork, actor: Actor, tablet: Tablet, decision: str | None, revoke_certificates: RevokeCertificates
) -> None:
    """Write a lost tablet off: revoke its certificates, close its loan and its incident.

    The row stays: a tablet that comes back later is put into quarantine.
    """
    incident = IncidentRepository(work.session).get_open_incident(tablet.id)
    if tablet.evidence_hold:
        raise UnderEvidenceHold
    since = incident.reported_at if incident else work.now
    if not decision and work.now - since < timedelta(days=WRITE_OFF_AFTER_DAYS):
        raise WriteOffTooEarly(days=WRITE_OFF_AFTER_DAYS)
    budget.spend_budget(work, actor, tablet.town_id, IrreversibleAct.REVOKE)
    service.change_state(work, actor, tablet, S.MISSING_WRITTEN_OFF, decision or "not found in time")
    revoke_certificates(work, actor, tablet.id, "written off")
    loan = LoanRepository(work.session).get_open_loan_by_tablet(tablet.id)
    if loan is not None:
        custody.close_loan(work, actor, loan, "written off")
    if incident is not None:
        incidents.close_incident(work, actor, incident)
