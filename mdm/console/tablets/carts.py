"""The pages of carts: a school's cart is made, and its tablets go into the slots and out of them by their tags. Holds no rules."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cartable.errors import DomainError
from cartable.i18n import Message
from cartable.paging import MAX_CURSOR_LENGTH, PageRequest
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.places import service as places
from enrollment.places.models import Town
from enrollment.tablets import carts
from enrollment.tablets.labels import STATES
from mdm.api.deps import WorkDep
from mdm.console.forms import CsrfField, attempt
from mdm.console.frame import (
    check_csrf,
    choose_town,
    get_language,
    list_permitted_towns,
    render_page,
    require_sign_in,
)
from mdm.console.page_route import PageRoute

router = APIRouter(prefix="/carts", include_in_schema=False, route_class=PageRoute)
_NOTICES = {
    "created": Message("The cart is there. Put a tablet into each slot."),
    "saved": Message("Saved. The tablet follows at its next contact."),
}
SlotField = Annotated[int, Form(ge=1, le=carts.MAX_SLOTS)]


@router.get("")
def show_carts(request: Request, work: WorkDep, town: UUID | None = None, after: str = "") -> Response:
    """Show the carts of a town by school."""
    actor, _ = require_sign_in(request, work)
    return _render_carts(request, work, actor, choose_town(work, actor, Permission.HANDLE, town), after=after)


@router.post("/{town}/create")
def create_cart(
    request: Request,
    work: WorkDep,
    town: UUID,
    csrf: CsrfField,
    school_id: Annotated[UUID, Form()],
    label: Annotated[str, Form(min_length=1, max_length=80)],
    slots: SlotField = 15,
) -> Response:
    """Make a cart with empty slots, and show it."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    chosen = choose_town(work, actor, Permission.HANDLE, town)
    made: list[UUID] = []
    refusal = attempt(work, lambda: made.append(carts.create_cart(work, actor, school_id, label.strip(), slots).id))
    if refusal is not None:
        return _render_carts(request, work, actor, chosen, refusal=refusal, typed={"label": label, "slots": str(slots)})
    return RedirectResponse(f"/carts/{made[0]}?done=created", status_code=303)


@router.get("/{cart_id}")
def show_cart(request: Request, work: WorkDep, cart_id: UUID, done: str = "") -> Response:
    """Show the slots of a cart with their tablets."""
    actor, _ = require_sign_in(request, work)
    return _render_cart(request, work, actor, cart_id, notice=done)


@router.post("/{cart_id}/put")
def put_tablet(
    request: Request,
    work: WorkDep,
    cart_id: UUID,
    csrf: CsrfField,
    number: SlotField,
    scan: Annotated[str, Form(min_length=1, max_length=200)],
) -> Response:
    """Put the scanned tablet into a slot; the former one goes to stock."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    refusal = attempt(work, lambda: carts.put_in_slot(work, actor, cart_id, number, scan))
    return _answer(request, work, actor, cart_id, refusal, number, scan)


@router.post("/{cart_id}/empty")
def empty_slot(request: Request, work: WorkDep, cart_id: UUID, csrf: CsrfField, number: SlotField) -> Response:
    """Take the tablet out of a slot; it goes to stock."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    return _answer(request, work, actor, cart_id, attempt(work, lambda: carts.empty_slot(work, actor, cart_id, number)))


def _answer(
    request: Request,
    work: UnitOfWork,
    actor: Actor,
    cart_id: UUID,
    refusal: DomainError | None,
    number: int = 0,
    scan: str = "",
) -> Response:
    if refusal is not None:
        return _render_cart(request, work, actor, cart_id, refusal=refusal, number=number, scan=scan)
    return RedirectResponse(f"/carts/{cart_id}?done=saved", status_code=303)


def _render_carts(
    request: Request,
    work: UnitOfWork,
    actor: Actor,
    town: Town,
    *,
    after: str = "",
    refusal: DomainError | None = None,
    typed: dict[str, str] | None = None,
) -> Response:
    page = carts.list_carts(work, actor, town.id, None, PageRequest(cursor=after[:MAX_CURSOR_LENGTH] or None))
    schools = places.list_schools(work, actor, town.id)
    names = {school.id: school.name for school in schools}
    return render_page(
        request,
        "tablets/carts.html",
        refusal=refusal,
        town=town,
        towns=list_permitted_towns(work, actor, Permission.HANDLE),
        carts=[(cart.id, cart.label, names.get(cart.school_id, "–")) for cart in page.items],
        schools=[(each.id, each.name) for each in schools if actor.has_permission(Permission.HANDLE, town.id, each.id)],
        most=carts.MAX_SLOTS,
        next_url=f"/carts?town={town.id}&after={page.next_cursor}" if page.next_cursor else "",
        typed=typed or {},
    )


def _render_cart(
    request: Request,
    work: UnitOfWork,
    actor: Actor,
    cart_id: UUID,
    *,
    notice: str = "",
    refusal: DomainError | None = None,
    number: int = 0,
    scan: str = "",
) -> Response:
    language = get_language(request)
    cart, contents = carts.get_cart_contents(work, actor, cart_id)
    return render_page(
        request,
        "tablets/cart.html",
        notice=_NOTICES[notice].translate(language) if notice in _NOTICES else "",
        refusal=refusal,
        cart=cart,
        slots=[
            {
                "number": each.slot.number,
                "tablet_id": each.tablet.id if each.tablet is not None else None,
                "tag": each.tablet.tag if each.tablet is not None else "",
                "state": STATES[each.tablet.state].translate(language) if each.tablet is not None else "",
            }
            for each in contents
        ],
        first_empty=number or next((each.slot.number for each in contents if each.tablet is None), 1),
        may_handle=actor.has_permission(Permission.HANDLE, cart.town_id, cart.school_id),
        scan=scan,
    )
