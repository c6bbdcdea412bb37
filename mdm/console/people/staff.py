"""The page of the adults of a town: who works where, which tablet each has, entering one by hand, lending, taking back, leaving."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cartable.errors import DomainError, Invalid
from cartable.i18n import Language, Message
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.joining import qr
from enrollment.joining import service as joining
from enrollment.joining.models import InvitationKind
from enrollment.joining.targets import InvitationSpec
from enrollment.people import staff
from enrollment.people.models import AssignmentKind
from enrollment.people.staff import StaffSummary
from enrollment.places import service as places
from enrollment.places.models import School, Town
from enrollment.tablets import custody, lookup, staff_loans
from enrollment.tablets.custody import HandoverForm
from enrollment.tablets.errors import UnknownScan
from enrollment.tablets.labels import CONDITIONS
from enrollment.tablets.models import AccessoryKind, Condition, Tablet
from mdm.accounts import administration
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
from mdm.console.people.labels import ASSIGNMENTS
from mdm.console.times import format_instant

router = APIRouter(prefix="/staff", include_in_schema=False, route_class=PageRoute)
_NOTICES = {"saved": Message("Saved."), "back": Message("The tablet is back. Erase it before somebody else gets it.")}
_BY_HAND = (AssignmentKind.MAIN, AssignmentKind.SUPPORT, AssignmentKind.AFTER_SCHOOL)


@router.get("")
def show_staff(request: Request, work: WorkDep, town: UUID | None = None, done: str = "") -> Response:
    """Show the adults of a town with their tablets; those who left and still have one come first."""
    actor, _ = require_sign_in(request, work)
    return _render_staff(request, work, actor, choose_town(work, actor, Permission.ROSTER, town), notice=done)


@router.post("/{town}/add")
def add_staff_member(
    request: Request,
    work: WorkDep,
    town: UUID,
    csrf: CsrfField,
    school_id: Annotated[UUID, Form()],
    last_name: Annotated[str, Form(max_length=300)],
    first_name: Annotated[str, Form(max_length=300)],
    email: Annotated[str, Form(max_length=200)] = "",
    kind: Annotated[AssignmentKind, Form()] = AssignmentKind.AFTER_SCHOOL,
    last_day: Annotated[str, Form(max_length=10)] = "",
) -> Response:
    """Enter an adult by hand."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)

    def add() -> None:
        staff.add_staff_member(
            work,
            actor,
            school_id,
            last_name=last_name,
            first_name=first_name,
            email=email,
            kind=kind,
            last_day=_parse_day(last_day),
        )

    typed = {"last_name": last_name, "first_name": first_name, "email": email, "last_day": last_day}
    return _answer(request, work, actor, town, attempt(work, add), typed=typed)


@router.post("/{town}/{staff_id}/lend")
def lend_tablet(
    request: Request,
    work: WorkDep,
    town: UUID,
    staff_id: UUID,
    csrf: CsrfField,
    scan: Annotated[str, Form(max_length=200)],
    signed_by: Annotated[str, Form(max_length=120)] = "",
    stays_at_school: Annotated[bool, Form()] = False,
) -> Response:
    """Hand a tablet over: by its tag, with the agreement signed or the tablet staying at school."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)

    def lend() -> None:
        found = lookup.find_by_scan(work, actor, town, scan, UnknownScan(field="scan"))
        tablet = lookup.get_tablet_for_update(work, actor, found.id)
        form = HandoverForm(signed_by=signed_by.strip() or None, stays_at_school=stays_at_school)
        staff_loans.hand_over_to_staff(work, actor, tablet, staff_id, form)

    return _answer(request, work, actor, town, attempt(work, lend))


@router.post("/{town}/return/{tablet_id}")
def take_back(
    request: Request,
    work: WorkDep,
    town: UUID,
    tablet_id: UUID,
    csrf: CsrfField,
    condition: Annotated[Condition, Form()] = Condition.GOOD,
) -> Response:
    """Take a tablet back with all that was lent with it."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    refusal = attempt(
        work,
        lambda: custody.take_back(
            work, actor, lookup.get_tablet_for_update(work, actor, tablet_id), condition, tuple(AccessoryKind)
        ),
    )
    return _answer(request, work, actor, town, refusal, done="back")


@router.post("/{town}/{staff_id}/leave")
def record_departure(request: Request, work: WorkDep, town: UUID, staff_id: UUID, csrf: CsrfField) -> Response:
    """Record that a person leaves today. A tablet stays on the list until it is back."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    return _answer(request, work, actor, town, attempt(work, lambda: staff.record_departure(work, actor, staff_id)))


@router.post("/{town}/{staff_id}/invite")
def invite_tablet(request: Request, work: WorkDep, town: UUID, staff_id: UUID, csrf: CsrfField) -> Response:
    """Make an invitation for the person's tablet, and show its code."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    chosen = choose_town(work, actor, Permission.ROSTER, town)
    invitation = joining.create_invitations(work, actor, InvitationSpec(InvitationKind.STAFF, chosen.id, staff_ids=(staff_id,)))[
        0
    ]
    url = joining.build_join_url(work, invitation)
    return render_page(
        request,
        "people/staff_invitation.html",
        town=chosen,
        url=url,
        code=qr.render_svg(url).decode(),
        until=format_instant(invitation.expires_at),
    )


def _parse_day(text: str) -> date | None:
    """Return the day of a form, None for an empty one. Raises `Invalid`."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise Invalid(field="last_day") from None


def _answer(
    request: Request,
    work: UnitOfWork,
    actor: Actor,
    town_id: UUID,
    refusal: DomainError | None,
    *,
    typed: dict[str, str] | None = None,
    done: str = "saved",
) -> Response:
    town = choose_town(work, actor, Permission.ROSTER, town_id)
    if refusal is None:
        return RedirectResponse(f"/staff?town={town.id}&done={done}", status_code=303)
    return _render_staff(request, work, actor, town, refusal=refusal, typed=typed)


def _render_staff(
    request: Request,
    work: UnitOfWork,
    actor: Actor,
    town: Town,
    *,
    notice: str = "",
    refusal: DomainError | None = None,
    typed: dict[str, str] | None = None,
) -> Response:
    language = get_language(request)
    rows = staff.list_staff(work, actor, town.id)
    tablets = staff_loans.list_tablets_of_staff(work, [row.member for row in rows])
    schools = places.list_schools(work, actor, town.id)
    names = {school.id: school.name for school in schools}
    shown = [row for row in rows if not row.has_left or row.member.id in tablets]
    leavers = {row.member.email: row.member for row in rows if row.has_left and row.member.email}
    open_accounts = administration.list_accounts_of_people(work, actor, town.id, leavers.keys())
    described = [_describe(row, tablets.get(row.member.id), names, language) for row in shown]
    return render_page(
        request,
        "people/staff.html",
        notice=_NOTICES[notice].translate(language) if notice in _NOTICES else "",
        refusal=refusal,
        town=town,
        towns=list_permitted_towns(work, actor, Permission.ROSTER),
        left_behind=[row for row in described if row["has_left"]],
        open_accounts=[
            {"name": f"{leavers[login].first_name} {leavers[login].last_name}", "login": login, "id": account.id}
            for login, account in open_accounts.items()
        ],
        rows=[row for row in described if not row["has_left"]],
        schools=_list_own_schools(actor, town, schools),
        kinds=[(kind.value, ASSIGNMENTS[kind].translate(language)) for kind in _BY_HAND],
        conditions=[(each.value, CONDITIONS[each].translate(language)) for each in Condition],
        may_lend=actor.has_permission_somewhere(Permission.HANDLE, town.id),
        typed=typed or {},
    )


def _list_own_schools(actor: Actor, town: Town, schools: Any) -> list[School]:
    return [school for school in schools if actor.has_permission(Permission.ROSTER, town.id, school.id)]


def _describe(row: StaffSummary, tablet: Tablet | None, names: dict[UUID, str], language: Language) -> dict[str, Any]:
    return {
        "id": row.member.id,
        "name": f"{row.member.first_name} {row.member.last_name}",
        "has_left": row.has_left,
        "work": sorted(
            {f"{ASSIGNMENTS[each.kind].translate(language)}, {names.get(each.school_id, '–')}" for each in row.assignments}
        ),
        "tablet_id": tablet.id if tablet is not None else "",
        "tag": tablet.tag if tablet is not None else "",
    }
