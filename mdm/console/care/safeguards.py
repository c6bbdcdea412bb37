"""The page of the safeguards: alarms, the stop switch, the budget and its extensions. Holds no rules."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cartable import alarms
from cartable.alarms import Alarm
from cartable.i18n import Language, Message
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.safeguards import budget, extensions, stop_switch
from enrollment.safeguards.models import BudgetExtension
from enrollment.safeguards.rules import MAX_EXTENSION, count_remaining_tablets
from mdm.api.deps import WorkDep
from mdm.console.frame import (
    PageRoute,
    check_csrf,
    format_instant,
    get_language,
    list_permitted_towns,
    render_page,
    require_sign_in,
    select_town,
)

_NOTICES = {
    "stopped": Message("Stopped. Two people are needed to release it."),
    "asked": Message("Requested. Another person must approve."),
    "done": Message("Done."),
}
router = APIRouter(include_in_schema=False, route_class=PageRoute)
CsrfField = Annotated[str, Form(max_length=200)]
ReasonField = Annotated[str, Form(min_length=3, max_length=300)]


@router.get("/safeguards")
def show_safeguards(request: Request, work: WorkDep, town: UUID | None = None, done: str = "") -> Response:
    """Show alarms, stop switch and budget of a town."""
    actor, _ = require_sign_in(request, work)
    chosen = select_town(list_permitted_towns(work, actor, Permission.CARE), town)
    actor.require_permission(Permission.CARE, chosen.id)
    language, governs = get_language(request), actor.has_permission(Permission.GOVERN, chosen.id)
    switch = stop_switch.get_stop_switch(work, actor, chosen.id)
    state = budget.get_budget(work, actor, chosen.id)
    return render_page(
        request,
        "care/safeguards.html",
        notice=_NOTICES[done].translate(language) if done in _NOTICES else "",
        town=chosen,
        governs=governs,
        alarms=[describe_alarm(row, language) for row in alarms.list_alarms(work, actor, chosen.id).items] if governs else [],
        stopped=language.gettext("Stopped since {at}", at=format_instant(switch.stopped_at))
        if switch and switch.stopped_at
        else "",
        stop_reason=switch.reason if switch else "",
        release=switch.release_reason if switch and switch.release_requested_at else "",
        may_release=switch is not None and switch.release_requested_by != actor.account_id,
        remaining=language.gettext(
            "Left for you at this moment: {count} tablets", count=count_remaining_tablets(state.limits, state.spending)
        ),
        most=MAX_EXTENSION,
        extensions=[
            _describe_extension(row, actor, language) for row in extensions.list_extensions(work, actor, chosen.id).items
        ],
    )


@router.post("/safeguards/{town}/stop")
def stop_destructive_commands(request: Request, work: WorkDep, town: UUID, csrf: CsrfField, reason: ReasonField) -> Response:
    """Set the stop switch."""
    _enter(request, work, csrf)(stop_switch.stop, town, reason)
    return _redirect(town, "stopped")


@router.post("/safeguards/{town}/release")
def request_release(request: Request, work: WorkDep, town: UUID, csrf: CsrfField, reason: ReasonField) -> Response:
    """Request the release of the stop switch."""
    _enter(request, work, csrf)(stop_switch.request_release, town, reason)
    return _redirect(town, "asked")


@router.post("/safeguards/{town}/release/approve")
def approve_release(request: Request, work: WorkDep, town: UUID, csrf: CsrfField) -> Response:
    """Approve the release that another person has requested."""
    _enter(request, work, csrf)(stop_switch.approve_release, town)
    return _redirect(town, "done")


@router.post("/safeguards/{town}/extensions")
def request_extension(
    request: Request,
    work: WorkDep,
    town: UUID,
    csrf: CsrfField,
    tablets: Annotated[int, Form(ge=1, le=MAX_EXTENSION)],
    reason: ReasonField,
) -> Response:
    """Request more budget."""
    _enter(request, work, csrf)(extensions.request_extension, town, tablets, reason)
    return _redirect(town, "asked")


@router.post("/safeguards/{town}/extensions/{extension_id}/{act}")
def decide_extension(request: Request, work: WorkDep, town: UUID, extension_id: UUID, act: str, csrf: CsrfField) -> Response:
    """Approve or cancel an extension."""
    _enter(request, work, csrf)(extensions.approve_extension if act == "approve" else extensions.cancel_extension, extension_id)
    return _redirect(town, "done")


@router.post("/safeguards/{town}/alarms/{alarm_id}/acknowledge")
def acknowledge_alarm(request: Request, work: WorkDep, town: UUID, alarm_id: UUID, csrf: CsrfField) -> Response:
    """Acknowledge an alarm."""
    _enter(request, work, csrf)(alarms.acknowledge_alarm, alarm_id)
    return _redirect(town, "done")


def describe_alarm(row: Alarm, language: Language) -> dict[str, Any]:
    """Return what pages show of an alarm."""
    return {
        "id": row.id,
        "town_id": row.town_id,
        "what": alarms.MESSAGES[row.kind].translate(language),
        "when": format_instant(row.raised_at),
        "is_open": row.acknowledged_at is None,
    }


def _enter(request: Request, work: UnitOfWork, csrf: str) -> Any:
    """Return a function that calls a service as the person who is signed in and has sent the form."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    return lambda service, *values: service(work, actor, *values)


def _describe_extension(row: BudgetExtension, actor: Actor, language: Language) -> dict[str, Any]:
    if row.cancelled_at is not None:
        state = language.gettext("cancelled on {at}", at=format_instant(row.cancelled_at))
    elif row.valid_from is not None:
        state = language.gettext(
            "valid from {first} to {last}", first=format_instant(row.valid_from), last=format_instant(row.valid_until)
        )
    else:
        state = language.gettext("waits for another person")
    return {
        "id": row.id, "tablets": row.tablets, "reason": row.reason, "state": state, "may_cancel": row.cancelled_at is None,
        "may_approve": row.cancelled_at is None and row.approved_at is None and row.requested_by != actor.account_id
        and actor.has_permission(Permission.DESTROY, row.town_id),
    }  # fmt: skip


def _redirect(town_id: UUID, done: str) -> Response:
    return RedirectResponse(f"/safeguards?{urlencode({'town': town_id, 'done': done})}", status_code=303)
