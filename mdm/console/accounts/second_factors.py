"""The page after the password: the second factor of an account that has one."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from mdm.accounts import sessions
from mdm.accounts.passkeys import MAX_ANSWER_LENGTH
from mdm.accounts.second_factors import FactorProof
from mdm.accounts.sessions import SignInStep
from mdm.accounts.sign_in_limits import make_device_cookie
from mdm.api.clients import get_sign_in_client, set_device_cookie
from mdm.api.deps import WorkDep
from mdm.console.accounts.sign_in_pages import render_kept_form, render_second_factor
from mdm.console.chapters import HOME_PAGE
from mdm.console.frame import SECOND_FACTOR_PAGE, authenticate, check_csrf, is_own_address
from mdm.console.page_route import PageRoute

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get(SECOND_FACTOR_PAGE)
def show_second_factor(request: Request, work: WorkDep, then: str = "") -> Response:
    """Ask for the second factor; whoever has given it goes on."""
    who = authenticate(request, work, allowed={SignInStep.SECOND_FACTOR})
    if who.missing is not SignInStep.SECOND_FACTOR:
        return _redirect(then)
    return render_second_factor(request, work, who, then)


@router.post(SECOND_FACTOR_PAGE)
def give_second_factor(
    request: Request,
    work: WorkDep,
    csrf: Annotated[str, Form()],
    code: Annotated[str, Form()] = "",
    passkey: Annotated[str, Form()] = "",
    then: Annotated[str, Form()] = "",
    kept: Annotated[str, Form()] = "",
) -> Response:
    """Check the second factor, and complete the sign-in."""
    who = authenticate(request, work, allowed={SignInStep.SECOND_FACTOR})
    check_csrf(request, csrf)
    proof = FactorProof(code[:40], passkey[:MAX_ANSWER_LENGTH])
    refusal = sessions.give_second_factor(work, who.account, who.session, proof, get_sign_in_client(request))
    if refusal is not None:
        return render_second_factor(request, work, who, then, kept, refusal=refusal)
    response = (render_kept_form(request, who, kept) if kept else None) or _redirect(then)
    set_device_cookie(response, make_device_cookie(work, who.account.id))
    return response


def _redirect(then: str) -> Response:
    return RedirectResponse(then if is_own_address(then) else HOME_PAGE, status_code=303)
