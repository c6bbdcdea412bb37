"""Pages between the password and the first page: the second factor, and a form that was kept. Routes are in their own modules."""

from __future__ import annotations

from fastapi import Request
from fastapi.responses import Response

from cartable.errors import DomainError
from cartable.unit_of_work import UnitOfWork
from mdm.accounts import passkeys, second_factors
from mdm.accounts.sessions import Authentication
from mdm.console.frame import make_csrf_token, render_page
from mdm.console.kept_forms import open_form


def render_second_factor(
    request: Request,
    work: UnitOfWork,
    who: Authentication,
    then: str,
    kept: str = "",
    *,
    token: str = "",
    refusal: DomainError | None = None,
) -> Response:
    """Return the page that asks for the second factor. `token` is that of a session whose cookie this response sets."""
    overview = second_factors.get_overview(work, who.account)
    return render_page(
        request,
        "accounts/second_factor.html",
        refusal=refusal,
        csrf=make_csrf_token(request, token),
        person=who.actor.name,
        menu=[],
        then=then,
        kept=kept,
        has_totp=overview.totp_since is not None,
        passkey_options=passkeys.begin_assertion(work, who.account, who.session),
    )


def render_kept_form(request: Request, who: Authentication, kept: str, *, token: str = "") -> Response | None:
    """Return the page that offers a kept form again; None when it was another person's. `token` as in `render_second_factor`."""
    form = open_form(request.app.state.runtime.keyring, kept)
    if form is None or form.account_id != who.account.id:
        return None
    return render_page(
        request,
        "accounts/kept_form.html",
        csrf=make_csrf_token(request, token),
        person=who.actor.name,
        action=form.action,
        place=form.place,
        fields=form.fields,
    )
