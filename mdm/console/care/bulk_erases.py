"""The page of erases in bulk: one person requests, another approves, both can cancel in time. Holds no rules."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cartable.i18n import Language, Message
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.places.models import Town
from mdm.api.deps import WorkDep
from mdm.care.erasing import bulk
from mdm.care.erasing.models import BulkErase
from mdm.console.forms import CsrfField
from mdm.console.frame import (
    check_csrf,
    choose_town,
    get_language,
    render_page,
    require_sign_in,
)
from mdm.console.page_route import PageRoute
from mdm.console.times import format_instant

_NOTICES = {
    "asked": Message("Requested. Another person must approve."),
    "approved": Message("Approved. The commands are sent in half an hour."),
    "cancelled": Message("Cancelled. Nothing is sent."),
}
router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/erases")
def show_bulk_erases(request: Request, work: WorkDep, town: UUID | None = None, done: str = "") -> Response:
    """Show the tablets that wait to be erased and the erases in bulk of a town."""
    actor, _ = require_sign_in(request, work)
    return _render_bulk_erases(request, work, actor, choose_town(work, actor, Permission.CARE, town), done=done)


@router.post("/erases/{town}/ask")
def request_bulk_erase(
    request: Request,
    work: WorkDep,
    town: UUID,
    csrf: CsrfField,
    ticket: Annotated[str, Form(max_length=40, pattern=r"^[A-Za-z0-9#/_.-]{1,40}$")],
    reason: Annotated[str, Form(min_length=3, max_length=300)],
) -> Response:
    """Request the erase of every tablet returned in an open campaign."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    chosen = choose_town(work, actor, Permission.CARE, town)
    bulk.request_bulk_erase(
        work, actor, chosen.id, [tablet.id for tablet in bulk.list_erasable_tablets(work, actor, chosen.id)], reason, ticket
    )
    return _redirect(chosen.id, "asked")


@router.post("/erases/{town}/{bulk_id}/approve")
def approve_bulk_erase(request: Request, work: WorkDep, town: UUID, bulk_id: UUID, csrf: CsrfField) -> Response:
    """Approve what another person requested."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    chosen = choose_town(work, actor, Permission.CARE, town)
    bulk.approve_bulk_erase(work, actor, bulk_id)
    return _redirect(chosen.id, "approved")


@router.post("/erases/{town}/{bulk_id}/cancel")
def cancel_bulk_erase(request: Request, work: WorkDep, town: UUID, bulk_id: UUID, csrf: CsrfField) -> Response:
    """Cancel an erase in bulk before its commands are sent."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    bulk.cancel_bulk_erase(work, actor, bulk_id)
    return _redirect(town, "cancelled")


def _redirect(town_id: UUID, done: str) -> Response:
    return RedirectResponse(f"/erases?{urlencode({'town': town_id, 'done': done})}", status_code=303)


def _render_bulk_erases(request: Request, work: UnitOfWork, actor: Actor, town: Town, *, done: str = "") -> Response:
    language = get_language(request)
    may_ask = actor.has_permission(Permission.DESTROY, town.id)
    waiting = bulk.list_erasable_tablets(work, actor, town.id) if may_ask else ()
    return render_page(
        request,
        "care/bulk_erases.html",
        notice=_NOTICES[done].translate(language) if done in _NOTICES else "",
        town=town,
        may_ask=may_ask,
        waiting=language.gettext("Returned and not yet erased: {count}", count=len(waiting)),
        tags=[tablet.tag for tablet in waiting],
        rows=[_describe_bulk_erase(row, actor, language) for row in bulk.list_bulk_erases(work, actor, town.id).items],
    )


def _describe_bulk_erase(row: BulkErase, actor: Actor, language: Language) -> dict[str, Any]:
    if row.cancelled_at:
        state = language.gettext("cancelled on {at}", at=format_instant(row.cancelled_at))
    elif row.sent_at:
        state = language.gettext("sent on {at}", at=format_instant(row.sent_at))
    elif row.due_at:
        state = language.gettext("approved: will be sent on {at}", at=format_instant(row.due_at))
    else:
        state = language.gettext("waits for another person")
    is_over = bool(row.cancelled_at or row.sent_at)
    return {
        "id": row.id, "ticket": row.ticket, "asked": format_instant(row.requested_at), "state": state, "may_cancel": not is_over,
        "may_approve": not is_over and row.approved_at is None and row.requested_by != actor.account_id,
    }  # fmt: skip
