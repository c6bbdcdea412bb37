"""The pages behind a link: choosing the own password, after an invitation or a reset."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from cartable.errors import DomainError
from mdm.accounts import links
from mdm.accounts.errors import WeakPassword
from mdm.accounts.models import LinkPurpose, SessionKind
from mdm.api.clients import check_origin, get_sign_in_client
from mdm.api.deps import WorkDep
from mdm.console.accounts.sign_in import continue_signed_in
from mdm.console.frame import get_language, render_page
from mdm.console.page_route import PageRoute

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/welcome/{token}")
def show_link(request: Request, token: str, work: WorkDep) -> Response:
    """Show the form for the first or the new password, or why the link does not work."""
    try:
        return _render_form(request, work, token)
    except DomainError as refusal:
        return _render_refusal(request, refusal)


@router.post("/welcome/{token}")
def set_password(
    request: Request, token: str, work: WorkDep, password: Annotated[str, Form()], again: Annotated[str | None, Form()] = None
) -> Response:
    """Set the password and sign the person in. A page without scripts sends the password twice."""
    check_origin(request)
    language = get_language(request)
    try:
        if again is not None and password != again:
            return _render_form(request, work, token, language.gettext("The two passwords differ: type them again."))
        signed_in = links.set_password(work, token, password[:201], get_sign_in_client(request), SessionKind.CONSOLE)
    except WeakPassword as refusal:
        return _render_form(request, work, token, refusal.translate(language))
    except DomainError as refusal:
        return _render_refusal(request, refusal)
    return continue_signed_in(request, work, signed_in)


def _render_form(request: Request, work: WorkDep, token: str, problem: str = "") -> Response:
    link, account = links.open_link(work, token)
    return render_page(
        request,
        "accounts/link.html",
        status=422 if problem else 200,
        problem=problem,
        is_invitation=link.purpose is LinkPurpose.INVITATION,
        name=account.display_name,
        login=account.login,
    )


def _render_refusal(request: Request, refusal: DomainError) -> Response:
    return render_page(
        request, "accounts/link_refused.html", status=refusal.status, problem=refusal.translate(get_language(request))
    )
