"""Signing in and out, and changing a password. The first page shows their forms too, see `tablets`.

The cookie is readable by no script and sent by no other site.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cartable.errors import DomainError
from mdm.accounts import service as accounts
from mdm.accounts import sessions
from mdm.accounts.errors import NotSignedIn
from mdm.accounts.models import SessionKind
from mdm.accounts.sessions import SignedIn, SignInStep
from mdm.api.clients import check_origin, get_sign_in_client, set_device_cookie
from mdm.api.deps import WorkDep
from mdm.console.accounts.sign_in_pages import render_kept_form, render_second_factor
from mdm.console.chapters import HOME_PAGE
from mdm.console.frame import SESSION_COOKIE, SIGN_IN_PAGE, authenticate, check_csrf, get_language, is_own_address, render_page
from mdm.console.page_route import PageRoute

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get(SIGN_IN_PAGE)
def show_sign_in(request: Request, work: WorkDep, then: str = "") -> Response:
    """Show the form of the sign-in; whoever is signed in goes on."""
    try:
        authenticate(request, work, allowed=set(SignInStep))
    except NotSignedIn:
        return render_page(request, "accounts/sign_in.html", then=then)
    return RedirectResponse(then if is_own_address(then) else HOME_PAGE, status_code=303)


@router.post(SIGN_IN_PAGE)
def sign_in(
    request: Request,
    work: WorkDep,
    login: Annotated[str, Form()],
    password: Annotated[str, Form()],
    then: Annotated[str, Form()] = "",
    kept: Annotated[str, Form()] = "",
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
            kept=kept,
            status=outcome.status,
        )
    return continue_signed_in(request, work, outcome, then, kept)


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
    response = RedirectResponse(HOME_PAGE, status_code=303)
    set_session_cookie(response, outcome)
    return response


@router.post("/sign-out")
def sign_out(request: Request, work: WorkDep, csrf: Annotated[str, Form()]) -> Response:
    """End the session and delete its cookie."""
    who = authenticate(request, work, allowed=set(SignInStep))
    check_csrf(request, csrf)
    sessions.end_session(work, who.account, who.session.id)
    return redirect_signed_out()


def continue_signed_in(request: Request, work: WorkDep, signed_in: SignedIn, then: str = "", kept: str = "") -> Response:
    """Set the session cookie and go on: to the second factor, to a form that was kept, else to the page that asked for the sign-in."""
    who = sessions.authenticate_token(work, signed_in.token, SessionKind.CONSOLE, allowed=set(SignInStep))
    response: Response | None = None
    if kept and who.missing is SignInStep.SECOND_FACTOR:
        response = render_second_factor(request, work, who, then, kept, token=signed_in.token)
    elif kept and who.missing is None:
        response = render_kept_form(request, who, kept, token=signed_in.token)
    if response is None:
        response = RedirectResponse(then if is_own_address(then) else HOME_PAGE, status_code=303)
    set_session_cookie(response, signed_in.token)
    if signed_in.device_cookie:
        set_device_cookie(response, signed_in.device_cookie)
    return response


def set_session_cookie(response: Response, token: str) -> None:
    """Set the cookie of the session: readable by no script, sent by no other site."""
    response.set_cookie(SESSION_COOKIE, token, httponly=True, secure=True, samesite="strict", path="/")


def redirect_signed_out() -> Response:
    """Delete the session cookie and redirect to the sign-in page."""
    response = RedirectResponse("/", status_code=303)
    response.delete_cookie(SESSION_COOKIE, secure=True, httponly=True, samesite="strict")
    return response
