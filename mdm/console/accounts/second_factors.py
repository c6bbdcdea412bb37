"""The page after the password: the second factor of an account that has one."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cartable.errors import DomainError
from mdm.accounts import passkeys, second_factors, sessions
from mdm.accounts.passkeys import MAX_ANSWER_LENGTH
from mdm.accounts.second_factors import FactorProof
from mdm.accounts.sessions import Authentication, SignInStep
from mdm.accounts.sign_in_limits import make_device_cookie
from mdm.api.clients import get_sign_in_client, set_device_cookie
from mdm.api.deps import WorkDep
from mdm.console.frame import SECOND_FACTOR_PAGE, PageRoute, authenticate, check_csrf, get_language, is_own_address, render_page

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get(SECOND_FACTOR_PAGE)
def show_second_factor(request: Request, work: WorkDep, then: str = "") -> Response:
    """Ask for the second factor; whoever has given it goes on."""
    who = authenticate(request, work, allowed={SignInStep.SECOND_FACTOR})
    if who.missing is not SignInStep.SECOND_FACTOR:
        return _redirect(then)
    return _render_form(request, work, who, then)


@router.post(SECOND_FACTOR_PAGE)
def give_second_factor(
    request: Request,
    work: WorkDep,
    csrf: Annotated[str, Form()],
    code: Annotated[str, Form()] = "",
    passkey: Annotated[str, Form()] = "",
    then: Annotated[str, Form()] = "",
) -> Response:
    """Check the second factor, and complete the sign-in."""
    who = authenticate(request, work, allowed={SignInStep.SECOND_FACTOR})
    check_csrf(request, csrf)
    proof = FactorProof(code[:40], passkey[:MAX_ANSWER_LENGTH])
    refusal = sessions.give_second_factor(work, who.account, who.session, proof, get_sign_in_client(request))
    if refusal is not None:
        return _render_form(request, work, who, then, refusal)
    response = _redirect(then)
    set_device_cookie(response, make_device_cookie(work, who.account.id))
    return response


def _redirect(then: str) -> Response:
    return RedirectResponse(then if is_own_address(then) else "/", status_code=303)


def _render_form(request: Request, work: WorkDep, who: Authentication, then: str, refusal: DomainError | None = None) -> Response:
    overview = second_factors.get_overview(work, who.account)
    return render_page(
        request,
        "accounts/second_factor.html",
        status=refusal.status if refusal else 200,
        problem=refusal.translate(get_language(request)) if refusal else "",
        chapters=[],
        then=then,
        has_totp=overview.totp_since is not None,
        passkey_options=passkeys.begin_assertion(work, who.account, who.session),
    )
