"""The page of the safeguards: the stop switch and what it holds, alarms, the budget and its extensions. Holds no rules."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cartable import alarms
from cartable.alarms import Alarm, AlarmKind
from cartable.i18n import Language, Message
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.safeguards import budget, extensions, stop_switch
from enrollment.safeguards.models import BudgetExtension
from enrollment.safeguards.rules import MAX_EXTENSION, count_remaining_tablets
from mdm.api.deps import WorkDep
from mdm.console.forms import CsrfField
from mdm.console.frame import check_csrf, get_language, list_permitted_towns, render_page, require_sign_in, select_town
from mdm.console.page_route import PageRoute
from mdm.console.times import format_instant
from mdm.queue import service as queue

_NOTICES = {
    "stopped": Message("Stopped. Two people are needed to release it."),
    "asked": Message("Requested. Another person must approve."),
    "done": Message("Done."),
}
router = APIRouter(include_in_schema=False, route_class=PageRoute)
ReasonField = Annotated[str, Form(min_length=3, max_length=300)]


@router.get("/safeguards")
def show_safeguards(request: Request, work: WorkDep, town: UUID | None = None, done: str = "") -> Response:
    """Show stop switch, alarms and budget of a town. Who cares for the tablets of one school only sees whether it is stopped, and the budget."""
    actor, _ = require_sign_in(request, work)
    chosen = select_town(list_permitted_towns(work, actor, Permission.CARE), town)
    cares, governs = (actor.has_permission(each, chosen.id) for each in (Permission.CARE, Permission.GOVERN))
    language, state = get_language(request), budget.get_budget(work, actor, chosen.id)
    return render_page(
        request,
        "care/safeguards.html",
        notice=_NOTICES[done].translate(language) if done in _NOTICES else "",
        town=chosen,
        cares=cares,
        governs=governs,
        is_stopped=stop_switch.is_stopped(work, chosen.id),
        alarms=[describe_alarm(row, language, actor) for row in alarms.list_alarms(work, actor, chosen.id).items]
        if governs
        else [],
        remaining=language.gettext(
            "Left for you at this moment: {count} tablets", count=count_remaining_tablets(state.limits, state.spending)
        ),
        most=MAX_EXTENSION,
        **(_describe_town(work, actor, chosen.id, language) if cares else {}),
    )


def _describe_town(work: UnitOfWork, actor: Actor, town_id: UUID, language: Language) -> dict[str, Any]:
    """Return what those see who care for the tablets of the whole town: the switch, what it holds, and extensions."""
    switch = stop_switch.get_stop_switch(work, actor, town_id)
    is_stopped = switch is not None and switch.stopped_at is not None
    return {
        "stopped": language.gettext("Stopped since {at}", at=format_instant(switch.stopped_at)) if switch and is_stopped else "",
        "stop_reason": switch.reason if switch else "",
        "release": switch.release_reason if switch and switch.release_requested_at else "",
        "may_release": switch is not None and switch.release_requested_by != actor.account_id,
        "held": [
            {"id": command.id, "tablet_id": tablet.id, "tag": tablet.tag, "by": body.requested_by_name,
             "until": format_instant(command.deadline)}
            for command, body, tablet in queue.list_undelivered_destructive(work, actor, town_id).items
        ],
        "extensions": [_describe_extension(row, actor, language) for row in extensions.list_extensions(work, actor, town_id).items],
    }  # fmt: skip


@router.post("/safeguards/{town}/held/{command_id}/cancel")
def cancel_held_command(request: Request, work: WorkDep, town: UUID, command_id: int, csrf: CsrfField) -> Response:
    """Cancel a destructive command that no tablet has received."""
    _enter(request, work, csrf)(queue.cancel_command, command_id)
    return _redirect(town, "done")


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


def describe_alarm(row: Alarm, language: Language, actor: Actor) -> dict[str, Any]:
    """Return what pages show of an alarm."""
    return {
        "id": row.id,
        "town_id": row.town_id,
        "what": alarms.describe_alarm(row, language),
        "address": _find_page(row),
        "when": format_instant(row.raised_at),
        "is_open": row.acknowledged_at is None,
        "may_acknowledge": row.acknowledged_at is None and (row.town_id is not None or actor.operates()),
    }


def _find_page(row: Alarm) -> str:
    """Return the address at which a person decides what an alarm is about; empty where there is none of its own."""
    if row.kind is AlarmKind.FILTER_LISTS_WITHHELD:
        return f"/filter-lists/releases?town={row.town_id}"
    return f"/tablets/{row.details['tablet_id']}" if row.kind is AlarmKind.TABLET_CLAIMED else ""


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
