"""The page of missions: a technician shared by several towns is called for some days. Holds no rules."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cartable.errors import DomainError, Invalid
from cartable.i18n import Message
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from mdm.accounts import missions
from mdm.api.deps import WorkDep
from mdm.console.forms import CsrfField, attempt, parse_day
from mdm.console.frame import check_csrf, get_language, list_permitted_towns, render_page, require_sign_in, select_town
from mdm.console.page_route import PageRoute
from mdm.console.times import format_day

PAGE = "/missions"
router = APIRouter(prefix=PAGE, include_in_schema=False, route_class=PageRoute)
_NO_SUCH_TECHNICIAN = Message(
    "No technician of several towns has this login. Whoever operates the server enters them; people of this town get a role instead."
)


@router.get("")
def show_missions(request: Request, work: WorkDep, town_id: UUID | None = None) -> Response:
    """Show the missions of a town, and the form for another."""
    actor, _ = require_sign_in(request, work)
    return _render(request, work, actor, town_id)


@router.post("/{town_id}")
def create_mission(
    request: Request,
    work: WorkDep,
    town_id: UUID,
    csrf: CsrfField,
    login: Annotated[str, Form(min_length=2, max_length=200)],
    reason: Annotated[str, Form(min_length=3, max_length=200)],
    first_day: Annotated[str, Form(max_length=20)],
    last_day: Annotated[str, Form(max_length=20)],
) -> Response:
    """Call a technician for some days."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)

    def create() -> None:
        missions.create_mission(
            work, actor, town_id, login, _require_day(first_day, "first_day"), _require_day(last_day, "last_day"), reason
        )

    refusal = attempt(work, create)
    if refusal is not None:
        values = {"login": login, "reason": reason, "first_day": first_day, "last_day": last_day}
        return _render(request, work, actor, town_id, refusal=refusal, values=values)
    return RedirectResponse(f"{PAGE}?town_id={town_id}", status_code=303)


@router.post("/{mission_id}/end")
def end_mission(request: Request, work: WorkDep, mission_id: UUID, csrf: CsrfField) -> Response:
    """End a mission at once."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    mission = missions.end_mission(work, actor, mission_id)
    return RedirectResponse(f"{PAGE}?town_id={mission.town_id}", status_code=303)


def _require_day(text: str, field: str) -> date:
    day = parse_day(text, field)
    if day is None:
        raise Invalid(field=field)
    return day


def _render(
    request: Request,
    work: UnitOfWork,
    actor: Actor,
    town_id: UUID | None,
    *,
    refusal: DomainError | None = None,
    values: dict[str, Any] | None = None,
) -> Response:
    language = get_language(request)
    town = select_town(list_permitted_towns(work, actor, Permission.GOVERN), town_id)
    problem = refusal.translate(language) if refusal is not None else ""
    if refusal is not None and refusal.details.get("field") == "login":
        problem = _NO_SUCH_TECHNICIAN.translate(language)
    return render_page(
        request,
        "accounts/missions.html",
        status=refusal.status if refusal else 200,
        problem=problem,
        town=town,
        values=values or {},
        most=missions.MAX_DAYS,
        rows=[
            {"id": mission.id, "name": account.display_name, "login": account.login, "first": format_day(mission.first_day),
             "last": format_day(mission.last_day), "reason": mission.reason}
            for mission, account in missions.list_missions(work, actor, town.id).items
        ],
    )  # fmt: skip
