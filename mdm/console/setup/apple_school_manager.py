"""The page of Apple School Manager: device management servers with certificate and token, and what Apple says of them. Holds no rules."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response

from cartable.errors import DomainError
from cartable.expiry import get_warning_days
from cartable.i18n import Language, Message
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from cartable.uploads import hold_upload_slot
from enrollment.joining.ade import service
from enrollment.joining.ade.errors import OtherPortalServer
from enrollment.joining.ade.models import AdeServer
from enrollment.joining.ade.repository import AdeRepository
from enrollment.joining.ade.token import read_token
from enrollment.joining.apple_school_manager.repository import AssignmentStatus, OrganisationRepository
from enrollment.places.models import Town
from mdm.api.deps import RuntimeDep, WorkDep
from mdm.console.forms import CsrfField, attempt
from mdm.console.frame import (
    check_csrf,
    choose_town,
    get_language,
    render_page,
    require_sign_in,
)
from mdm.console.page_route import PageRoute, read_text_file
from mdm.console.setup.labels import ADE_ALARMS, KEY_KINDS
from mdm.console.times import format_day, format_instant

PAGE = "/apple-school-manager"
router = APIRouter(prefix=PAGE, include_in_schema=False, route_class=PageRoute)
_NOTICES = {
    "created": Message("The server is entered. Download its certificate, and go on with the next step."),
    "installed": Message("The token is stored. Apple's list of devices is being read; load this page again in a minute."),
    "profile": Message("Noted. New and erased tablets follow at their next activation."),
    "key": Message("The key is stored. The organisation's list of devices is being read; load this page again in a minute."),
    "asked": Message("Apple's list of devices is being read; load this page again in a minute."),
}


async def _read_token(request: Request) -> str:
    form = await request.form(max_files=1)
    return await read_text_file(form.get("token"))


TokenDep = Annotated[str, Depends(_read_token)]


@router.get("")
def show_servers(request: Request, work: WorkDep, town: UUID | None = None, done: str = "") -> Response:
    """Show the device management servers of a town, and the steps."""
    actor, _ = require_sign_in(request, work)
    return render_servers(request, work, actor, choose_town(work, actor, Permission.GOVERN, town), notice=done)


@router.post("/{town}/servers")
def create_server(
    request: Request, work: WorkDep, town: UUID, csrf: CsrfField, name: Annotated[str, Form(min_length=1, max_length=60)]
) -> Response:
    """Make a server with its key and certificate."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    chosen = choose_town(work, actor, Permission.GOVERN, town)
    refusal = attempt(work, lambda: service.create_server(work, actor, chosen.id, name.strip()))
    if refusal is not None:
        return render_servers(request, work, actor, chosen, refusal=refusal)
    return redirect_to_servers(chosen.id, "created")


@router.get("/servers/{server_id}/certificate.pem")
def download_certificate(request: Request, work: WorkDep, server_id: UUID) -> Response:
    """Return the certificate that Apple School Manager encrypts the token to."""
    actor, _ = require_sign_in(request, work)
    server = service.get_server(work, actor, server_id, Permission.GOVERN)
    headers = {"Content-Disposition": 'attachment; filename="cartable-assignment.pem"'}
    return Response(server.certificate, media_type="application/x-pem-file", headers=headers)


@router.post("/servers/{server_id}/token")
def install_token(
    request: Request,
    runtime: RuntimeDep,
    server_id: UUID,
    csrf: CsrfField,
    token: TokenDep,
    reason: Annotated[str, Form(max_length=300)] = "",
) -> Response:
    """Install the token. One of another entry of the portal needs a reason."""
    with runtime.open_unit_of_work() as work:
        actor, _ = require_sign_in(request, work)
        check_csrf(request, csrf)
        town_id = service.get_server(work, actor, server_id, Permission.GOVERN).town_id
        key = service.load_token_key(work, actor, server_id)
    try:
        with hold_upload_slot():
            server_token = read_token(token.encode(), *key)
        with runtime.open_unit_of_work() as work:
            service.store_token(work, actor, server_id, server_token, reason.strip() or None)
    except DomainError as refusal:
        with runtime.open_unit_of_work() as work:
            return render_servers(
                request, work, actor, choose_town(work, actor, Permission.GOVERN, town_id), refusal=refusal, refused_id=server_id
            )
    return redirect_to_servers(town_id, "installed")


@router.post("/servers/{server_id}/sync")
def request_sync(request: Request, work: WorkDep, server_id: UUID, csrf: CsrfField) -> Response:
    """Ask for Apple's list of devices now."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    return redirect_to_servers(service.request_sync(work, actor, server_id).town_id, "asked")


def redirect_to_servers(town_id: UUID, done: str) -> Response:
    """Lead back to the page of Apple School Manager, which says what was done."""
    return RedirectResponse(f"{PAGE}?town={town_id}&done={done}", status_code=303)


def render_servers(
    request: Request,
    work: UnitOfWork,
    actor: Actor,
    town: Town,
    *,
    notice: str = "",
    refusal: DomainError | None = None,
    refused_id: UUID | None = None,
) -> Response:
    """Return the page of Apple School Manager."""
    language = get_language(request)
    repository = AdeRepository(work.session)
    servers = repository.list_servers(actor, town.id)
    counts = repository.count_devices([server.id for server in servers])
    return render_page(
        request,
        "setup/apple_school_manager.html",
        notice=_NOTICES[notice].translate(language) if notice in _NOTICES else "",
        refusal=refusal,
        needs_reason=refused_id if isinstance(refusal, OtherPortalServer) else None,
        town=town,
        address=work.settings.public_url,
        key=_describe_key(work, town.id),
        key_kinds=[(kind.value, label.translate(language)) for kind, label in KEY_KINDS.items()],
        servers=[_describe_server(work, server, counts.get(server.id, {}), language) for server in servers],
    )


def _describe_key(work: UnitOfWork, town_id: UUID) -> dict[str, Any] | None:
    """Return the state of the town's key for Apple's API, without the key; None when there is none."""
    repository = OrganisationRepository(work.session)
    key = repository.get_key(town_id)
    if key is None:
        return None
    counts = repository.count_devices(town_id)
    return {
        "client_id": key.client_id,
        "key_id": key.key_id,
        "read": format_instant(key.synced_at) if key.synced_at else "",
        "problem": key.last_error or "",
        "needs_new_key": key.needs_new_key,
        "ours": counts.get(AssignmentStatus.OURS, 0),
        "without_server": counts.get(AssignmentStatus.NO_SERVER, 0),
        "elsewhere": counts.get(AssignmentStatus.OTHER_SERVER, 0),
    }


def _describe_server(work: UnitOfWork, server: AdeServer, counts: dict[str, int], language: Language) -> dict[str, Any]:
    expires_at = server.token_expires_at
    return {
        "id": server.id,
        "name": server.name,
        "portal_name": server.server_name or "",
        "has_token": server.token_secrets is not None,
        "expires": format_day(expires_at) if expires_at else "",
        "is_expiring": expires_at is not None and get_warning_days(work.now, expires_at) is not None,
        "read": format_instant(server.synced_at or server.full_fetch_at),
        "devices": counts.get("active", 0),
        "waiting": counts.get("waiting", 0),
        "alarm": ADE_ALARMS[server.alarm].translate(language) if server.alarm else "",
        "last_error": server.last_error or "",
    }
