"""The page of tablets that are still to come: for whom they are reserved, and the invitations by which they join. Holds no rules."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cartable.errors import DomainError
from cartable.i18n import Language, Message
from cartable.paging import MAX_CURSOR_LENGTH, PageRequest
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.joining import reservations
from enrollment.joining import service as joining
from enrollment.joining.labels import INVITED, RESERVED
from enrollment.joining.models import Invitation, InvitationKind
from enrollment.joining.repository import InvitationRepository
from enrollment.joining.reservation_repository import ReservationRepository
from enrollment.joining.targets import InvitationSpec
from enrollment.people import service as people
from enrollment.places import service as places
from enrollment.places.models import Town
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
from mdm.console.times import format_instant

router = APIRouter(prefix="/coming", include_in_schema=False, route_class=PageRoute)
_NOTICES = {
    "reserved": Message("Reserved. When the tablets enroll they need no invitation."),
    "invited": Message("The invitation is there. Show its code, or pass its address on."),
    "revoked": Message("The invitation is withdrawn. Tablets that have joined by it stay."),
    "withdrawn": Message("The reservation is withdrawn."),
}
ClassField = Annotated[UUID, Form()]


@router.get("")
def show_coming(request: Request, work: WorkDep, town: UUID | None = None, after: str = "", done: str = "") -> Response:
    """Show the reservations and the open invitations of a town."""
    actor, _ = require_sign_in(request, work)
    return _render_coming(request, work, actor, choose_town(work, actor, Permission.HANDLE, town), after=after, notice=done)


@router.post("/{town}/reserve")
def reserve_tablets(
    request: Request,
    work: WorkDep,
    town: UUID,
    csrf: CsrfField,
    class_id: ClassField,
    serials: Annotated[str, Form(max_length=20_000)],
    for_pupils: Annotated[bool, Form()] = False,
) -> Response:
    """Reserve serial numbers for a class: one for each pupil without a tablet, or for the class itself."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    chosen = choose_town(work, actor, Permission.HANDLE, town)
    kind = InvitationKind.PUPIL if for_pupils else InvitationKind.CLASS
    spec = InvitationSpec(kind, chosen.id, class_id=class_id)
    refusal = attempt(work, lambda: reservations.reserve_tablets(work, actor, serials.split(), spec))
    typed = {"class_id": str(class_id), "serials": serials, "for_pupils": "true" if for_pupils else ""}
    return _answer(request, work, actor, chosen, refusal, "reserved", typed)


@router.post("/{town}/reservations/{tablet_id}/withdraw")
def withdraw_reservation(request: Request, work: WorkDep, town: UUID, tablet_id: UUID, csrf: CsrfField) -> Response:
    """Withdraw the reservation of a tablet."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    chosen = choose_town(work, actor, Permission.HANDLE, town)
    refusal = attempt(work, lambda: reservations.withdraw_reservation(work, actor, tablet_id))
    return _answer(request, work, actor, chosen, refusal, "withdrawn")


@router.post("/{town}/invite")
def invite_class(
    request: Request,
    work: WorkDep,
    town: UUID,
    csrf: CsrfField,
    class_id: ClassField,
    max_uses: Annotated[int, Form(ge=1, le=1000)] = 30,
    valid_days: Annotated[int, Form(ge=1, le=90)] = 14,
) -> Response:
    """Make an invitation for the tablets of a class."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    chosen = choose_town(work, actor, Permission.HANDLE, town)
    spec = InvitationSpec(InvitationKind.CLASS, chosen.id, class_id=class_id, max_uses=max_uses, valid_days=valid_days)
    return _answer(request, work, actor, chosen, attempt(work, lambda: joining.create_invitations(work, actor, spec)), "invited")


@router.post("/{town}/invitations/{invitation_id}/revoke")
def revoke_invitation(request: Request, work: WorkDep, town: UUID, invitation_id: UUID, csrf: CsrfField) -> Response:
    """Withdraw an invitation."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    chosen = choose_town(work, actor, Permission.HANDLE, town)
    refusal = attempt(work, lambda: joining.revoke_invitation(work, actor, invitation_id))
    return _answer(request, work, actor, chosen, refusal, "revoked")


def _answer(
    request: Request,
    work: UnitOfWork,
    actor: Actor,
    town: Town,
    refusal: DomainError | None,
    done: str,
    typed: dict[str, str] | None = None,
) -> Response:
    if refusal is not None:
        return _render_coming(request, work, actor, town, refusal=refusal, typed=typed)
    return RedirectResponse(f"/coming?town={town.id}&done={done}", status_code=303)


def _render_coming(
    request: Request,
    work: UnitOfWork,
    actor: Actor,
    town: Town,
    *,
    after: str = "",
    notice: str = "",
    refusal: DomainError | None = None,
    typed: dict[str, str] | None = None,
) -> Response:
    language = get_language(request)
    page = ReservationRepository(work.session).list_reservations(
        actor, town.id, PageRequest(cursor=after[:MAX_CURSOR_LENGTH] or None)
    )
    names = {school.id: school.name for school in places.list_schools(work, actor, town.id)}
    classes = [
        (row.id, f"{names.get(school_id, '–')} – {row.label}")
        for school_id, rows in people.list_classes_by_school(work, actor, town.id).items()
        for row in rows
        if actor.has_permission(Permission.HANDLE, town.id, school_id)
    ]
    labels = dict(classes)
    return render_page(
        request,
        "tablets/coming.html",
        notice=_NOTICES[notice].translate(language) if notice in _NOTICES else "",
        refusal=refusal,
        town=town,
        towns=list_permitted_towns(work, actor, Permission.HANDLE),
        reservations=[
            {
                "tablet_id": tablet.id,
                "serial": tablet.serial,
                "whom": RESERVED[row.kind].translate(language),
                "label": labels.get(row.class_id, "") if row.class_id is not None else "",
                "problem": row.problem or "",
            }
            for row, tablet in page.items
        ],
        next_url=f"/coming?town={town.id}&after={page.next_cursor}" if page.next_cursor else "",
        invitations=[
            _describe_invitation(work, row, labels, language)
            for row in InvitationRepository(work.session).list_open_invitations(actor, town.id, work.now)
        ],
        classes=sorted(classes, key=lambda each: each[1].casefold()),
        typed=typed or {},
    )


def _describe_invitation(work: UnitOfWork, row: Invitation, labels: dict[UUID, str], language: Language) -> dict[str, Any]:
    return {
        "id": row.id,
        "whom": INVITED[row.kind].translate(language),
        "label": labels.get(row.class_id, "") if row.class_id is not None else "",
        "url": joining.build_join_url(work, row),
        "uses": row.uses,
        "max_uses": row.max_uses,
        "until": format_instant(row.expires_at),
    }
