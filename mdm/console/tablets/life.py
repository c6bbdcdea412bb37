"""The page of a tablet's life: what is recorded or decided of it apart from commands, each act with its consequence. Holds no rules."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, Field

from cartable.errors import DomainError, Invalid
from cartable.i18n import Language, Message
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.identity.service import revoke_tablet_certificates
from enrollment.joining import reservations
from enrollment.joining.ade.service import enable_activation_lock
from enrollment.places import service as places
from enrollment.tablets import approvals, custody, incidents, inventory, lookup
from enrollment.tablets import service as tablets
from enrollment.tablets.labels import ACCESSORIES, AGREEMENTS, STATES
from enrollment.tablets.models import AccessoryKind, AgreementState, ApprovalAction, Tablet, TabletState
from enrollment.tablets.rules import can_transition
from mdm.api.deps import WorkDep
from mdm.care.erasing.service import erase_tablet, get_erase_progress
from mdm.care.lost_mode import positions
from mdm.care.tablet_life import MOVES, LifeAct, list_life_acts
from mdm.care.tablet_summary import load_summary
from mdm.channel.authenticate import retire_enrollments
from mdm.console.forms import CsrfField, attempt, parse_day
from mdm.console.frame import check_csrf, get_language, render_page, require_sign_in
from mdm.console.labels import state_label
from mdm.console.page_route import PageRoute
from mdm.console.tablets.life_labels import APPROVALS, LIFE_ACTS
from mdm.console.times import format_instant, show_times_in
from mdm.queue.models import OPEN_STATES, UNSENT_STATES, CommandState

router = APIRouter(include_in_schema=False, route_class=PageRoute)
_DONE = Message("Done. The history of the tablet has it.")
#: What follows from an act that is not done yet when its form is answered. Of an erase the page itself shows how far it is.
_WAITING: dict[str, Message] = {
    LifeAct.ERASE.value: Message("The erase is requested. How far it is stands below."),
    LifeAct.POSITION.value: Message("Requested. Nothing is asked of the tablet before another person has approved it."),
    LifeAct.ACTIVATION_LOCK.value: Message("Requested of Apple. The lock is on when Apple has confirmed it."),
    LifeAct.APPROVAL.value: Message("Requested. Nothing changes before another person has approved it."),
    "position_approved": Message("Approved. The position is asked of the tablet, and its answer is shown here."),
}
_SHORTEST_REASON = 3


class LifeForm(BaseModel):
    """The fields of all forms of the page; each act reads its own. All are text: a wrong value comes back with a message."""

    csrf: str = Field("", max_length=200)
    reason: str = Field("", max_length=300)
    answer: AgreementState = AgreementState.SIGNED
    signed_by: str = Field("", max_length=120)
    signed_on: str = Field("", max_length=10)
    accessory: AccessoryKind = AccessoryKind.COVER
    pupil_id: str = Field("", max_length=36)
    scan: str = Field("", max_length=200)
    receipt_number: str = Field("", max_length=40)
    receipt_on: str = Field("", max_length=10)
    state: TabletState = TabletState.STOCK
    ticket: str = Field("", max_length=40)
    wipe_proof: str = Field("", max_length=120)
    waste_slip: str = Field("", max_length=120)
    action: ApprovalAction = ApprovalAction.PLACE_EVIDENCE_HOLD

    @property
    def required_reason(self) -> str:
        """The reason of an act that needs one. Raises `Invalid`."""
        if len(self.reason.strip()) < _SHORTEST_REASON:
            raise Invalid(field="reason")
        return self.reason.strip()


@router.get("/tablets/{tablet_id}/life")
def show_life(request: Request, work: WorkDep, tablet_id: UUID, done: str = "") -> Response:
    """Show what may be recorded or decided of a tablet, and what waits for a second person."""
    actor, _ = require_sign_in(request, work)
    return _render_life(request, work, actor, tablets.get_tablet(work, actor, tablet_id), done=done)


@router.post("/tablets/{tablet_id}/life/{act}")
def carry_out(request: Request, work: WorkDep, tablet_id: UUID, act: LifeAct, form: Annotated[LifeForm, Form()]) -> Response:
    """Carry out one act."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, form.csrf)
    refusal = attempt(work, lambda: _ACTIONS[act](work, actor, tablet_id, form))
    if refusal is not None:
        return _render_life(request, work, actor, tablets.get_tablet(work, actor, tablet_id), refusal=refusal, act=act, form=form)
    return RedirectResponse(f"/tablets/{tablet_id}/life?done={act.value}", status_code=303)


@router.post("/tablets/{tablet_id}/approvals/{request_id}/approve")
def approve_request(
    request: Request,
    work: WorkDep,
    tablet_id: UUID,
    request_id: UUID,
    csrf: CsrfField,
    decision: Annotated[str, Form(max_length=300)] = "",
) -> Response:
    """Approve what another person has asked for."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    refusal = attempt(
        work,
        lambda: approvals.approve_request(
            work, actor, request_id, decision=decision.strip() or None, revoke_certificates=revoke_tablet_certificates
        ),
    )
    return _answer(request, work, actor, tablet_id, refusal)


@router.post("/tablets/{tablet_id}/positions/{request_id}/approve")
def approve_position(request: Request, work: WorkDep, tablet_id: UUID, request_id: UUID, csrf: CsrfField) -> Response:
    """Approve that the position of a lost tablet is asked for."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    refusal = attempt(work, lambda: positions.approve_position(work, actor, request_id))
    return _answer(request, work, actor, tablet_id, refusal, done="position_approved")


@router.post("/tablets/{tablet_id}/positions/{request_id}/read")
def read_position(request: Request, work: WorkDep, tablet_id: UUID, request_id: UUID, csrf: CsrfField) -> Response:
    """Show a position that a lost tablet has answered. The reading is audited."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    row = positions.read_position(work, actor, request_id)
    tablet = tablets.get_tablet(work, actor, tablet_id)
    return _render_life(request, work, actor, tablet, position=_describe_position(row.position) or {"is_unknown": True})


def _answer(
    request: Request, work: UnitOfWork, actor: Actor, tablet_id: UUID, refusal: DomainError | None, *, done: str = "approved"
) -> Response:
    if refusal is not None:
        return _render_life(request, work, actor, tablets.get_tablet(work, actor, tablet_id), refusal=refusal)
    return RedirectResponse(f"/tablets/{tablet_id}/life?done={done}", status_code=303)


def _lock(work: UnitOfWork, actor: Actor, tablet_id: UUID, permission: Permission = Permission.HANDLE) -> Tablet:
    return lookup.get_tablet_for_update(work, actor, tablet_id, permission)


def _record_agreement(work: UnitOfWork, actor: Actor, tablet_id: UUID, form: LifeForm) -> object:
    signed_on = parse_day(form.signed_on, "signed_on")
    return custody.record_agreement(
        work, actor, _lock(work, actor, tablet_id), form.answer, form.signed_by.strip() or None, signed_on
    )


def _assign(work: UnitOfWork, actor: Actor, tablet_id: UUID, form: LifeForm) -> object:
    try:
        pupil_id = UUID(form.pupil_id.strip().rpartition("/")[2])
    except ValueError:
        raise Invalid(field="pupil_id") from None
    return custody.assign_tablet(work, actor, _lock(work, actor, tablet_id), pupil_id)


def _lend_loaner(work: UnitOfWork, actor: Actor, tablet_id: UUID, form: LifeForm) -> object:
    broken = _lock(work, actor, tablet_id)
    return incidents.lend_loaner(work, actor, broken, lookup.get_scanned_for_update(work, actor, broken.town_id, form.scan))


def _record_theft(work: UnitOfWork, actor: Actor, tablet_id: UUID, form: LifeForm) -> object:
    receipt_on: date | None = parse_day(form.receipt_on, "receipt_on")
    if not form.receipt_number.strip() or receipt_on is None:
        raise Invalid(field="receipt_number" if not form.receipt_number.strip() else "receipt_on")
    tablet = _lock(work, actor, tablet_id, Permission.CARE)
    return incidents.record_theft(work, actor, tablet, form.receipt_number.strip(), receipt_on)


def _erase(work: UnitOfWork, actor: Actor, tablet_id: UUID, form: LifeForm) -> None:
    if not form.ticket.strip():
        raise Invalid(field="ticket")
    erase_tablet(work, actor, tablet_id, form.required_reason, form.ticket.strip())


def _dispose(work: UnitOfWork, actor: Actor, tablet_id: UUID, form: LifeForm) -> object:
    if not form.waste_slip.strip():
        raise Invalid(field="waste_slip")
    return inventory.dispose_of_tablet(
        work, actor, _lock(work, actor, tablet_id), wipe_proof=form.wipe_proof.strip(), waste_slip=form.waste_slip.strip(),
        unenroll=retire_enrollments,
    )  # fmt: skip


_ACTIONS: dict[LifeAct, Callable[[UnitOfWork, Actor, UUID, LifeForm], object]] = {
    LifeAct.AGREEMENT: _record_agreement,
    LifeAct.CONFIRM_SWAP: lambda work, actor, tablet_id, _: custody.confirm_swap(work, actor, _lock(work, actor, tablet_id)),
    LifeAct.ACCESSORY: lambda work, actor, tablet_id, form: custody.record_accessory_loss(
        work, actor, _lock(work, actor, tablet_id), form.accessory
    ),
    LifeAct.ASSIGN: _assign,
    LifeAct.UNRESERVE: lambda work, actor, tablet_id, _: reservations.withdraw_reservation(work, actor, tablet_id),
    LifeAct.LOANER: _lend_loaner,
    LifeAct.THEFT: _record_theft,
    LifeAct.POSITION: lambda work, actor, tablet_id, form: positions.request_position(
        work, actor, tablet_id, form.required_reason
    ),
    LifeAct.MOVE: lambda work, actor, tablet_id, form: inventory.set_inventory_state(
        work, actor, _lock(work, actor, tablet_id), form.state, form.required_reason
    ),
    LifeAct.WIPED: lambda work, actor, tablet_id, form: inventory.record_manual_wipe(
        work, actor, _lock(work, actor, tablet_id), form.required_reason
    ),
    LifeAct.ERASE: _erase,
    LifeAct.ACTIVATION_LOCK: lambda work, actor, tablet_id, form: enable_activation_lock(
        work, actor, tablets.get_tablet(work, actor, tablet_id), reason=form.required_reason
    ),
    LifeAct.RETIRE: lambda work, actor, tablet_id, form: inventory.retire_tablet(
        work, actor, _lock(work, actor, tablet_id), form.required_reason
    ),
    LifeAct.DISPOSE: _dispose,
    LifeAct.APPROVAL: lambda work, actor, tablet_id, form: approvals.request_approval(
        work, actor, _lock(work, actor, tablet_id, Permission.CARE), form.action, form.required_reason
    ),
}


def _render_life(
    request: Request,
    work: UnitOfWork,
    actor: Actor,
    tablet: Tablet,
    *,
    done: str = "",
    refusal: DomainError | None = None,
    act: LifeAct | None = None,
    form: LifeForm | None = None,
    position: dict[str, Any] | None = None,
) -> Response:
    language = get_language(request)
    show_times_in(places.get_town_zone(work, tablet.town_id))
    summary = load_summary(work, actor, tablet)
    possible = list_life_acts(actor, tablet, summary)
    return render_page(
        request,
        "tablets/life.html",
        notice=_WAITING.get(done, _DONE).translate(language) if done and refusal is None else "",
        erase=_describe_erase(work, actor, tablet, language),
        refusal=refusal,
        tablet=tablet,
        state=STATES[tablet.state].translate(language),
        acts=[
            {
                "value": each.value,
                "title": LIFE_ACTS[each][0].translate(language),
                "consequence": LIFE_ACTS[each][1].translate(language),
                "is_open": each is act,
            }
            for each in LifeAct
            if each in possible or each is act
        ],
        form=form or LifeForm(),
        answers=[(each.value, AGREEMENTS[each].translate(language)) for each in AgreementState],
        accessories=[
            (line.kind.value, ACCESSORIES[line.kind].translate(language)) for line in summary.accessories if line.lost_at is None
        ],
        moves=[(each.value, STATES[each].translate(language)) for each in MOVES if can_transition(tablet.state, each)],
        actions=[(each.value, APPROVALS[each].translate(language)) for each in ApprovalAction],
        waiting=_list_waiting(work, actor, tablet, language),
        positions=_list_positions(work, actor, tablet),
        position=position,
    )


def _describe_erase(work: UnitOfWork, actor: Actor, tablet: Tablet, language: Language) -> dict[str, Any] | None:
    """Return how far an erase is, in words: requested, on its way, confirmed or refused; None when none was requested."""
    progress = get_erase_progress(work, tablet.id)
    if progress is None:
        return None
    is_confirmed = progress.confirmed_at is not None
    return {
        "requested": format_instant(progress.requested_at),
        "confirmed": format_instant(progress.confirmed_at) if is_confirmed else "",
        "state": state_label(progress.state, language),
        "is_open": progress.state in OPEN_STATES,
        "is_sent": progress.state is CommandState.SENT,
        "cancel": f"/tablets/{tablet.id}/cancel/{progress.command_id}"
        if progress.state in UNSENT_STATES and actor.has_permission(Permission.CARE, tablet.town_id, tablet.school_id)
        else "",
    }


def _list_waiting(work: UnitOfWork, actor: Actor, tablet: Tablet, language: Language) -> list[dict[str, Any]]:
    """Return the acts that wait for a second person."""
    may_approve = actor.has_permission(Permission.GOVERN, tablet.town_id)
    return [
        {
            "address": f"/tablets/{tablet.id}/approvals/{row.id}/approve",
            "what": APPROVALS[row.action].translate(language),
            "why": row.reason,
            "at": format_instant(row.requested_at),
            "asks_decision": row.action is ApprovalAction.WRITE_OFF,
            "may_approve": may_approve and row.requested_by != actor.account_id,
        }
        for row in approvals.list_open_requests(work, actor, tablet)
    ]


def _list_positions(work: UnitOfWork, actor: Actor, tablet: Tablet) -> list[dict[str, Any]]:
    """Return the requests for the position of a lost tablet, without the positions: reading one is an act of its own."""
    may_approve = actor.has_permission(Permission.GOVERN, tablet.town_id)
    return [
        {
            "id": row.id,
            "why": row.reason,
            "at": format_instant(row.requested_at),
            "is_approved": row.approved_at is not None,
            "is_answered": row.answered_at is not None,
            "failure": row.failure_reason or "",
            "is_over": row.answered_at is None and row.expires_at <= work.now,
            "may_approve": may_approve and row.approved_at is None and row.requested_by != actor.account_id,
        }
        for row in positions.list_requests_of_tablet(work, actor, tablet)
    ]


def _describe_position(stored: str | None) -> dict[str, Any] | None:
    """Return what a tablet has answered: `latitude`, `longitude`, `accuracy_m` and `at`; None where it is purged."""
    if stored is None:
        return None
    answer: dict[str, Any] = json.loads(stored)
    return answer
