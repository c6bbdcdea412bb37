"""The form for the key of Apple's API, by which the organisation's own list of devices is read. Holds no rules."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import Response

from cartable.scope import Permission
from enrollment.joining.apple_school_manager import service
from enrollment.joining.apple_school_manager.client import ApiKey
from enrollment.joining.apple_school_manager.models import KeyKind
from mdm.api.deps import WorkDep
from mdm.console.forms import CsrfField, attempt
from mdm.console.frame import check_csrf, choose_town, require_sign_in
from mdm.console.page_route import PageRoute, read_text_file
from mdm.console.setup.apple_school_manager import PAGE, redirect_to_servers, render_servers

router = APIRouter(prefix=PAGE, include_in_schema=False, route_class=PageRoute)


async def _read_key(request: Request) -> str:
    form = await request.form(max_files=1)
    return await read_text_file(form.get("key"))


KeyDep = Annotated[str, Depends(_read_key)]


@router.post("/{town}/key")
def install_key(
    request: Request,
    work: WorkDep,
    town: UUID,
    csrf: CsrfField,
    key: KeyDep,
    client_id: Annotated[str, Form(min_length=10, max_length=120)],
    key_id: Annotated[str, Form(min_length=1, max_length=120)],
    kind: Annotated[KeyKind, Form()] = KeyKind.SCHOOL,
) -> Response:
    """Install the town's key; the organisation's list is read at once."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    chosen = choose_town(work, actor, Permission.GOVERN, town)
    api_key = ApiKey(kind, client_id.strip(), key_id.strip(), key)
    refusal = attempt(work, lambda: service.install_key(work, actor, chosen.id, api_key))
    if refusal is not None:
        return render_servers(request, work, actor, chosen, refusal=refusal)
    return redirect_to_servers(chosen.id, "key")
