"""What every page of the console shares: sign-in, language, the frame around a page, protection against forged forms.

The pages themselves lie beside it, one folder per chapter; none holds rules.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Collection, Coroutine
from contextlib import AsyncExitStack
from contextvars import ContextVar
from datetime import date, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode, urlsplit
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from fastapi.routing import APIRoute
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from cartable.errors import DomainError, Forbidden, Invalid, NotFound, ReauthenticationRequired
from cartable.i18n import Language, Message, available_languages, find_language, preferred_language
from cartable.scope import Actor, Permission, Role
from cartable.unit_of_work import UnitOfWork
from enrollment.places import service as places
from enrollment.places.models import Town
from enrollment.places.zones import PARIS
from enrollment.safeguards.stop_switch import list_stopped_town_names
from mdm.accounts.errors import MustChangePassword, NotSignedIn, SecondFactorEnrollmentRequired, SecondFactorRequired
from mdm.accounts.models import Account, SessionKind
from mdm.accounts.passkeys import MAX_ANSWER_LENGTH, begin_assertion
from mdm.accounts.passwords import NO_PASSWORD
from mdm.accounts.second_factors import FactorProof, get_overview
from mdm.accounts.sessions import Authentication, SignInStep, authenticate_token, find_former_owner, reauthenticate
from mdm.api.clients import get_sign_in_client
from mdm.api.errors import build_problem
from mdm.console.kept_forms import KeptForm, seal_form

_HERE = Path(__file__).parent
SESSION_COOKIE, LANGUAGE_COOKIE = "cartable", "cartable-lang"
_CSP = (
    "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
#: The chapters in the bar at the top: address, word, and the right that one needs somewhere to see it.
CHAPTERS: tuple[tuple[str, Message, Permission], ...] = (
    ("/", Message("Tablets"), Permission.SEE),
    ("/class", Message("Class"), Permission.TEACH),
    ("/activities", Message("Activities"), Permission.ACTIVITY),
    ("/desk", Message("Desk"), Permission.HANDLE),
    ("/apps", Message("Apps"), Permission.AUTHOR),
    ("/rosters", Message("Rosters"), Permission.ROSTER),
    ("/staff", Message("Staff"), Permission.ROSTER),
    ("/year", Message("School year"), Permission.LEAD),
    ("/rules", Message("Rules"), Permission.AUTHOR),
    ("/hours", Message("Hours"), Permission.AUTHOR),
    ("/calendar", Message("Calendar"), Permission.AUTHOR),
    ("/town", Message("Town"), Permission.AUTHOR),
    ("/accounts", Message("Accounts"), Permission.GOVERN),
    ("/safeguards", Message("Safeguards"), Permission.CARE),
    ("/data", Message("Data and rights"), Permission.PRIVACY),
    ("/system", Message("Server"), Permission.GOVERN),
)
#: Marks a form that carries the password once more, and the names of the fields of password, code and passkey.
CONFIRM_PARAMETER, CONFIRM_FIELDS = "confirm", ("confirm_password", "confirm_code", "confirm_passkey")
SIGN_IN_PAGE, SECOND_FACTOR_PAGE, OWN_ACCOUNT_PAGE = "/sign-in", "/second-factor", "/me"
_OWN_ADDRESS = re.compile(r"/(?![/\\])[A-Za-z0-9/._~?=&%+-]{0,500}")
templates = Jinja2Templates(_HERE / "templates")
templates.env.add_extension("jinja2.ext.i18n")
assets = StaticFiles(directory=_HERE / "assets")
MAX_FIELDS = 1000
#: Names of fields that never come back in a page.
_SECRET_FIELD = re.compile("password|secret|key|token|again|^current$|^new$|^code$")
#: Bytes of a file that a form carries once more after the password was asked for: tokens and certificates.
MAX_TEXT_FILE = 16_384
#: The clock of the page that this request builds. Instants are UTC everywhere else.
_page_time_zone: ContextVar[ZoneInfo | None] = ContextVar("page_time_zone", default=None)
_PARIS = ZoneInfo(PARIS)


class StalePage(Forbidden):
    """The form does not belong to this sign-in: another site sent it, or the person has signed in again since."""

    code = "stale_page"
    message = Message("This page is from another sign-in: load it again.")


def authenticate(request: Request, work: UnitOfWork, *, allowed: Collection[SignInStep] = ()) -> Authentication:
    """Return who is signed in, with the session. A step of `allowed` may be missing. Raises what `authenticate_token` raises."""
    token = request.cookies.get(SESSION_COOKIE, "")
    who = authenticate_token(work, token, SessionKind.CONSOLE, allowed=allowed)
    request.state.actor, request.state.session_ends_at = who.actor, who.session.expires_at
    request.state.stopped_towns = list_stopped_town_names(work, who.actor.list_permitted_towns(Permission.CARE))
    return who


def require_sign_in(request: Request, work: UnitOfWork) -> tuple[Actor, Account]:
    """Return who is signed in. Raises what `authenticate_token` raises."""
    who = authenticate(request, work)
    return who.actor, who.account


class _NotConfirmed(Exception):
    """The password or the second factor that was given once more is wrong."""

    def __init__(self, error: DomainError) -> None:
        super().__init__(error.code)
        self.error = error


async def _reauthenticate(request: Request) -> None:
    """Check the password, and the second factor, that a person has added to a form, in a transaction of its own.

    Raises `_NotConfirmed`, `NotSignedIn`.
    """
    form = await request.form()
    password, code, passkey = (str(form.get(name, "")) for name in CONFIRM_FIELDS)

    def check() -> DomainError | None:
        with request.app.state.runtime.open_unit_of_work() as work:
            who = authenticate(request, work, allowed={SignInStep.SECOND_FACTOR_ENROLLMENT})
            check_csrf(request, str(form.get("csrf", "")))
            proof = FactorProof(code[:40], passkey[:MAX_ANSWER_LENGTH])
            return reauthenticate(work, who.account, who.session, password[:200], proof, get_sign_in_client(request))

    refusal = await run_in_threadpool(check)
    if refusal is not None:
        raise _NotConfirmed(refusal)


async def read_text_file(value: UploadFile | str | None) -> str:
    """Return the text of a small uploaded file, or of the field that stands for it after the password was asked for."""
    if not isinstance(value, UploadFile):
        return value or ""
    await value.seek(0)
    return (await value.read(MAX_TEXT_FILE)).decode("utf-8", "replace")


async def _ask_password(request: Request, refusal: DomainError) -> Response:
    """Show a form that sends the same fields again, with the password and the second factor. Small text files come back as fields."""
    form = await request.form()
    fields = [
        (name, value if isinstance(value, str) else await read_text_file(value))
        for name, value in form.multi_items()
        if name not in CONFIRM_FIELDS
    ]

    def describe() -> dict[str, Any]:
        with request.app.state.runtime.open_unit_of_work() as work:
            who = authenticate(request, work, allowed={SignInStep.SECOND_FACTOR_ENROLLMENT})
            return {
                "has_password": who.account.password_hash != NO_PASSWORD,
                "has_second_factor": bool(get_overview(work, who.account).count),
                "passkey_options": begin_assertion(work, who.account, who.session),
            }

    try:
        state = await run_in_threadpool(describe)
    except NotSignedIn:  # too many wrong passwords have just ended the session
        return render_error(request, refusal)
    return render_page(
        request,
        "accounts/confirm_password.html",
        status=refusal.status,
        problem=refusal.translate(get_language(request)),
        action=f"{request.url.path}?{CONFIRM_PARAMETER}=password",
        fields=fields,
        **state,
    )


def _redirect_to_missing_step(request: Request, refusal: DomainError) -> Response:
    """Redirect to the page of the step that is missing in the sign-in."""
    address = "/"
    if isinstance(refusal, SecondFactorRequired):
        address = f"{SECOND_FACTOR_PAGE}?{urlencode({'then': get_place(request)})}"
    elif isinstance(refusal, SecondFactorEnrollmentRequired):
        address = OWN_ACCOUNT_PAGE
    return RedirectResponse(address, status_code=303)


async def _ask_sign_in(request: Request) -> Response:
    """Redirect to the sign-in page. What was typed into a form whose session has ended is kept, and offered again after it."""
    kept = await _keep_form(request) if request.method == "POST" else None
    if kept is None:
        return RedirectResponse(f"{SIGN_IN_PAGE}?{urlencode({'then': get_place(request)})}", status_code=303)
    message = get_language(request).gettext("Your session had ended. What you typed is kept: sign in, and send it.")
    return render_page(request, "accounts/sign_in.html", status=NotSignedIn.status, notice=message, kept=kept)


async def _keep_form(request: Request) -> str | None:
    """Return the form of a request, sealed; None unless it comes from a page of a session that has ended."""
    form = await request.form(max_fields=MAX_FIELDS)
    if not hmac.compare_digest(str(form.get("csrf", "")).encode("utf-8", "replace"), make_csrf_token(request).encode()):
        return None
    runtime = request.app.state.runtime

    def find_owner() -> UUID | None:
        with runtime.open_unit_of_work() as work:
            return find_former_owner(work, request.cookies.get(SESSION_COOKIE, ""), SessionKind.CONSOLE)

    account_id = await run_in_threadpool(find_owner)
    hidden = {"csrf", *CONFIRM_FIELDS}
    fields = [
        (name, value)
        for name, value in form.multi_items()
        if isinstance(value, str) and name not in hidden and not _SECRET_FIELD.search(name)
    ]
    if account_id is None:
        return None
    return seal_form(runtime.keyring, KeptForm(account_id, request.url.path, get_place(request), tuple(fields)))


class PageRoute(APIRoute):
    """A route whose errors are pages: without a sign-in it redirects to the sign-in page, other errors are shown and nothing is written.

    For an act that needs the password once more it asks for it, and sends the same form again.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        inner = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                if request.method == "POST" and CONFIRM_PARAMETER in request.query_params:
                    await _reauthenticate(request)
                # A stack of its own ends the transaction here. That of FastAPI lies outside: it would see no error, and commit.
                async with AsyncExitStack() as stack:
                    request.scope["fastapi_function_astack"] = stack
                    return await inner(request)
            except NotSignedIn:
                return await _ask_sign_in(request)
            except (MustChangePassword, SecondFactorRequired, SecondFactorEnrollmentRequired) as refusal:
                return _redirect_to_missing_step(request, refusal)
            except (ReauthenticationRequired, _NotConfirmed) as refusal:
                return await _ask_password(request, refusal.error if isinstance(refusal, _NotConfirmed) else refusal)
            except DomainError as refusal:
                return render_error(request, refusal)
            except RequestValidationError:
                return render_error(request, Invalid())

        return handle


def get_place(request: Request) -> str:
    """Return the address of the page that a person was on, to come back to: of a form, the page that it stands on."""
    if request.method == "GET":
        return request.url.path + (f"?{request.url.query}" if request.url.query else "")
    try:
        parts = urlsplit(request.headers.get("referer", ""))
    except ValueError:  # no browser sends such an address
        return "/"
    return parts.path + (f"?{parts.query}" if parts.query else "") if parts.netloc == request.url.netloc else "/"


def is_own_address(address: str) -> bool:
    """Return whether an address leads to a page of this server, and to no other site."""
    return _OWN_ADDRESS.fullmatch(address) is not None


def install_not_found_page(app: FastAPI) -> None:
    """Answer unknown addresses with a page for browsers and with a problem document for programs."""
    app.add_exception_handler(HTTPException, _show_not_found)


async def _show_not_found(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    asks_for_page = "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/api/")
    if asks_for_page and error.status_code == HTTPStatus.NOT_FOUND:
        return render_page(request, "not_found.html", status=error.status_code)
    return build_problem(error.status_code, f"http_{error.status_code}", str(error.detail))


def render_error(request: Request, refusal: DomainError) -> Response:
    """Return the page that says why a request was refused."""
    return render_page(request, "refused.html", status=refusal.status, problem=refusal.translate(get_language(request)))


def _list_chapters(request: Request, language: Language) -> list[tuple[str, str, bool]]:
    """Return address and title of the chapters this person may open, and whether the page belongs to it."""
    actor: Actor | None = getattr(request.state, "actor", None)
    here = request.url.path
    return [
        (address, title.translate(language), here == address or (address != "/" and here.startswith(address + "/")))
        for address, title, permission in CHAPTERS
        if actor is not None and (actor.everywhere or any(grant.allows(permission) for grant in actor.role_assignments))
    ]


#: The first page of people whose roles are all of one kind; for others it is the list of tablets.
_START_PAGES: tuple[tuple[frozenset[Role], str], ...] = (
    (frozenset({Role.OPERATOR}), "/start"),
    (frozenset({Role.TEACHER, Role.SUBSTITUTE}), "/class"),
    (frozenset({Role.AFTER_SCHOOL_AGENT}), "/activities"),
    (frozenset({Role.DPO}), "/data"),
)


def find_start_page(actor: Actor) -> str | None:
    """Return the page on which a person begins the day; None for the list of tablets."""
    roles = {assignment.role for assignment in actor.role_assignments}
    return next((page for kinds, page in _START_PAGES if roles and roles <= kinds), None)


def make_csrf_token(request: Request, token: str = "") -> str:
    """Return the word that only a page made for this session contains, or for one that has just been opened with `token`."""
    token = token or request.cookies.get(SESSION_COOKIE, "")
    keyring = request.app.state.runtime.keyring
    return str(keyring.keyed_hash(token, "console.csrf")) if token else ""


def list_permitted_towns(work: UnitOfWork, actor: Actor, permission: Permission) -> list[Town]:
    """Return the towns in which the actor holds a permission, be it for one school."""
    mine = actor.list_permitted_towns(permission)
    return [town for town in places.list_towns(work, actor) if town.id in mine]


def select_town(towns: list[Town], town_id: UUID | None) -> Town:
    """Return the town of a page, whose time zone the page takes: the given one, else the first. Raises `NotFound`."""
    selected = next((town for town in towns if town_id is None or town.id == town_id), None)
    if selected is None:
        raise NotFound
    show_times_in(ZoneInfo(selected.time_zone))
    return selected


def show_times_in(zone: ZoneInfo) -> None:
    """Set the time zone in which the page of this request shows instants: that of its town or school."""
    _page_time_zone.set(zone)


def check_csrf(request: Request, offered: str) -> None:
    """Check that a form comes from a page of this session. Raises `StalePage`."""
    if not hmac.compare_digest(offered.encode("utf-8", "replace"), make_csrf_token(request).encode()):
        raise StalePage


async def _read_fields(request: Request) -> dict[str, str]:
    form = await request.form(max_files=0, max_fields=MAX_FIELDS)
    return {name: value for name, value in form.items() if isinstance(value, str)}


#: The fields of a form whose names the page made: one per line of a table.
FieldsDep = Annotated[dict[str, str], Depends(_read_fields)]


def get_language(request: Request) -> Language:
    """Return the language chosen on a page, else the one the browser prefers."""
    chosen = request.query_params.get("lang") or request.cookies.get(LANGUAGE_COOKIE, "")
    return find_language(chosen) or preferred_language(request.headers.get("accept-language"))


def render_page(request: Request, template: str, *, status: int = 200, **values: Any) -> Response:
    """Return a page in its frame, in the reader's language."""
    language = get_language(request)
    actor: Actor | None = getattr(request.state, "actor", None)
    context = {
        "language": language.code,
        "gettext": language.gettext,
        "pgettext": language.pgettext,
        "ngettext": language.ngettext,
        "person": actor.name if actor is not None else None,
        "languages": available_languages(),
        "query": urlencode([pair for pair in request.query_params.multi_items() if pair[0] != "lang"]),
        "chapters": _list_chapters(request, language),
        "csrf": make_csrf_token(request),
        "session_seconds": _count_session_seconds(request),
        "stopped_towns": getattr(request.state, "stopped_towns", ()),
        **values,
    }
    response = templates.TemplateResponse(request, template, context, status_code=status)
    response.headers["Content-Security-Policy"] = _CSP
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "same-origin"  # with no-referrer, browsers would hide the origin of our own forms
    if find_language(request.query_params.get("lang", "")) is not None:
        response.set_cookie(LANGUAGE_COOKIE, language.code, secure=True, samesite="strict")
    return response


def _count_session_seconds(request: Request) -> int | None:
    """Return in how many seconds the session of a page ends; None without a session."""
    ends_at: datetime | None = getattr(request.state, "session_ends_at", None)
    return int((ends_at - request.app.state.runtime.clock.now()).total_seconds()) if ends_at is not None else None


def format_day(at: date | datetime | None) -> str:
    """Return a day as people write it, of an instant the local day; a dash when there is none."""
    if isinstance(at, datetime):
        at = at.astimezone(_page_time_zone.get() or _PARIS).date()
    return at.strftime("%d/%m/%Y") if at else "–"


def format_instant(at: datetime | None, zone: ZoneInfo | None = None) -> str:
    """Return an instant in a time zone, without one in that of the page; a dash when there is none."""
    return at.astimezone(zone or _page_time_zone.get() or _PARIS).strftime("%d/%m/%Y %H:%M:%S") if at else "–"
