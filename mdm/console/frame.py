"""What every page of the console shares: sign-in, language, the frame around a page, protection against forged forms.

The pages themselves lie beside it, one folder per chapter; none holds rules.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode, urlsplit
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import Depends, Request
from fastapi.responses import Response
from fastapi.templating import Jinja2Templates

from cartable.errors import DomainError, Forbidden, NotFound
from cartable.i18n import Language, Message, choose_language, find_language, list_available_languages
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.places import service as places
from enrollment.places.models import Town
from enrollment.safeguards.stop_switch import list_stopped_town_names
from mdm.accounts.models import Account, SessionKind
from mdm.accounts.sessions import Authentication, SignInStep, authenticate_token
from mdm.console.chapters import HOME_PAGE, list_menu
from mdm.console.labels import ACCESSIBILITY_LEVELS
from mdm.console.places_bar import PLACE_RANKS, Place, build_place_links, count_waiting_at, load_place
from mdm.console.static_files import build_asset_url
from mdm.console.times import show_times_in

_HERE = Path(__file__).parent
SESSION_COOKIE, LANGUAGE_COOKIE = "cartable", "cartable-lang"
_CSP = (
    "default-src 'none'; style-src 'self'; img-src 'self'{picture}; script-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
SIGN_IN_PAGE, SECOND_FACTOR_PAGE, OWN_ACCOUNT_PAGE = "/sign-in", "/second-factor", "/me"
_OWN_ADDRESS = re.compile(r"/(?![/\\])[A-Za-z0-9/._~?=&%+-]{0,500}")
templates = Jinja2Templates(_HERE / "templates")
templates.env.add_extension("jinja2.ext.i18n")
templates.env.globals["asset"] = build_asset_url
MAX_FIELDS = 1000


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
    if "application/json" not in request.headers.get("accept", ""):
        _load_bar(request, work, who.actor, _read_place(request))
    return who


def _read_place(request: Request) -> dict[str, str]:
    """Return the place that an address names. Some name their town by another parameter, some in the path."""
    query, path = request.query_params, request.path_params
    town = query.get("town") or query.get("town_id") or path.get("town") or path.get("town_id") or ""
    return {**query, "town": str(town)}


def _load_bar(request: Request, work: UnitOfWork, actor: Actor, named: Mapping[str, str]) -> None:
    """Load the place that the bar shows, and how much waits there."""
    request.state.place = place = load_place(work, actor, named)
    if place.town is not None and place.town.time_zone:
        show_times_in(ZoneInfo(place.town.time_zone))  # until the page says of which town or school it is
    request.state.waiting = count_waiting_at(work, actor, place)


def show_bar_of_town(request: Request, work: UnitOfWork, actor: Actor, town_id: UUID) -> None:
    """Let the bar show the town of a page whose address names something else, a class or a school."""
    place: Place = request.state.place
    if place.town is None or place.town.id != town_id:
        _load_bar(request, work, actor, {"town": str(town_id)})


def require_sign_in(request: Request, work: UnitOfWork) -> tuple[Actor, Account]:
    """Return who is signed in. Raises what `authenticate_token` raises."""
    who = authenticate(request, work)
    return who.actor, who.account


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


def render_error(request: Request, refusal: DomainError) -> Response:
    """Return the page that says why a request was refused."""
    return render_page(request, "refused.html", status=refusal.status, problem=refusal.translate(get_language(request)))


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


def choose_town(work: UnitOfWork, actor: Actor, permission: Permission, town_id: UUID | None) -> Town:
    """Return the town of a page for people with a permission, be it for one school: the given one, else the first. Raises `NotFound`."""
    return select_town(list_permitted_towns(work, actor, permission), town_id)


def choose_whole_town(work: UnitOfWork, actor: Actor, permission: Permission, town_id: UUID | None) -> Town:
    """Return the town of a page for people who hold a permission in the whole town, not for a school of it. Raises `NotFound`."""
    towns = list_permitted_towns(work, actor, permission)
    return select_town([town for town in towns if actor.has_permission(permission, town.id)], town_id)


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
    return find_language(chosen) or choose_language(request.headers.get("accept-language"))


def _describe_refusal(refusal: DomainError, language: Language) -> dict[str, str]:
    """Return the sentence of a refusal, and the field that it is about."""
    field = refusal.details.get("field", "")
    return {
        "problem": refusal.translate(language),
        "wrong_field": field if isinstance(field, str) else "",
    }


def render_page(
    request: Request,
    template: str,
    *,
    status: int | None = None,
    foreign_picture: str = "",
    refusal: DomainError | None = None,
    **values: Any,
) -> Response:
    """Return a page in its frame, in the reader's language. `foreign_picture` is the one address elsewhere that it may load.

    With the `refusal` of a form the page says why, leads to the field that was wrong, and has the status of the refusal unless another
    `status` is given.
    """
    language = get_language(request)
    actor: Actor | None = getattr(request.state, "actor", None)
    place: Place = getattr(request.state, "place", Place())
    context = {
        "language": language.code,
        "gettext": language.gettext,
        "pgettext": language.pgettext,
        "ngettext": language.ngettext,
        "person": actor.name if actor is not None else None,
        "languages": list_available_languages(),
        "query": urlencode([pair for pair in request.query_params.multi_items() if pair[0] != "lang"]),
        "menu": list_menu(request, language),
        "csrf": make_csrf_token(request),
        "session_seconds": _count_session_seconds(request),
        "accessibility": ACCESSIBILITY_LEVELS[request.app.state.runtime.settings.accessibility_level].translate(language),
        "home": HOME_PAGE,
        "bar": place,
        "bar_links": build_place_links(place, request.url.path),
        "bar_query": place.build_query(narrow=True),
        "place_ranks": {code: name.translate(language) for code, name in PLACE_RANKS.items()},
        "waiting_count": getattr(request.state, "waiting", None),
        "foreign_picture": foreign_picture,
        "refused_form": request.url.path,
        "stopped_towns": getattr(request.state, "stopped_towns", ()),
        **values,
        **(_describe_refusal(refusal, language) if refusal is not None else {}),
    }
    status = status or (refusal.status if refusal is not None else 200)
    response = templates.TemplateResponse(request, template, context, status_code=status)
    response.headers["Content-Security-Policy"] = _CSP.format(picture=f" {foreign_picture}" if foreign_picture else "")
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "same-origin"  # with no-referrer, browsers would hide the origin of our own forms
    if find_language(request.query_params.get("lang", "")) is not None:
        response.set_cookie(LANGUAGE_COOKIE, language.code, secure=True, samesite="strict")
    return response


def _count_session_seconds(request: Request) -> int | None:
    """Return in how many seconds the session of a page ends; None without a session."""
    ends_at: datetime | None = getattr(request.state, "session_ends_at", None)
    return int((ends_at - request.app.state.runtime.clock.now()).total_seconds()) if ends_at is not None else None
