"""Pages of accounts for administrators: the list, an invitation, one account with its roles, links, switch and sessions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cartable.errors import DomainError, Invalid
from cartable.i18n import Language, Message, list_available_languages
from cartable.paging import MAX_CURSOR_LENGTH, PageRequest
from cartable.scope import Actor, Permission, Role
from enrollment.people import service as people
from enrollment.people.repository import PeopleRepository
from enrollment.places import service as places
from enrollment.places.models import School, Town
from mdm.accounts import administration, links, roles, trust
from mdm.accounts.administration import AccountSummary
from mdm.accounts.models import AccountRole
from mdm.api.deps import WorkDep
from mdm.console.accounts.labels import ROLES
from mdm.console.accounts.new_link import render_new_link
from mdm.console.frame import check_csrf, get_language, list_permitted_towns, render_page, require_sign_in, select_town
from mdm.console.page_route import PageRoute
from mdm.console.times import format_day, format_instant

router = APIRouter(include_in_schema=False, route_class=PageRoute)
#: What an act has changed, by its name in the address.
_NOTICES: dict[str, Message] = {
    "role-given": Message("The role is given."),
    "role-ended": Message("The role has ended."),
    "disable": Message("The account is switched off, and its sessions have ended."),
    "enable": Message("The account is switched on."),
    "confirm": Message("You vouch for this account: it may be a second person from now on."),
    "end-sessions": Message("All sessions of this account have ended."),
    "reset-second-factors": Message("The second factors are removed. Whose role needs one sets it up at the next sign-in."),
}


@router.get("/accounts")
def show_accounts(request: Request, work: WorkDep, town_id: UUID | None = None, after: str = "") -> Response:
    """Show the accounts of a town, and the form of an invitation."""
    actor, _ = require_sign_in(request, work)
    return _render_list(request, work, actor, town_id, after=after)


@router.post("/accounts/invite")
def invite(
    request: Request,
    work: WorkDep,
    csrf: Annotated[str, Form()],
    town_id: Annotated[UUID, Form()],
    login: Annotated[str, Form()],
    display_name: Annotated[str, Form()],
    role: Annotated[Role, Form()],
    language: Annotated[str, Form()] = "fr",
    email: Annotated[str, Form()] = "",
    school_id: Annotated[str, Form()] = "",
    class_id: Annotated[str, Form()] = "",
    last_day: Annotated[str, Form()] = "",
) -> Response:
    """Create an account with its first role, and show the link to pass on."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    town = select_town(list_permitted_towns(work, actor, Permission.GOVERN), town_id)
    try:
        with work.session.begin_nested():
            link = links.invite(
                work, actor, login=login[:200], display_name=display_name[:200], email=email[:200], language=language, role=role,
                town_id=town.id, ends_at=_parse_end(last_day, town), **_parse_place(work, actor, school_id, class_id),
            )  # fmt: skip
    except DomainError as refusal:
        if refusal.status == 403:
            raise
        values = {"login": login, "display_name": display_name, "email": email, "role": role.value, "school_id": school_id,
                  "class_id": class_id, "last_day": last_day, "language": language}  # fmt: skip
        return _render_list(request, work, actor, town.id, refusal=refusal, values=values)
    return render_new_link(request, link, back=_get_account_address(link.account.id, town.id))


@router.get("/accounts/{account_id}")
def show_account(request: Request, account_id: UUID, town_id: UUID, work: WorkDep, done: str = "") -> Response:
    """Show one account of a town."""
    actor, _ = require_sign_in(request, work)
    return _render_account(request, work, actor, account_id, town_id, done=done)


@router.post("/accounts/{account_id}/link")
def create_link(
    request: Request, account_id: UUID, work: WorkDep, csrf: Annotated[str, Form()], town_id: Annotated[UUID, Form()]
) -> Response:
    """Make a new link, and show it to be passed on."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    town = select_town(list_permitted_towns(work, actor, Permission.GOVERN), town_id)
    link = links.create_link(work, actor, account_id, town.id)
    return render_new_link(request, link, back=_get_account_address(account_id, town.id))


@router.post("/accounts/{account_id}/roles")
def assign_role(
    request: Request,
    account_id: UUID,
    work: WorkDep,
    csrf: Annotated[str, Form()],
    town_id: Annotated[UUID, Form()],
    role: Annotated[Role, Form()],
    school_id: Annotated[str, Form()] = "",
    class_id: Annotated[str, Form()] = "",
    last_day: Annotated[str, Form()] = "",
) -> Response:
    """Give a further role."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    town = select_town(list_permitted_towns(work, actor, Permission.GOVERN), town_id)
    try:
        with work.session.begin_nested():
            roles.assign_role(
                work,
                actor,
                account_id,
                role=role,
                town_id=town.id,
                ends_at=_parse_end(last_day, town),
                **_parse_place(work, actor, school_id, class_id),
            )
    except Invalid as refusal:
        return _render_account(request, work, actor, account_id, town.id, refusal)
    return _redirect_to_account(account_id, town.id, "role-given")


@router.post("/accounts/{account_id}/roles/{role_id}/revoke")
def revoke_role(
    request: Request,
    account_id: UUID,
    role_id: UUID,
    work: WorkDep,
    csrf: Annotated[str, Form()],
    town_id: Annotated[UUID, Form()],
) -> Response:
    """End a role."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    roles.revoke_role(work, actor, account_id, role_id, town_id)
    return _redirect_to_account(account_id, town_id, "role-ended")


@router.post("/accounts/{account_id}/{act}")
def change_account(
    request: Request, account_id: UUID, act: str, work: WorkDep, csrf: Annotated[str, Form()], town_id: Annotated[UUID, Form()]
) -> Response:
    """Switch an account off or on, vouch for it, end its sessions, or reset its second factors."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    acts = {
        "disable": administration.disable_account,
        "enable": administration.enable_account,
        "confirm": trust.confirm_account,
        "end-sessions": administration.end_account_sessions,
        "reset-second-factors": administration.reset_second_factors,
    }
    if act not in acts:
        raise Invalid(field="act")
    acts[act](work, actor, account_id, town_id)
    return _redirect_to_account(account_id, town_id, act)


def _get_account_address(account_id: UUID, town_id: UUID) -> str:
    return f"/accounts/{account_id}?town_id={town_id}"


def _redirect_to_account(account_id: UUID, town_id: UUID, done: str) -> Response:
    return RedirectResponse(f"{_get_account_address(account_id, town_id)}&done={done}", status_code=303)


def _parse_place(work: WorkDep, actor: Actor, school_text: str, class_text: str) -> dict[str, UUID | None]:
    """Return school and class of a form, None for the whole town. The school of a chosen class follows from it. Raises `Invalid`."""
    try:
        school_id, class_id = (UUID(text) if text else None for text in (school_text, class_text))
    except ValueError:
        raise Invalid(field="school_id") from None
    school_class = PeopleRepository(work.session).find_class(actor, class_id) if class_id else None
    return {"school_id": school_class.school_id if school_class else school_id, "class_id": class_id}


def _parse_end(text: str, town: Town) -> datetime | None:
    """Return the end of the last day of a role, by the town's clock; None when there is none. Raises `Invalid`."""
    try:
        day = date.fromisoformat(text) if text else None
        return datetime.combine(day + timedelta(days=1), time(), ZoneInfo(town.time_zone)).astimezone(UTC) if day else None
    except (ValueError, OverflowError):
        raise Invalid(field="last_day") from None


def _render_list(
    request: Request,
    work: WorkDep,
    actor: Actor,
    town_id: UUID | None,
    *,
    after: str = "",
    refusal: DomainError | None = None,
    values: dict[str, str] | None = None,
) -> Response:
    language = get_language(request)
    towns = list_permitted_towns(work, actor, Permission.GOVERN)
    town = select_town(towns, town_id)
    page = administration.list_accounts(work, actor, town.id, PageRequest(cursor=after[:MAX_CURSOR_LENGTH] or None))
    schools = places.list_schools(work, actor, town.id)
    return render_page(
        request,
        "accounts/accounts.html",
        refusal=refusal,
        towns=towns,
        town=town,
        rows=[_describe_account(work, row, {school.id: school for school in schools}, language) for row in page.items],
        next_url=f"/accounts?town_id={town.id}&after={page.next_cursor}" if page.next_cursor else "",
        values=values or {},
        language_names=[(each.code, each.name) for each in list_available_languages()],
        **_list_choices(work, actor, town, schools, language),
    )


def _render_account(
    request: Request,
    work: WorkDep,
    actor: Actor,
    account_id: UUID,
    town_id: UUID,
    refusal: DomainError | None = None,
    *,
    done: str = "",
) -> Response:
    language = get_language(request)
    town = select_town(list_permitted_towns(work, actor, Permission.GOVERN), town_id)
    row = administration.get_account(work, actor, account_id, town.id)
    schools = places.list_schools(work, actor, town.id)
    return render_page(
        request,
        "accounts/account.html",
        refusal=refusal,
        notice=_NOTICES[done].translate(language) if done in _NOTICES else "",
        town=town,
        row=_describe_account(work, row, {school.id: school for school in schools}, language),
        is_own=account_id == actor.account_id,
        **_list_choices(work, actor, town, schools, language),
    )


def _list_choices(work: WorkDep, actor: Actor, town: Town, schools: Sequence[School], language: Language) -> dict[str, Any]:
    """Return the roles that the actor may give somewhere in the town, schools and this year's classes, for the fields of a form."""
    scopes = [None, *(school.id for school in schools)]
    grantable = [role for role in Role if any(roles.may_grant(actor, role, town.id, school_id) for school_id in scopes)]
    classes = people.list_classes_by_school(work, actor, town.id)
    return {
        "roles": [(role.value, ROLES[role].translate(language)) for role in grantable if role is not Role.OPERATOR],
        "schools": schools,
        "classes": [(school.name, classes[school.id]) for school in schools if school.id in classes],
    }


def _describe_account(work: WorkDep, row: AccountSummary, schools: dict[UUID, School], language: Language) -> dict[str, Any]:
    account = row.account
    class_ids = [role.class_id for role in row.roles if role.class_id is not None]
    labels = people.get_class_labels(work, class_ids) if class_ids else {}
    return {
        "id": account.id,
        "name": account.display_name,
        "login": account.login,
        "email": account.email or "",
        "active": account.active,
        "invited_until": format_instant(row.link.expires_at) if row.link else "",
        "mail_error": (row.link.mail_error or "") if row.link else "",
        "mailed": format_instant(row.link.mailed_at) if row.link and row.link.mailed_at else "",
        "has_second_factor": row.has_second_factor,
        "trusted_from": format_instant(row.trusted_from) if row.trusted_from else "",
        "roles": [
            {
                "id": role.id,
                "label": ROLES[role.role].translate(language),
                "place": _describe_place(role, schools, labels, language),
                "until": format_day(role.ends_at - timedelta(seconds=1)) if role.ends_at else "",
            }
            for role in row.roles
        ],
    }  # fmt: skip


def _describe_place(role: AccountRole, schools: dict[UUID, School], labels: dict[UUID, str], language: Language) -> str:
    school = schools[role.school_id].name if role.school_id in schools else language.gettext("whole town")
    return f"{labels[role.class_id]}, {school}" if role.class_id in labels else school
