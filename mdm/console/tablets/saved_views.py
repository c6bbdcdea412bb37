"""Saved views on the list of tablets: kept and removed by forms. Holds no rules."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from mdm.api.deps import WorkDep
from mdm.care.views import service
from mdm.care.views.service import MAX_VIEW_NAME, MAX_VIEW_QUERY
from mdm.console.forms import CsrfField
from mdm.console.frame import check_csrf, require_sign_in
from mdm.console.page_route import PageRoute

router = APIRouter(prefix="/views", include_in_schema=False, route_class=PageRoute)


@router.post("")
def save_view(
    request: Request,
    work: WorkDep,
    csrf: CsrfField,
    name: Annotated[str, Form(min_length=1, max_length=MAX_VIEW_NAME)],
    query: Annotated[str, Form(max_length=MAX_VIEW_QUERY)],
) -> Response:
    """Keep the filter of the list under a name."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    view = service.save_view(work, actor, name, query)
    return RedirectResponse(f"/?{view.query}", status_code=303)


@router.post("/{saved_view_id}/remove")
def delete_view(request: Request, saved_view_id: UUID, work: WorkDep, csrf: CsrfField) -> Response:
    """Remove a view."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    service.delete_view(work, actor, saved_view_id)
    return RedirectResponse("/", status_code=303)
