"""The page of the first tablet: a QR code that a real iPad scans, and what has arrived by it. It moves on by itself."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from cartable.errors import NotFound
from cartable.scope import Permission
from enrollment.joining import qr
from enrollment.joining import service as joining
from enrollment.joining.models import Invitation, InvitationKind
from enrollment.joining.repository import InvitationRepository
from enrollment.joining.targets import InvitationSpec
from mdm.api.deps import WorkDep
from mdm.console.forms import CsrfField
from mdm.console.frame import (
    check_csrf,
    choose_town,
    get_language,
    render_page,
    require_sign_in,
)
from mdm.console.labels import LABEL_AND_VALUE
from mdm.console.page_route import PageRoute
from mdm.console.setup.labels import REFUSALS
from mdm.console.times import format_instant
from mdm.push.certificates import get_certificate_health

router = APIRouter(prefix="/start/tablet", include_in_schema=False, route_class=PageRoute)
MAX_TABLETS, VALID_DAYS = 20, 7
#: The page asks again after so many seconds.


@router.get("")
def show_first_tablet(request: Request, work: WorkDep, town: UUID | None = None) -> Response:
    """Show the code of the open invitation for this page, and the tablets that came by it; without one, the button that makes it."""
    actor, _ = require_sign_in(request, work)
    chosen = choose_town(work, actor, Permission.HANDLE, town)
    repository = InvitationRepository(work.session)
    invitation = repository.find_open_for_stock(chosen.id, actor.account_id, work.now)
    tablets = repository.list_tablets_of_invitation(invitation.id) if invitation is not None else []
    return render_page(
        request,
        "setup/first_tablet.html",
        town=chosen,
        invitation=invitation,
        url=joining.build_join_url(work, invitation) if invitation is not None else "",
        until=format_instant(invitation.expires_at) if invitation is not None else "",
        tablets=[{"id": tablet.id, "tag": tablet.tag, "serial": tablet.serial} for tablet in tablets],
        refused_tablet=_describe_refusal(request, invitation),
        lacks_certificate=not get_certificate_health(work).installed,
        waits=invitation is not None and invitation.uses < invitation.max_uses,
    )


@router.post("/{town}/invitation")
def create_invitation(request: Request, work: WorkDep, town: UUID, csrf: CsrfField) -> Response:
    """Make the invitation of this page, unless there is one."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    chosen = choose_town(work, actor, Permission.HANDLE, town)
    if InvitationRepository(work.session).find_open_for_stock(chosen.id, actor.account_id, work.now) is None:
        spec = InvitationSpec(InvitationKind.STOCK, chosen.id, max_uses=MAX_TABLETS, valid_days=VALID_DAYS)
        joining.create_invitations(work, actor, spec)
    return RedirectResponse(f"/start/tablet?town={chosen.id}", status_code=303)


@router.get("/{town}/code.svg")
def show_code(request: Request, work: WorkDep, town: UUID) -> Response:
    """Return the QR code of the open invitation of this page. Raises `NotFound` without one."""
    actor, _ = require_sign_in(request, work)
    invitation = InvitationRepository(work.session).find_open_for_stock(
        choose_town(work, actor, Permission.HANDLE, town).id, actor.account_id, work.now
    )
    if invitation is None:
        raise NotFound
    svg = qr.render_svg(joining.build_join_url(work, invitation))
    return Response(svg, media_type="image/svg+xml", headers={"Cache-Control": "no-store"})


def _describe_refusal(request: Request, invitation: Invitation | None) -> str:
    """Return why the last device that tried to enroll was refused; empty without one."""
    if invitation is None or invitation.refusal is None:
        return ""
    return LABEL_AND_VALUE.translate(
        get_language(request), label=invitation.refused_device or "?", value=REFUSALS[invitation.refusal]
    )
