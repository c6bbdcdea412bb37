"""The operator's page of towns: making one for others, and appointing its first administrator. The operator sees into none."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cartable.errors import DomainError
from cartable.i18n import list_available_languages
from cartable.scope import Actor
from cartable.unit_of_work import UnitOfWork
from enrollment.places import towns
from enrollment.places.zones import HolidayZone
from mdm.accounts import links, operators
from mdm.accounts.links import NewLink
from mdm.api.deps import WorkDep
from mdm.console.accounts.new_link import render_new_link
from mdm.console.forms import CsrfField, attempt
from mdm.console.frame import check_csrf, get_language, render_page, require_sign_in
from mdm.console.page_route import PageRoute
from mdm.console.schedule.labels import ZONES

PAGE = "/towns"
router = APIRouter(prefix=PAGE, include_in_schema=False, route_class=PageRoute)


@router.get("")
def show_towns(request: Request, work: WorkDep) -> Response:
    """Show all towns by name, and which of them wait for an administrator."""
    actor, _ = require_sign_in(request, work)
    return _render(request, work, actor)


@router.post("")
def create_town(
    request: Request,
    work: WorkDep,
    csrf: CsrfField,
    name: Annotated[str, Form(max_length=400)],
    zone: Annotated[HolidayZone, Form()] = HolidayZone.C,
    host: Annotated[str, Form(max_length=400)] = "",
) -> Response:
    """Make a town that others will administer."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    refusal = attempt(work, lambda: towns.create_town(work, actor, name=name, zone=zone, host=host))
    if refusal is not None:
        return _render(request, work, actor, refusal=refusal, values={"name": name, "zone": zone.value, "host": host})
    return RedirectResponse(PAGE, status_code=303)


@router.post("/technicians")
def invite_technician(
    request: Request,
    work: WorkDep,
    csrf: CsrfField,
    login: Annotated[str, Form(min_length=2, max_length=200)],
    display_name: Annotated[str, Form(min_length=1, max_length=200)],
    language: Annotated[str, Form(max_length=16)] = "fr",
) -> Response:
    """Make the account of a technician whom towns call by missions, and show the link to pass on."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    made: list[NewLink] = []

    def invite() -> None:
        made.append(links.invite_shared_technician(work, actor, login=login, display_name=display_name, language=language))

    refusal = attempt(work, invite)
    if refusal is not None:
        values = {"town_id": "technician", "login": login, "display_name": display_name}
        return _render(request, work, actor, refusal=refusal, values=values)
    return render_new_link(request, made[0], back=PAGE)


@router.post("/{town_id}/administrators")
def appoint_administrator(
    request: Request,
    work: WorkDep,
    town_id: UUID,
    csrf: CsrfField,
    login: Annotated[str, Form(min_length=2, max_length=200)],
    display_name: Annotated[str, Form(min_length=1, max_length=200)],
    email: Annotated[str, Form(max_length=200)] = "",
    language: Annotated[str, Form(max_length=16)] = "fr",
) -> Response:
    """Make the account of a town's first administrator, and show the link to pass on."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    made: list[NewLink] = []

    def appoint() -> None:
        made.append(
            operators.appoint_administrator(
                work, actor, town_id, login=login, display_name=display_name, email=email or None, language=language
            )
        )

    refusal = attempt(work, appoint)
    if refusal is not None:
        values = {"town_id": str(town_id), "login": login, "display_name": display_name, "email": email}
        return _render(request, work, actor, refusal=refusal, values=values)
    return render_new_link(request, made[0], back=PAGE)


@router.post("/{town_id}/administrators/{account_id}/link")
def renew_link(request: Request, work: WorkDep, town_id: UUID, account_id: UUID, csrf: CsrfField) -> Response:
    """Show a new link for a first administrator who has not used the former one."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    return render_new_link(request, operators.renew_administrator_link(work, actor, town_id, account_id), back=PAGE)


def _render(
    request: Request,
    work: UnitOfWork,
    actor: Actor,
    *,
    refusal: DomainError | None = None,
    values: dict[str, Any] | None = None,
) -> Response:
    language = get_language(request)
    rows = operators.list_towns(work, actor)
    return render_page(
        request,
        "system/towns.html",
        refusal=refusal,
        rows=rows,
        values=values or {},
        zone_names=[(each.value, ZONES[each].translate(language)) for each in HolidayZone],
        language_names=[(each.code, each.name) for each in list_available_languages()],
    )
