"""The acts of a tablet's page: commands with their consequence, the cancellation of one, the bypass code. Holds no rules."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cartable.i18n import Language
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.places.models import Town
from enrollment.tablets.models import Tablet
from mdm.api.deps import WorkDep
from mdm.care.commands import single
from mdm.care.commands.kinds import CommandKind
from mdm.console.care.command_forms import ParametersDep
from mdm.console.care.command_labels import CONSEQUENCES, KINDS, OBSTACLES, describe_delay
from mdm.console.forms import CsrfField
from mdm.console.frame import check_csrf, render_page, require_sign_in
from mdm.console.page_route import PageRoute
from mdm.console.times import format_instant
from mdm.queue import service as queue

router = APIRouter(prefix="/tablets/{tablet_id}", include_in_schema=False, route_class=PageRoute)
ReasonField = Annotated[str, Form(min_length=3, max_length=300)]


def describe_acts(work: UnitOfWork, actor: Actor, tablet: Tablet, language: Language) -> dict[str, Any] | None:
    """Return the commands that the page offers, and the bypass code's date; None for a person who may give none."""
    if not actor.has_permission(Permission.CARE, tablet.town_id, tablet.school_id):
        return None
    target, obstacles = single.list_obstacles(work, tablet.id)
    code = single.get_bypass_code(work, tablet.id)
    return {
        "is_off": target.is_off(work.now),
        "kinds": [
            {
                "kind": kind.value, "name": KINDS[kind].translate(language), "consequence": CONSEQUENCES[kind].translate(language),
                "delay": describe_delay(kind, language),
                "obstacle": OBSTACLES[obstacle].translate(language) if obstacle is not None else "",
            }
            for kind, obstacle in obstacles.items()
            if kind is not CommandKind.INSTALL_APP  # its button is beside each app
        ],
        "installs_apps": obstacles[CommandKind.INSTALL_APP] is None,
        "bypass_code": format_instant(code.received_at) if code is not None else "",
        "may_reveal": actor.has_permission(Permission.HANDLE, tablet.town_id, tablet.school_id),
    }  # fmt: skip


def get_town_phone(work: UnitOfWork, tablet: Tablet) -> str:
    """Return the number that people call about a tablet."""
    return work.session.get_one(Town, tablet.town_id).support_phone or ""


@router.post("/commands/{kind}")
def give_command(
    request: Request, tablet_id: UUID, kind: CommandKind, work: WorkDep, csrf: CsrfField, parameters: ParametersDep
) -> Response:
    """Give a command to the tablet."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    single.give_command(work, actor, tablet_id, kind, parameters)
    return RedirectResponse(f"/tablets/{tablet_id}?done=ordered", status_code=303)


@router.post("/cancel/{command_id}")
def cancel_command(request: Request, tablet_id: UUID, command_id: int, work: WorkDep, csrf: CsrfField) -> Response:
    """Cancel a command that has not left."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    queue.cancel_command(work, actor, command_id)
    return RedirectResponse(f"/tablets/{tablet_id}?done=noted", status_code=303)


@router.post("/bypass-code")
def reveal_bypass_code(request: Request, tablet_id: UUID, work: WorkDep, csrf: CsrfField, reason: ReasonField) -> Response:
    """Show the bypass code once: it is in this answer only."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    code = single.reveal_bypass_code(work, actor, tablet_id, reason)
    return render_page(request, "tablets/bypass_code.html", tablet_id=tablet_id, code=code)
