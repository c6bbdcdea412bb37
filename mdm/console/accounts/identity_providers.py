"""The page of identity providers: entering one, trying it, and the roles that its groups give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cartable.errors import DomainError, Invalid
from cartable.scope import Actor, Permission, Role
from enrollment.places import service as places
from mdm.accounts import roles
from mdm.accounts.oidc import providers
from mdm.accounts.oidc.client import ProviderClient
from mdm.accounts.oidc.service import CALLBACK_PATH
from mdm.api.deps import WorkDep, get_runtime
from mdm.console.accounts.labels import ROLES
from mdm.console.forms import CsrfField, attempt
from mdm.console.frame import (
    authenticate,
    check_csrf,
    get_language,
    list_permitted_towns,
    render_page,
    require_sign_in,
    select_town,
)
from mdm.console.page_route import PageRoute

PAGE = "/identity-providers"
router = APIRouter(prefix=PAGE, include_in_schema=False, route_class=PageRoute)


@router.get("")
def show_providers(request: Request, work: WorkDep, town_id: UUID | None = None, verified: str = "") -> Response:
    """Show the providers of a town."""
    actor, _ = require_sign_in(request, work)
    notice = get_language(request).gettext("The provider answers as it should.") if verified else ""
    return _render(request, work, actor, town_id, notice=notice)


@router.post("")
def create_provider(
    request: Request,
    work: WorkDep,
    csrf: CsrfField,
    town_id: Annotated[UUID, Form()],
    name: Annotated[str, Form(max_length=80)],
    issuer: Annotated[str, Form(max_length=300)],
    client_id: Annotated[str, Form(max_length=200)],
    client_secret: Annotated[str, Form(max_length=1000)] = "",
    claim: Annotated[str, Form(max_length=80)] = providers.DEFAULT_CLAIM,
    scopes: Annotated[str, Form(max_length=200)] = providers.DEFAULT_SCOPES,
) -> Response:
    """Enter a provider."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    values = {"name": name, "issuer": issuer, "client_id": client_id, "claim": claim, "scopes": scopes}
    return _act(
        request, work, actor, town_id,
        lambda: providers.create_provider(work, actor, town_id, client_secret=client_secret, **values), values,
    )  # fmt: skip


@router.post("/{provider_id}")
def update_provider(
    request: Request,
    work: WorkDep,
    provider_id: UUID,
    csrf: CsrfField,
    name: Annotated[str, Form(max_length=80)],
    issuer: Annotated[str, Form(max_length=300)],
    client_id: Annotated[str, Form(max_length=200)],
    client_secret: Annotated[str, Form(max_length=1000)] = "",
    claim: Annotated[str, Form(max_length=80)] = providers.DEFAULT_CLAIM,
    scopes: Annotated[str, Form(max_length=200)] = providers.DEFAULT_SCOPES,
) -> Response:
    """Change a provider; an empty secret leaves the former one."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    town_id = providers.require_provider(work, actor, provider_id).town_id
    values = {"name": name, "issuer": issuer, "client_id": client_id, "claim": claim, "scopes": scopes}
    return _act(
        request, work, actor, town_id,
        lambda: providers.update_provider(work, actor, provider_id, client_secret=client_secret, **values),
    )  # fmt: skip


@router.post("/{provider_id}/roles")
def map_group(
    request: Request,
    work: WorkDep,
    provider_id: UUID,
    csrf: CsrfField,
    claim_value: Annotated[str, Form(max_length=200)],
    role: Annotated[Role, Form()],
    school_id: Annotated[str, Form()] = "",
) -> Response:
    """Let a group give a role."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    town_id = providers.require_provider(work, actor, provider_id).town_id
    try:
        school = UUID(school_id) if school_id else None
    except ValueError:
        raise Invalid(field="school_id") from None
    return _act(
        request, work, actor, town_id,
        lambda: providers.map_group(work, actor, provider_id, claim_value=claim_value, role=role, school_id=school),
    )  # fmt: skip


@router.post("/{provider_id}/roles/{role_id}/remove")
def unmap_group(request: Request, work: WorkDep, provider_id: UUID, role_id: UUID, csrf: CsrfField) -> Response:
    """Let a group give a role no longer."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    town_id = providers.require_provider(work, actor, provider_id).town_id
    return _act(request, work, actor, town_id, lambda: providers.unmap_group(work, actor, provider_id, role_id))


@router.post("/{provider_id}/switch")
def switch_provider(
    request: Request, work: WorkDep, provider_id: UUID, csrf: CsrfField, active: Annotated[bool, Form()] = False
) -> Response:
    """Switch sign-in at a provider on or off."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    town_id = providers.require_provider(work, actor, provider_id).town_id
    return _act(request, work, actor, town_id, lambda: providers.set_provider_active(work, actor, provider_id, active=active))


@router.post("/{provider_id}/verify")
def verify_provider(request: Request, provider_id: UUID, csrf: CsrfField) -> Response:
    """Ask a provider whether it answers. It is asked outside the transaction."""
    runtime = get_runtime(request)
    with runtime.open_unit_of_work() as work:
        actor = authenticate(request, work).actor
        check_csrf(request, csrf)
        provider = providers.require_provider(work, actor, provider_id)
        work.session.expunge(provider)
    with ProviderClient(provider, allow_private=runtime.settings.allow_private_addresses) as client:
        client.fetch_keys(client.fetch_discovery())
    return RedirectResponse(f"{PAGE}?town_id={provider.town_id}&verified=1", status_code=303)


def _act(
    request: Request, work: WorkDep, actor: Actor, town_id: UUID, act: Callable[[], object], values: dict[str, str] | None = None
) -> Response:
    refusal = attempt(work, act)
    if refusal is not None:
        return _render(request, work, actor, town_id, refusal=refusal, values=values)
    return RedirectResponse(f"{PAGE}?town_id={town_id}", status_code=303)


def _render(
    request: Request,
    work: WorkDep,
    actor: Actor,
    town_id: UUID | None,
    *,
    notice: str = "",
    refusal: DomainError | None = None,
    values: dict[str, Any] | None = None,
) -> Response:
    language = get_language(request)
    town = select_town(list_permitted_towns(work, actor, Permission.GOVERN), town_id)
    schools = places.list_schools(work, actor, town.id)
    names = {school.id: school.name for school in schools}
    scopes = [None, *names]
    return render_page(
        request,
        "accounts/identity_providers.html",
        notice=notice,
        refusal=refusal,
        town=town,
        callback=work.settings.public_url + CALLBACK_PATH,
        values=values or {"claim": providers.DEFAULT_CLAIM, "scopes": providers.DEFAULT_SCOPES},
        schools=schools,
        roles=[
            (role.value, ROLES[role].translate(language))
            for role in Role
            if role is not Role.OPERATOR and any(roles.may_grant(actor, role, town.id, school_id) for school_id in scopes)
        ],
        providers=[
            {
                "id": provider.id,
                "name": provider.name,
                "issuer": provider.issuer,
                "claim": provider.claim,
                "client_id": provider.client_id,
                "scopes": provider.scopes,
                "active": provider.active,
                "roles": [
                    {"id": row.id, "group": row.claim_value, "label": ROLES[row.role].translate(language),
                     "place": names.get(row.school_id, language.gettext("whole town")) if row.school_id else language.gettext("whole town")}
                    for row in mappings
                ],
            }
            for provider, mappings in providers.list_providers(work, actor, town.id).items
        ],
    )  # fmt: skip
