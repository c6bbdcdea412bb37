"""Acts on a tablet that two people decide: evidence hold, its release, writing off a loss (schools.md section 8). Never commits."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from cartable import audit, locks
from cartable.errors import NotFound
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.identity import service as identity
from enrollment.tablets import custody, incidents, service
from enrollment.tablets.errors import OnHold, SamePerson, TooEarly
from enrollment.tablets.models import PairAct, PairRequest, Tablet
from enrollment.tablets.models import TabletState as S
from enrollment.tablets.repository import TabletRepository
from enrollment.tablets.rules import WRITE_OFF_DAYS


def ask(work: UnitOfWork, actor: Actor, tablet: Tablet, act: PairAct, reason: str) -> PairRequest:
    """Ask for an act; a second click finds the request that waits."""
    waiting = TabletRepository(work.session).open_pair_request(tablet.id, act)
    if waiting is not None:
        return waiting
    request = PairRequest(
        town_id=tablet.town_id, tablet_id=tablet.id, act=act, reason=reason, asked_by=actor.account_id, asked_at=work.now
    )
    work.session.add(request)
    work.session.flush()
    audit.record_event(
        work, actor, f"pair.{act.value}.ask", "tablet", tablet.id, town_id=tablet.town_id, request_id=str(request.id)
    )
    return request


def approve(work: UnitOfWork, actor: Actor, request_id: UUID, *, decision: str | None = None) -> PairRequest:
    """Carry out what another person asked for. `decision`: why a loss is written off before its time.

    Raises `SamePerson`, `TooEarly`, `OnHold`, `WrongState`, `NotFound`.
    """
    request = TabletRepository(work.session).pair_request(actor, request_id)
    if request is None:
        raise NotFound
    actor.require_permission(Permission.GOVERN, request.town_id)
    if request.asked_by == actor.account_id:
        raise SamePerson
    locks.lock_town(work, request.town_id)
    work.session.refresh(request)
    if request.approved_at is not None:
        return request
    tablet = work.session.get_one(Tablet, request.tablet_id)
    audit.record_event(
        work, actor, f"pair.{request.act.value}.approve", "tablet", tablet.id, town_id=tablet.town_id,
        request_id=str(request.id), decision=decision,
    )  # fmt: skip
    _carry_out(work, actor, tablet, request, decision)
    request.approved_by, request.approved_at = actor.account_id, work.now
    return request


def _carry_out(work: UnitOfWork, actor: Actor, tablet: Tablet, request: PairRequest, decision: str | None) -> None:
    if request.act is PairAct.WRITE_OFF:
        _write_off(work, actor, tablet, decision)
    else:
        tablet.evidence_hold = request.act is PairAct.HOLD


def _write_off(work: UnitOfWork, actor: Actor, tablet: Tablet, decision: str | None) -> None:
    """Its certificates are worth nothing any more. The serial number stays on watch: one that turns up lands in quarantine."""
    repository = TabletRepository(work.session)
    incident = repository.open_incident(tablet.id)
    if tablet.evidence_hold:
        raise OnHold
    since = incident.reported_at if incident else work.now
    if not decision and work.now - since < timedelta(days=WRITE_OFF_DAYS):
        raise TooEarly(days=WRITE_OFF_DAYS)
    service.change_state(work, actor, tablet, S.MISSING_WRITTEN_OFF, decision or "not found in time")
    identity.revoke_all(work, actor, tablet.id, "written off")
    loan = repository.open_loan_of_tablet(tablet.id)
    if loan is not None:
        custody.close(work, actor, loan, "written off")
    if incident is not None:
        incidents.end(work, actor, incident)
