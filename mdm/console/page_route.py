"""The route of pages: errors are pages, and what is missing (a sign-in, the password once more) is asked for without losing a form."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from cartable.errors import DomainError, Invalid, ReauthenticationRequired
from mdm.accounts.errors import MustChangePassword, NotSignedIn, SecondFactorEnrollmentRequired, SecondFactorRequired
from mdm.accounts.models import SessionKind
from mdm.accounts.passkeys import MAX_ANSWER_LENGTH, begin_assertion
from mdm.accounts.passwords import NO_PASSWORD
from mdm.accounts.second_factors import FactorProof, get_overview
from mdm.accounts.sessions import SignInStep, find_former_owner, reauthenticate
from mdm.api.clients import get_sign_in_client
from mdm.console.frame import (
    MAX_FIELDS,
    OWN_ACCOUNT_PAGE,
    SECOND_FACTOR_PAGE,
    SESSION_COOKIE,
    SIGN_IN_PAGE,
    authenticate,
    check_csrf,
    get_language,
    get_place,
    make_csrf_token,
    render_error,
    render_page,
)
from mdm.console.kept_forms import KeptForm, seal_form

#: Marks a form that carries the password once more, and the names of the fields of password, code and passkey.
CONFIRM_PARAMETER, CONFIRM_FIELDS = "confirm", ("confirm_password", "confirm_code", "confirm_passkey")
#: Names of fields that never come back in a page.
_SECRET_FIELD = re.compile("password|secret|key|token|again|^current$|^new$|^code$")
#: Bytes of a file that a form carries once more after the password was asked for: tokens and certificates.
MAX_TEXT_FILE = 16_384


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
                **({"menu": []} if who.missing is not None else {}),
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
        problem="" if isinstance(refusal, ReauthenticationRequired) else refusal.translate(get_language(request)),
        back=get_place(request),
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
        address = f"{OWN_ACCOUNT_PAGE}?{urlencode({'then': get_place(request)})}"
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


async def _has_ended(request: Request) -> bool:
    """Return whether nobody is signed in. A form that is not complete is kept as well."""

    def check() -> bool:
        with request.app.state.runtime.open_unit_of_work() as work:
            try:
                authenticate(request, work, allowed=set(SignInStep))
            except NotSignedIn:
                return True
        return False

    return await run_in_threadpool(check)


def _is_asked_by_script(request: Request) -> bool:
    """Return whether a page's script asks, which reads problem documents and shows them itself."""
    return "application/json" in request.headers.get("accept", "")


async def _answer_error(request: Request, error: Exception) -> Response:
    """Return the page that asks for what is missing, or that says why the request was refused."""
    match error:
        case NotSignedIn():
            return await _ask_sign_in(request)
        case MustChangePassword() | SecondFactorRequired() | SecondFactorEnrollmentRequired():
            return _redirect_to_missing_step(request, error)
        case ReauthenticationRequired():
            return await _ask_password(request, error)
        case _NotConfirmed():
            return await _ask_password(request, error.error)
        case DomainError():
            return render_error(request, error)
    return await _ask_sign_in(request) if await _has_ended(request) else render_error(request, Invalid())


class PageRoute(APIRoute):
    """A route whose errors are pages: without a sign-in it redirects to the sign-in page, other errors are shown and nothing is written.

    For an act that needs the password once more it asks for it, and sends the same form again. A page's script gets problem documents.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        inner = super().get_route_handler()

        async def handle(request: Request) -> Response:
            if _is_asked_by_script(request):
                return await inner(request)
            try:
                if request.method == "POST" and CONFIRM_PARAMETER in request.query_params:
                    await _reauthenticate(request)
                # A stack of its own ends the transaction here. That of FastAPI lies outside: it would see no error, and commit.
                async with AsyncExitStack() as stack:
                    request.scope["fastapi_function_astack"] = stack
                    return await inner(request)
            except (DomainError, RequestValidationError, _NotConfirmed) as error:
                return await _answer_error(request, error)

        return handle
