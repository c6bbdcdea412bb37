"""The page of the Setup Assistant: what a new or erased iPad shows before it is used, and the school to which new ones go. Holds no rules."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from cartable.errors import DomainError
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.joining.ade import service
from enrollment.joining.ade.models import AdeServer
from enrollment.joining.ade.service import SetupAssistantOptions
from enrollment.places import service as places
from mdm.api.deps import WorkDep
from mdm.console.forms import attempt, parse_optional_id
from mdm.console.frame import FieldsDep, check_csrf, get_language, render_page, require_sign_in
from mdm.console.page_route import PageRoute
from mdm.console.setup.apple_school_manager import PAGE, redirect_to_servers
from mdm.console.setup.panes import PANES

router = APIRouter(prefix=PAGE, include_in_schema=False, route_class=PageRoute)
_PANE = "pane-"


@router.get("/servers/{server_id}/profile")
def show_setup_assistant(request: Request, work: WorkDep, server_id: UUID) -> Response:
    """Show what tablets of a server show at first."""
    actor, _ = require_sign_in(request, work)
    server = service.get_server(work, actor, server_id, Permission.GOVERN)
    options = SetupAssistantOptions(
        server.department, server.support_phone, server.support_email, tuple(server.skip_setup_items), server.school_id
    )
    return _render(request, work, actor, server, options)


@router.post("/servers/{server_id}/profile")
def set_setup_assistant(request: Request, work: WorkDep, server_id: UUID, fields: FieldsDep) -> Response:
    """Keep what tablets of a server show at first."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, fields.get("csrf", ""))
    server = service.get_server(work, actor, server_id, Permission.GOVERN)
    options = _read_options(server, fields)
    refusal = attempt(work, lambda: service.update_setup_assistant(work, actor, server_id, options))
    if refusal is not None:
        return _render(request, work, actor, server, options, refusal=refusal)
    return redirect_to_servers(server.town_id, "profile")


def _read_options(server: AdeServer, fields: Mapping[str, str]) -> SetupAssistantOptions:
    """Return the options of the form. A pane that has no name here, and that a program has set, stays as it is.

    Raises `Invalid` for a school that is no id.
    """
    skipped = {name.removeprefix(_PANE) for name in fields if name.startswith(_PANE)} & PANES.keys()
    return SetupAssistantOptions(
        fields.get("department", "").strip()[:80],
        fields.get("phone", "").strip()[:40],
        fields.get("email", "").strip()[:120],
        tuple(sorted(skipped | (set(server.skip_setup_items) - PANES.keys()))),
        parse_optional_id(fields.get("school", ""), "school"),
    )


def _render(
    request: Request,
    work: UnitOfWork,
    actor: Actor,
    server: AdeServer,
    options: SetupAssistantOptions,
    refusal: DomainError | None = None,
) -> Response:
    language = get_language(request)
    panes = sorted((label.translate(language), key) for key, label in PANES.items())
    return render_page(
        request,
        "setup/setup_assistant.html",
        refusal=refusal,
        server=server,
        options=options,
        schools=[(str(school.id), school.name) for school in places.list_schools(work, actor, server.town_id)],
        chosen_school=str(options.school_id or ""),
        panes=[(key, label, key in options.skip_setup_items) for label, key in panes],
    )
