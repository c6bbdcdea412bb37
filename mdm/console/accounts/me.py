"""The page of the own account: second factors, recovery codes, password."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import segno
from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cartable.errors import DomainError, ReauthenticationRequired
from cartable.i18n import Language, list_available_languages
from cartable.scope import Permission
from mdm.accounts import passkeys, second_factors, sessions
from mdm.accounts.errors import PasskeyRefused, WrongSecondFactor
from mdm.accounts.oidc.repository import ProviderRepository
from mdm.accounts.passkeys import MAX_ANSWER_LENGTH
from mdm.accounts.passwords import NO_PASSWORD
from mdm.accounts.sessions import Authentication, SignInStep
from mdm.accounts.sign_in_limits import make_device_cookie
from mdm.api.clients import set_device_cookie
from mdm.api.deps import WorkDep
from mdm.console.forms import CsrfField
from mdm.console.frame import OWN_ACCOUNT_PAGE, authenticate, check_csrf, get_language, is_own_address, render_page
from mdm.console.notices.labels import NOTICE_LEVELS
from mdm.console.page_route import PageRoute
from mdm.console.times import format_day
from mdm.notices.service import get_choice

router = APIRouter(prefix=OWN_ACCOUNT_PAGE, include_in_schema=False, route_class=PageRoute)
#: Who governs a town or cares for its tablets gets alarms; who authors its apps decides on requests, and who teaches makes them.
_NOTICE_PERMISSIONS = (Permission.GOVERN, Permission.CARE, Permission.AUTHOR, Permission.TEACH)
#: The page that a person wanted to see before a second factor was asked for.
ThenField = Annotated[str, Form(max_length=2000)]


@router.get("")
def show_account(request: Request, work: WorkDep, then: str = "") -> Response:
    """Show the own account; to who lacks the second factor that they need, with the reason and nothing else, and `then` what they came for."""
    who = authenticate(request, work, allowed={SignInStep.SECOND_FACTOR_ENROLLMENT})
    overview = second_factors.get_overview(work, who.account)
    must_enroll = who.missing is SignInStep.SECOND_FACTOR_ENROLLMENT
    return render_page(
        request,
        "accounts/me.html",
        **_hide_menu(hidden=must_enroll),
        must_enroll=must_enroll,
        then=_choose_next_page(then),
        login=who.account.login,
        has_password=who.account.password_hash != NO_PASSWORD,
        totp_since=format_day(overview.totp_since) if overview.totp_since else "",
        passkeys=[
            {"id": row.id, "name": row.name, "since": format_day(row.created_at), "used": format_day(row.last_used_at)}
            for row in overview.passkeys
        ],
        has_factor=bool(overview.count),
        recovery_codes=overview.recovery_codes,
        **_list_providers(work, who),
        **_describe_notices(work, who, get_language(request)),
    )


def _describe_notices(work: WorkDep, who: Authentication, language: Language) -> dict[str, Any]:
    """Return the choice of notices of a person who gets any: of alarms, or of requests for apps."""
    gets_any = who.actor.operates() or any(who.actor.list_permitted_towns(each) for each in _NOTICE_PERMISSIONS)
    return {
        "notice_level": get_choice(work, who.account).value if gets_any else "",
        "notice_levels": [(level.value, label.translate(language)) for level, label in NOTICE_LEVELS.items()],
        "email": who.account.email or "",
        "notice_language": who.account.language,
        "language_names": [(each.code, each.name) for each in list_available_languages()],
    }


def _list_providers(work: WorkDep, who: Authentication) -> dict[str, Any]:
    """Return the providers that the account is linked with, and those of its towns that it can be linked with."""
    repository = ProviderRepository(work.session)
    linked = {provider.id: provider.name for _, provider in repository.list_identities(who.account.id)}
    town_ids = {role.town_id for role in who.actor.role_assignments if role.town_id is not None}
    offered = [provider for provider, _ in repository.list_active_of_towns(town_ids) if provider.id not in linked]
    return {"linked": sorted(linked.values()), "offered": [(provider.id, provider.name) for provider in offered]}


def _hide_menu(*, hidden: bool) -> dict[str, Any]:
    """Return the value for a page without a menu: no chapter would open to who must set up a second factor first."""
    return {"menu": []} if hidden else {}


def _choose_next_page(then: str) -> str:
    """Return the page of this server that a person wanted to see before a second factor was asked for; empty for none."""
    return then if is_own_address(then) else ""


@router.post("/totp/begin")
def begin_totp(request: Request, work: WorkDep, csrf: CsrfField, then: ThenField = "") -> Response:
    """Show the QR code for an app."""
    return _render_totp(request, work, _authenticate_for_change(request, work, csrf), then)


@router.post("/totp")
def confirm_totp(
    request: Request, work: WorkDep, csrf: CsrfField, code: Annotated[str, Form()], then: ThenField = ""
) -> Response:
    """Check the first code of the app, and show the recovery codes."""
    who = _authenticate_for_change(request, work, csrf)
    try:
        codes = second_factors.confirm_totp(work, who.account, who.session, code)
    except WrongSecondFactor as refusal:
        return _render_totp(request, work, who, then, refusal)
    return _show_recovery_codes(request, work, who, codes, then)


@router.post("/totp/remove")
def remove_totp(request: Request, work: WorkDep, csrf: Annotated[str, Form()]) -> Response:
    """Remove the app."""
    who = _authenticate_for_change(request, work, csrf)
    second_factors.remove_totp(work, who.account, who.actor.role_assignments)
    return RedirectResponse(OWN_ACCOUNT_PAGE, status_code=303)


@router.post("/passkeys/begin")
def begin_passkey(request: Request, work: WorkDep, csrf: CsrfField, then: ThenField = "") -> Response:
    """Show the button that makes a passkey."""
    return _render_passkey(request, work, _authenticate_for_change(request, work, csrf), then)


@router.post("/passkeys")
def add_passkey(
    request: Request,
    work: WorkDep,
    csrf: Annotated[str, Form()],
    name: Annotated[str, Form()] = "",
    passkey: Annotated[str, Form()] = "",
    then: ThenField = "",
) -> Response:
    """Store the passkey that the browser has made, and show the recovery codes."""
    who = _authenticate_for_change(request, work, csrf)
    try:
        passkeys.finish_registration(work, who.account, who.session, name, passkey[:MAX_ANSWER_LENGTH])
    except PasskeyRefused as refusal:
        return _render_passkey(request, work, who, then, refusal)
    codes = second_factors.note_added_factor(work, who.account, who.session)
    return _show_recovery_codes(request, work, who, codes, then)


@router.post("/passkeys/{passkey_id}/remove")
def remove_passkey(request: Request, passkey_id: UUID, work: WorkDep, csrf: Annotated[str, Form()]) -> Response:
    """Remove a passkey."""
    who = _authenticate_for_change(request, work, csrf)
    second_factors.remove_passkey(work, who.account, who.actor.role_assignments, passkey_id)
    return RedirectResponse(OWN_ACCOUNT_PAGE, status_code=303)


@router.post("/recovery-codes")
def replace_recovery_codes(request: Request, work: WorkDep, csrf: Annotated[str, Form()]) -> Response:
    """Make new recovery codes, and show them."""
    who = _authenticate_for_change(request, work, csrf)
    return _show_recovery_codes(request, work, who, second_factors.replace_recovery_codes(work, who.account))


def _authenticate_for_change(request: Request, work: WorkDep, csrf: str) -> Authentication:
    """Return who changes the own second factors. Raises `ReauthenticationRequired`, upon which the password is asked for."""
    who = authenticate(request, work, allowed={SignInStep.SECOND_FACTOR_ENROLLMENT})
    check_csrf(request, csrf)
    if not sessions.may_change_factors(work, who):
        raise ReauthenticationRequired
    return who


def _render_totp(request: Request, work: WorkDep, who: Authentication, then: str, refusal: DomainError | None = None) -> Response:
    setup = second_factors.begin_totp(work, who.account)
    return render_page(
        request,
        "accounts/totp.html",
        refusal=refusal,
        menu=[],
        then=_choose_next_page(then),
        secret=" ".join(setup.secret[start : start + 4] for start in range(0, len(setup.secret), 4)),
        picture=segno.make(setup.uri, error="m").svg_inline(scale=5, dark="#000", light="#fff"),
    )


def _render_passkey(
    request: Request, work: WorkDep, who: Authentication, then: str, refusal: DomainError | None = None
) -> Response:
    return render_page(
        request,
        "accounts/passkey.html",
        refusal=refusal,
        menu=[],
        then=_choose_next_page(then),
        options=passkeys.begin_registration(work, who.account, who.session),
    )


def _show_recovery_codes(request: Request, work: WorkDep, who: Authentication, codes: list[str], then: str = "") -> Response:
    """Show the recovery codes once, and lead on to `then`; go back to the own account when there are no new ones."""
    response: Response = RedirectResponse(OWN_ACCOUNT_PAGE, status_code=303)
    if codes:
        response = render_page(request, "accounts/recovery_codes.html", codes=codes, then=_choose_next_page(then))
    set_device_cookie(response, make_device_cookie(work, who.account.id))
    return response
