"""The page of substitutes: a head invites one for a class until a day, gives another link, and ends the work. Holds no rules."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cartable.errors import DomainError, Invalid, NotFound
from cartable.i18n import list_available_languages
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.people import service as people
from enrollment.places import service as places
from enrollment.places.models import School
from mdm.accounts import substitutes
from mdm.accounts.links import NewLink
from mdm.accounts.passwords import NO_PASSWORD
from mdm.api.deps import WorkDep
from mdm.console.accounts.new_link import render_new_link
from mdm.console.forms import CsrfField, attempt
from mdm.console.frame import check_csrf, get_language, list_permitted_towns, render_page, require_sign_in
from mdm.console.page_route import PageRoute
from mdm.console.times import format_day, show_times_in

PAGE = "/substitutes"
router = APIRouter(prefix=PAGE, include_in_schema=False, route_class=PageRoute)


@router.get("")
def show_substitutes(request: Request, work: WorkDep, school: UUID | None = None, done: str = "") -> Response:
    """Show the substitutes of a school, and the form for another."""
    actor, _ = require_sign_in(request, work)
    return _render(request, work, actor, _get_school(work, actor, school), done=done)


@router.post("/{school_id}")
def invite_substitute(
    request: Request,
    work: WorkDep,
    school_id: UUID,
    csrf: CsrfField,
    login: Annotated[str, Form(min_length=2, max_length=200)],
    display_name: Annotated[str, Form(min_length=1, max_length=200)],
    class_id: Annotated[UUID, Form()],
    last_day: Annotated[str, Form(max_length=20)],
    language: Annotated[str, Form(max_length=16)] = "fr",
) -> Response:
    """Invite a substitute, and show the link to pass on. Who has worked here before signs in as before."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    school = _get_school(work, actor, school_id)
    made: list[NewLink | None] = []

    def invite() -> None:
        ends_at = _parse_end(last_day, places.get_school_zone(work, school))
        made.append(
            substitutes.invite_substitute(
                work, actor, class_id, login=login, display_name=display_name, ends_at=ends_at, language=language
            )
        )

    refusal = attempt(work, invite)
    if refusal is not None:
        values = {"login": login, "display_name": display_name, "class_id": str(class_id), "last_day": last_day}
        return _render(request, work, actor, school, refusal=refusal, values=values)
    if made[0] is None:
        return RedirectResponse(f"{PAGE}?school={school.id}&done=known", status_code=303)
    return render_new_link(request, made[0], back=f"{PAGE}?school={school.id}")


@router.post("/roles/{role_id}/end")
def end_substitution(request: Request, work: WorkDep, role_id: UUID, csrf: CsrfField) -> Response:
    """End the work of a substitute now."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    role = substitutes.end_substitution(work, actor, role_id)
    return RedirectResponse(f"{PAGE}?school={role.school_id}", status_code=303)


@router.post("/roles/{role_id}/link")
def renew_link(request: Request, work: WorkDep, role_id: UUID, csrf: CsrfField) -> Response:
    """Show a new link for a substitute who has not used the former one."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    return render_new_link(request, substitutes.renew_link(work, actor, role_id), back=PAGE)


def _parse_end(text: str, zone: ZoneInfo) -> datetime:
    """Return the end of the last day, by the clock of the school. Raises `Invalid`."""
    try:
        return datetime.combine(date.fromisoformat(text) + timedelta(days=1), time(), zone).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Invalid(field="last_day") from None


def _list_schools(work: UnitOfWork, actor: Actor) -> list[School]:
    return [
        school
        for town in list_permitted_towns(work, actor, Permission.LEAD)
        for school in places.list_schools(work, actor, town.id)
        if actor.has_permission(Permission.LEAD, town.id, school.id)
    ]


def _get_school(work: UnitOfWork, actor: Actor, school_id: UUID | None) -> School:
    """Return the chosen school, or the first. Raises `NotFound`."""
    school = next((each for each in _list_schools(work, actor) if school_id in (None, each.id)), None)
    if school is None:
        raise NotFound
    return school


def _render(
    request: Request,
    work: UnitOfWork,
    actor: Actor,
    school: School,
    *,
    done: str = "",
    refusal: DomainError | None = None,
    values: dict[str, Any] | None = None,
) -> Response:
    language = get_language(request)
    show_times_in(places.get_school_zone(work, school))
    rows = substitutes.list_substitutes(work, actor, school.id)
    labels = people.get_class_labels(work, [role.class_id for role, _ in rows if role.class_id is not None])
    known = language.gettext("This person has an account already, and signs in as before.")
    return render_page(
        request,
        "accounts/substitutes.html",
        notice=known if done == "known" else "",
        refusal=refusal,
        schools=_list_schools(work, actor),
        school=school,
        classes=people.list_classes_by_school(work, actor, school.town_id).get(school.id, []),
        language_names=[(each.code, each.name) for each in list_available_languages()],
        values=values or {},
        rows=[
            {
                "id": role.id,
                "name": account.display_name,
                "login": account.login,
                "label": labels.get(role.class_id, "–") if role.class_id is not None else "–",
                "until": format_day(role.ends_at - timedelta(seconds=1)) if role.ends_at else "–",
                "waits": account.password_hash == NO_PASSWORD and account.password_changed_at is None,
            }
            for role, account in rows
        ],
    )
