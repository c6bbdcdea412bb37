"""Signing in and out, and changing a password. Their forms are shown in place of the first page, in `tablets`.

The cookie is readable by no script and sent by no other site.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cartable.errors import DomainError
from mdm.accounts import service as accounts
from mdm.accounts import sessions
from mdm.accounts.models import SessionKind
from mdm.accounts.sessions import SignInStep
from mdm.api.clients import check_origin, get_sign_in_client, set_device_cookie
from mdm.api.deps import WorkDep
from mdm.console.frame import (
    SESSION_COOKIE,
    PageRoute,
    authenticate,
    check_csrf,
    get_language,
    is_own_address,
    render_page,
)

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.post("/sign-in")
def sign_in(
    request: Request,
    work: WorkDep,
    login: Annotated[str, Form()],
    password: Annotated[str, Form()],
    then: Annotated[str, Form()] = "",
) -> Response:
    """Check a password and set the session cookie."""
    check_origin(request)
    outcome = accounts.sign_in(work, login[:200], password[:200], get_sign_in_client(request), SessionKind.CONSOLE)
    if isinstance(outcome, DomainError):
        return render_page(
            request,
            "accounts/sign_in.html",
            problem=outcome.translate(get_language(request)),
            login=login[:200],
            then=then,
            status=outcome.status,
        )
    return redirect_signed_in(outcome.token, then, device_cookie=outcome.device_cookie)


@router.post("/password")
def change_password(
    request: Request, work: WorkDep, csrf: Annotated[str, Form()], current: Annotated[str, Form()], new: Annotated[str, Form()]
) -> Response:
    """Set a new password for the person who is signed in; their other sessions end."""
    who = authenticate(request, work, allowed={SignInStep.PASSWORD_CHANGE})
    check_csrf(request, csrf)
    outcome: str | DomainError
    try:
        outcome = accounts.change_password(work, who.account, who.session, current, new, get_sign_in_client(request))
    except DomainError as refusal:
        outcome = refusal
    if isinstance(outcome, DomainError):
        return render_page(
            request, "accounts/password.html", problem=outcome.translate(get_language(request)), status=outcome.status
        )
    return redirect_signed_in(outcome)


@router.post("/sign-out")
def sign_out(request: Request, work: WorkDep, csrf: Annotated[str, Form()]) -> Response:
    """End the session and delete its cookie."""
    who = authenticate(request, work, allowed=set(SignInStep))
    check_csrf(request, csrf)
    sessions.end_session(work, who.account, who.session.id)
    return redirect_signed_out()


def redirect_signed_in(token: str, then: str = "", *, device_cookie: str = "") -> Response:
    """Set the session cookie and redirect to the page that asked for the sign-in; to no other site."""
    response = RedirectResponse(then if is_own_address(then) else "/", status_code=303)
    response.set_cookie(SESSION_COOKIE, token, httponly=True, secure=True, samesite="strict", path="/")
    if device_cookie:
        set_device_cookie(response, device_cookie)
    return response


def redirect_signed_out() -> Response:
    """Delete the session cookie and redirect to the sign-in page."""
    response = RedirectResponse("/", status_code=303)
    response.delete_cookie(SESSION_COOKIE, secure=True, httponly=True, samesite="strict")
    return response
