"""What every page of the console shares: who is there, the language, the frame around a page, its defence against other sites.

The pages themselves are beside it, one module per subject; none holds rules.
"""

from __future__ import annotations

import hmac
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.responses import Response
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates

from mdm.accounts import service as accounts
from mdm.accounts.models import Account
from mdm.console.words import page
from mdm.kit.errors import Forbidden
from mdm.kit.scope import PERMISSIONS, Actor, Permission
from mdm.kit.words import Language, Words, preferred_language
from mdm.kit.work import Work

_HERE = Path(__file__).parent
COOKIE, LANGUAGE = "cartable", "cartable-lang"
_CSP = (
    "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
#: The chapters in the bar at the top: address, word, and the right that one needs somewhere to see it.
CHAPTERS: tuple[tuple[str, str, Permission], ...] = (("/", "tablets", Permission.SEE), ("/desk", "desk", Permission.HANDLE))
templates = Jinja2Templates(_HERE / "templates")
assets = StaticFiles(directory=_HERE / "assets")
#: The clock of the pages. Instants are UTC everywhere else.
LOCAL = ZoneInfo("Europe/Paris")


class OtherSite(Forbidden):
    """The form was not made by a page of this sign-in: another site sent it, or the person has signed in anew since."""

    code = "stale_page"
    words = Words(
        fr="Cette page date d'une autre connexion : rechargez-la.", en="This page is from another sign-in: load it again."
    )


def person(request: Request, work: Work) -> tuple[Actor, Account]:
    """Who is signed in. Raises `NotSignedIn`, `MustChangePassword`."""
    actor, account = accounts.actor_of(work, request.cookies.get(COOKIE, ""))
    request.state.actor = actor
    return actor, account


def _chapters(request: Request, words: dict[str, str]) -> list[tuple[str, str, bool]]:
    """The chapters that this person may open, and whether the page is in it."""
    actor: Actor | None = getattr(request.state, "actor", None)
    here = request.url.path
    return [
        (address, words[word], here == address or (address != "/" and here.startswith(address + "/")))
        for address, word, permission in CHAPTERS
        if actor is not None and (actor.everywhere or any(permission in PERMISSIONS[grant.role] for grant in actor.grants))
    ]


def csrf(request: Request) -> str:
    """A word that only a page of ours, made for this session, can know."""
    token = request.cookies.get(COOKIE, "")
    keyring = request.app.state.runtime.keyring
    return str(keyring.keyed_hash(token, "console.csrf")) if token else ""


def check_csrf(request: Request, offered: str) -> None:
    """Refuse a form that another site sent. Raises `OtherSite`."""
    if not hmac.compare_digest(offered, csrf(request)):
        raise OtherSite


def language_of(request: Request) -> Language:
    """The language chosen on a page, else the browser's."""
    chosen = request.query_params.get("lang") or request.cookies.get(LANGUAGE, "")
    return Language(chosen) if chosen in {*Language} else preferred_language(request.headers.get("accept-language"))


def show(request: Request, template: str, *, status: int = 200, **values: Any) -> Response:
    """A page in its frame. `person` among the values shows who is signed in."""
    language = language_of(request)
    context = {
        "language": language.value,
        "w": page(language),
        "languages": [("fr", "Français"), ("en", "English")],
        "query": urlencode([pair for pair in request.query_params.multi_items() if pair[0] != "lang"]),
        "chapters": _chapters(request, page(language)),
        "csrf": csrf(request),
        **values,
    }
    response = templates.TemplateResponse(request, template, context, status_code=status)
    response.headers["Content-Security-Policy"] = _CSP
    response.headers["Cache-Control"] = "no-store"
    if request.query_params.get("lang") in {*Language}:
        response.set_cookie(LANGUAGE, language.value, secure=True, samesite="strict")
    return response


def when(at: datetime | None) -> str:
    """An instant for a person; a dash when there is none."""
    return at.astimezone(LOCAL).strftime("%d/%m/%Y %H:%M:%S") if at else "–"
