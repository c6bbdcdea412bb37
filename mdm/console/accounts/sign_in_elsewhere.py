"""Signing in at an identity provider: the choice of one, the way there, and the way back."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cartable.errors import DomainError, ReauthenticationRequired
from mdm.accounts import sessions
from mdm.accounts.oidc import service
from mdm.accounts.oidc.repository import ProviderRepository
from mdm.accounts.oidc.service import BEGUN_LIFETIME, CALLBACK_PATH
from mdm.api.clients import get_sign_in_client, set_device_cookie
from mdm.api.deps import WorkDep, get_runtime
from mdm.console.accounts.sign_in import set_session_cookie
from mdm.console.chapters import HOME_PAGE
from mdm.console.frame import OWN_ACCOUNT_PAGE, SIGN_IN_PAGE, authenticate, check_csrf, get_language, is_own_address, render_page
from mdm.console.page_route import PageRoute

_COOKIE = "cartable-sign-in"
router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get(f"{SIGN_IN_PAGE}/organisation")
def choose_provider(request: Request, work: WorkDep, town: str = "", then: str = "") -> Response:
    """Show at which providers people can sign in, of one town or of all."""
    rows = ProviderRepository(work.session).list_active(town[:40] or None)
    providers = [{"id": provider.id, "name": provider.name, "town": place.name} for provider, place in rows]
    return render_page(request, "accounts/providers_choice.html", providers=providers, then=then if is_own_address(then) else "")


@router.get(f"{SIGN_IN_PAGE}/with/{{provider_id}}")
def begin_sign_in(request: Request, provider_id: UUID, then: str = "") -> Response:
    """Send the browser to a provider."""
    url, cookie = service.begin_sign_in(get_runtime(request), provider_id, then if is_own_address(then) else "")
    response = RedirectResponse(url, status_code=303)
    _set_cookie(response, cookie)
    return response


@router.get(CALLBACK_PATH)
def finish_sign_in(request: Request) -> Response:
    """Check what the provider answers, and sign the person in; a refusal is shown with what to do."""
    runtime = get_runtime(request)
    try:
        finished = service.finish_sign_in(
            runtime, request.cookies.get(_COOKIE, ""), dict(request.query_params), get_sign_in_client(request)
        )
    except DomainError as refusal:
        problem = refusal.translate(get_language(request))
        response = render_page(request, "accounts/sign_in_elsewhere_refused.html", status=refusal.status, problem=problem)
    else:
        # The browser would not send a strict cookie along a redirect that another site began: a page of our own goes on.
        then = finished.then if is_own_address(finished.then) else HOME_PAGE
        response = render_page(request, "accounts/signed_in_elsewhere.html", address=then)
        if finished.signed_in is not None:
            set_session_cookie(response, finished.signed_in.token)
            if finished.signed_in.device_cookie:
                set_device_cookie(response, finished.signed_in.device_cookie)
    response.delete_cookie(_COOKIE, path=SIGN_IN_PAGE, secure=True, httponly=True, samesite="lax")
    return response


@router.post(f"{OWN_ACCOUNT_PAGE}/identities/{{provider_id}}")
def begin_link(request: Request, provider_id: UUID, csrf: Annotated[str, Form()]) -> Response:
    """Go to a provider in order to link the own account. The provider is asked outside the transaction."""
    runtime = get_runtime(request)
    with runtime.open_unit_of_work() as work:
        who = authenticate(request, work)
        check_csrf(request, csrf)
        if not sessions.may_change_factors(work, who):
            raise ReauthenticationRequired
        session_id = who.session.id
    url, cookie = service.begin_sign_in(runtime, provider_id, OWN_ACCOUNT_PAGE, session_id)
    # The policy of our pages lets no form end at another site: a page of our own goes on.
    response = render_page(request, "accounts/signed_in_elsewhere.html", address=url)
    _set_cookie(response, cookie)
    return response


def _set_cookie(response: Response, cookie: str) -> None:
    """Keep the begun sign-in. The cookie is lax, because the provider sends the browser back from another site."""
    response.set_cookie(
        _COOKIE,
        cookie,
        max_age=int(BEGUN_LIFETIME.total_seconds()),
        path=SIGN_IN_PAGE,
        httponly=True,
        secure=True,
        samesite="lax",
    )
