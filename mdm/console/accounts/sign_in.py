"""Signing in and out, and changing a password. Their forms are shown in place of the first page, in `tablets`."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cartable.errors import DomainError
from mdm.accounts import service as accounts
from mdm.api.deps import WorkDep
from mdm.console.frame import SESSION_COOKIE, PageRoute, check_csrf, get_language, render_page

_OWN_ADDRESS = re.compile(r"/desk[A-Za-z0-9/?=-]{0,200}")
router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.post("/sign-in")
def sign_in(
    request: Request,
    work: WorkDep,
    login: Annotated[str, Form()],
    password: Annotated[str, Form()],
    then: Annotated[str, Form()] = "",
) -> Response:
    """Check a password and set the session cookie, which scripts cannot read and other sites cannot send."""
    outcome = accounts.sign_in(work, login[:200], password[:200])
    if isinstance(outcome, DomainError):
        return render_page(
            request,
            "accounts/sign_in.html",
            problem=outcome.translate(get_language(request)),
            login=login[:200],
            then=then,
            status=outcome.status,
        )
    return _redirect_signed_in(outcome[1], then)


@router.post("/password")
def change_password(
    request: Request, work: WorkDep, csrf: Annotated[str, Form()], current: Annotated[str, Form()], new: Annotated[str, Form()]
) -> Response:
    """Set a new password for the person who is signed in."""
    token = request.cookies.get(SESSION_COOKIE, "")
    _, account = accounts.authenticate_token(work, token, allow_one_time_password=True)
    check_csrf(request, csrf)
    try:
        return _redirect_signed_in(accounts.change_password(work, account, current, new))
    except DomainError as refusal:
        return render_page(
            request, "accounts/password.html", problem=refusal.translate(get_language(request)), status=refusal.status
        )


@router.post("/sign-out")
def sign_out(request: Request, csrf: Annotated[str, Form()]) -> Response:
    """Delete the session cookie."""
    check_csrf(request, csrf)
    response = RedirectResponse("/", status_code=303)
    response.delete_cookie(SESSION_COOKIE)
    return response


def _redirect_signed_in(token: str, then: str = "") -> Response:
    """Set the session cookie and redirect to the desk page that asked for the sign-in; to no other address."""
    response = RedirectResponse(then if _OWN_ADDRESS.fullmatch(then) else "/", status_code=303)
    response.set_cookie(SESSION_COOKIE, token, httponly=True, secure=True, samesite="strict", path="/")
    return response
