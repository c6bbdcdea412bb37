"""The page of service tokens: which there are, when they were last used, a new one, an end at once."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cartable import scope
from cartable.errors import DomainError, Invalid
from cartable.scope import Actor, Permission, Role
from mdm.accounts import roles, service_tokens
from mdm.api.deps import WorkDep
from mdm.console.accounts.labels import PERMISSIONS, ROLES
from mdm.console.forms import CsrfField, attempt
from mdm.console.frame import check_csrf, get_language, list_permitted_towns, render_page, require_sign_in, select_town
from mdm.console.page_route import PageRoute
from mdm.console.times import format_day, format_instant

PAGE = "/service-tokens"
router = APIRouter(prefix=PAGE, include_in_schema=False, route_class=PageRoute)


@router.get("")
def show_service_tokens(request: Request, work: WorkDep, town_id: UUID | None = None) -> Response:
    """Show the service tokens of a town."""
    actor, _ = require_sign_in(request, work)
    return _render(request, work, actor, town_id)


@router.post("")
def create_service_token(
    request: Request,
    work: WorkDep,
    csrf: CsrfField,
    town_id: Annotated[UUID, Form()],
    name: Annotated[str, Form(max_length=80)],
    role: Annotated[Role, Form()],
    last_day: Annotated[date, Form()],
    permissions: Annotated[list[Permission] | None, Form()] = None,
) -> Response:
    """Make a token, and show its text once."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    town = select_town(list_permitted_towns(work, actor, Permission.GOVERN), town_id)
    try:
        end = datetime.combine(last_day + timedelta(days=1), time(), ZoneInfo(town.time_zone)).astimezone(UTC)
    except OverflowError:
        raise Invalid(field="last_day") from None
    texts: list[str] = []

    def act() -> None:
        created = service_tokens.create_service_token(
            work, actor, town.id, name=name, role=role, permissions=permissions or [], expires_at=end
        )
        texts.append(created.token)

    refusal = attempt(work, act)
    return _render(request, work, actor, town.id, refusal=refusal, text=texts[0] if texts and refusal is None else "")


@router.post("/{token_id}/revoke")
def revoke_service_token(request: Request, work: WorkDep, token_id: UUID, csrf: CsrfField) -> Response:
    """Void a token at once."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    row = service_tokens.revoke_service_token(work, actor, token_id)
    return RedirectResponse(f"{PAGE}?town_id={row.town_id}", status_code=303)


def _render(
    request: Request, work: WorkDep, actor: Actor, town_id: UUID | None, *, refusal: DomainError | None = None, text: str = ""
) -> Response:
    language = get_language(request)
    town = select_town(list_permitted_towns(work, actor, Permission.GOVERN), town_id)
    grantable = [role for role in Role if role is not Role.OPERATOR and roles.may_grant(actor, role, town.id, None)]
    offered = {permission for role in grantable for permission in scope.PERMISSIONS[role]} - service_tokens.FORBIDDEN_PERMISSIONS
    return render_page(
        request,
        "accounts/service_tokens.html",
        refusal=refusal,
        town=town,
        text=text,
        roles=[(role.value, ROLES[role].translate(language)) for role in grantable if scope.SCOPES[role] in _TOWN_SCOPES],
        permissions=[(each.value, PERMISSIONS[each].translate(language)) for each in Permission if each in offered],
        rows=[
            {
                "id": row.id,
                "name": row.name,
                "role": ROLES[row.role].translate(language),
                "may": [PERMISSIONS[Permission(each)].translate(language) for each in row.permissions],
                "by": account.display_name,
                "used": format_instant(row.last_used_at),
                "until": format_day(row.expires_at - timedelta(seconds=1)),
                "is_over": row.expires_at <= work.now,
            }
            for row, account in service_tokens.list_service_tokens(work, actor, town.id).items
        ],
    )


_TOWN_SCOPES = frozenset({scope.RoleScope.TOWN, scope.RoleScope.TOWN_OR_SCHOOL})
