"""The page of requests for apps: teachers ask and read the answer, heads support, the town decides. Holds no rules."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cartable.errors import DomainError
from cartable.i18n import Language, Message
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.people import service as people
from enrollment.places import service as places
from mdm.accounts.models import Account
from mdm.api.deps import WorkDep
from mdm.console.apps.labels import REQUEST_STATES, verdict_label
from mdm.console.forms import CsrfField, attempt, parse_day, parse_optional_id
from mdm.console.frame import check_csrf, get_language, render_page, require_sign_in, select_town, show_bar_of_town
from mdm.console.page_route import PageRoute
from mdm.console.times import format_day
from mdm.notices.app_request_mails import MailReach, get_mail_reach
from profiles.apps import service as apps
from profiles.apps.data_sheets.service import get_verdicts
from profiles.apps.errors import AppNotFound, LicencesShort
from profiles.effective.app_requests import service
from profiles.effective.app_requests.models import AppRequest, AppRequestState
from profiles.effective.app_requests.service import RequestedApp
from profiles.effective.bundles import Consent
from profiles.effective.errors import RisksNotConfirmed

PAGE = "/app-requests"
router = APIRouter(prefix=PAGE, include_in_schema=False, route_class=PageRoute)
_NOTICES = {
    "asked": Message("The request is sent. The answer will stand here."),
    "supported": Message("You support the request."),
    "approved": Message("The app is given to the class. Each tablet follows at its next contact."),
    "refused": Message("The request is refused; the teacher reads why."),
    "ended": Message("The app is taken back from the class."),
}
_MAIL_REACH = {
    MailReach.MAILED: Message("You are also written to about new requests that you decide on, and about the answers to yours."),
    MailReach.NO_SERVER: Message("This server sends no mail: requests and answers stand on this page only."),
    MailReach.NO_ADDRESS: Message("Your account has no mail address: you read requests and answers on this page only."),
    MailReach.UNWANTED: Message(
        "You have chosen not to be written to about all: you read requests and answers on this page only."
    ),
}
AnswerField = Annotated[str, Form(max_length=300)]
#: The town of the page that the form stands on.
TownField = Annotated[UUID | None, Form()]


@router.get("")
def show_requests(request: Request, work: WorkDep, town: UUID | None = None, done: str = "") -> Response:
    """Show the requests of a town that concern the person, and the form of a new one for who teaches."""
    actor, account = require_sign_in(request, work)
    return _render_requests(request, work, (actor, account), town, notice=done)


@router.post("")
def create_request(
    request: Request,
    work: WorkDep,
    csrf: CsrfField,
    class_id: Annotated[UUID, Form()],
    name: Annotated[str, Form(max_length=120)],
    reason: Annotated[str, Form(max_length=300)],
    store_link: Annotated[str, Form(max_length=300)] = "",
    until: Annotated[str, Form(max_length=10)] = "",
    town: TownField = None,
) -> Response:
    """Ask for an app for a class."""
    actor, account = require_sign_in(request, work)
    check_csrf(request, csrf)

    def act() -> None:
        wanted = RequestedApp(name, reason, store_link.strip() or None, parse_day(until, "until"))
        service.create_request(work, actor, class_id, wanted)

    typed = {"class_id": str(class_id), "name": name, "reason": reason, "store_link": store_link, "until": until}
    return _answer(request, work, (actor, account), town, act, "asked", typed)


@router.post("/{app_request_id}/support")
def support_request(request: Request, work: WorkDep, app_request_id: UUID, csrf: CsrfField, town: TownField = None) -> Response:
    """Support a request as the head of the school."""
    actor, account = require_sign_in(request, work)
    check_csrf(request, csrf)
    return _answer(
        request, work, (actor, account), town, lambda: service.support_request(work, actor, app_request_id), "supported"
    )


@router.post("/{app_request_id}/approve")
def approve_request(
    request: Request,
    work: WorkDep,
    app_request_id: UUID,
    csrf: CsrfField,
    app_id: Annotated[str, Form(max_length=36)] = "",
    answer: AnswerField = "",
    accept_shortage: Annotated[bool, Form()] = False,
    confirmation: Annotated[str, Form(max_length=8)] = "",
    town: TownField = None,
) -> Response:
    """Give an app of the catalogue to the class."""
    actor, account = require_sign_in(request, work)
    check_csrf(request, csrf)

    def act() -> None:
        chosen = parse_optional_id(app_id, "app_id")
        if chosen is None:
            raise AppNotFound(field="app_id")
        consent = Consent(accept_shortage, confirmation or None)
        service.approve_request(work, actor, app_request_id, chosen, answer, consent)

    typed = {"decided": str(app_request_id), "app_id": app_id, "answer": answer}
    return _answer(request, work, (actor, account), town, act, "approved", typed)


@router.post("/{app_request_id}/refuse")
def refuse_request(
    request: Request, work: WorkDep, app_request_id: UUID, csrf: CsrfField, answer: AnswerField = "", town: TownField = None
) -> Response:
    """Refuse a request, with the reason."""
    actor, account = require_sign_in(request, work)
    check_csrf(request, csrf)
    typed = {"decided": str(app_request_id), "answer": answer}

    def act() -> None:
        service.refuse_request(work, actor, app_request_id, answer)

    return _answer(request, work, (actor, account), town, act, "refused", typed)


@router.post("/{app_request_id}/end")
def end_request(request: Request, work: WorkDep, app_request_id: UUID, csrf: CsrfField, town: TownField = None) -> Response:
    """Take the app of an approved request back."""
    actor, account = require_sign_in(request, work)
    check_csrf(request, csrf)
    return _answer(request, work, (actor, account), town, lambda: service.end_request(work, actor, app_request_id), "ended")


def _answer(
    request: Request,
    work: UnitOfWork,
    signed_in: tuple[Actor, Account],
    town_id: UUID | None,
    act: Callable[[], object],
    done: str,
    typed: dict[str, str] | None = None,
) -> Response:
    """Act and return to the page, or show it with what was typed and why it was refused."""
    refusal = attempt(work, act)
    if refusal is None:
        query = {"town": town_id, "done": done} if town_id is not None else {"done": done}
        return RedirectResponse(f"{PAGE}?{urlencode(query)}", status_code=303)
    return _render_requests(request, work, signed_in, town_id, refusal=refusal, typed=typed)


def _render_requests(
    request: Request,
    work: UnitOfWork,
    signed_in: tuple[Actor, Account],
    town_id: UUID | None,
    *,
    notice: str = "",
    refusal: DomainError | None = None,
    typed: dict[str, str] | None = None,
) -> Response:
    """Return the page of one town: the given one, else the first in which the person may ask or decide. Raises `NotFound`."""
    language, (actor, account) = get_language(request), signed_in
    permitted = set().union(*(actor.list_permitted_towns(permission) for permission in service.PERMISSIONS))
    towns = [town for town in places.list_towns(work, actor) if town.id in permitted]
    town = select_town(towns, town_id)
    show_bar_of_town(request, work, actor, town.id)
    today, reach = work.now.astimezone(ZoneInfo(town.time_zone)).date(), get_mail_reach(work, account)
    return render_page(
        request,
        "apps/app_requests.html",
        notice=_NOTICES[notice].translate(language) if notice in _NOTICES else "",
        refusal=refusal,
        mail_reach=_MAIL_REACH[reach].translate(language),
        wants_address=reach is MailReach.NO_ADDRESS,
        towns=towns,
        town=town,
        classes=_list_classes(work, actor, town.id),
        requests=[
            _describe(actor, row, f"{class_.label}, {school.name}", today, language)
            for row, class_, school in service.list_requests(work, actor, town.id)
        ],
        catalogue=_list_catalogue(work, actor, town.id, language),
        is_short=isinstance(refusal, LicencesShort),
        confirmation=str(refusal.details["confirmation"]) if isinstance(refusal, RisksNotConfirmed) else "",
        typed=typed or {},
    )


def _list_classes(work: UnitOfWork, actor: Actor, town_id: UUID) -> list[tuple[str, str]]:
    """Return the classes of this year that the actor teaches in a town: id, and label with school."""
    if not actor.has_permission_somewhere(Permission.TEACH, town_id):
        return []
    names = {school.id: school.name for school in places.list_schools(work, actor, town_id)}
    return [
        (str(row.id), f"{row.label}, {names.get(school_id, '')}")
        for school_id, rows in people.list_classes_by_school(work, actor, town_id).items()
        for row in rows
        if actor.has_permission(Permission.TEACH, town_id, school_id, row.id)
    ]


def _list_catalogue(work: UnitOfWork, actor: Actor, town_id: UUID, language: Language) -> list[tuple[str, str]]:
    """Return the apps of a town with what is decided about their data protection; none for who does not author its apps."""
    if not actor.has_permission(Permission.AUTHOR, town_id):
        return []
    verdicts = get_verdicts(work, actor, town_id)
    return [
        (str(app.id), f"{app.name} ({verdict_label(verdicts, app.id, language)})")
        for app in apps.list_all_apps(work, actor, town_id)
    ]


def _describe(actor: Actor, row: AppRequest, place: str, today: date, language: Language) -> dict[str, Any]:
    is_waiting = row.state is AppRequestState.ASKED
    return {
        "id": row.id,
        "name": row.name,
        "store_link": row.store_link or "",
        "reason": row.reason,
        "place": place,
        "until": format_day(row.until) if row.until else "",
        "is_over": row.state is AppRequestState.APPROVED and row.until is not None and row.until < today,
        "asked": format_day(row.requested_at),
        "state": REQUEST_STATES[row.state].translate(language),
        "answer": row.answer or "",
        "is_supported": row.supported_at is not None,
        "may_support": is_waiting and row.supported_at is None and service.may_support(actor, row),
        "may_decide": is_waiting and service.may_decide(actor, row),
        "may_end": row.state is AppRequestState.APPROVED and service.may_decide(actor, row),
    }
