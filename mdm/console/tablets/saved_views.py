"""Saved views on the list of tablets, and the choice of its columns: kept and removed by forms. Holds no rules."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from mdm.api.deps import WorkDep
from mdm.care.tablet_columns import TabletColumn
from mdm.care.views import service
from mdm.care.views.service import MAX_VIEW_NAME, MAX_VIEW_QUERY
from mdm.console.forms import CsrfField
from mdm.console.frame import check_csrf, require_sign_in
from mdm.console.page_route import PageRoute
from mdm.console.tablets.list_filters import ListAddress

#: What the address of the list may carry.
_FIELDS = frozenset({*ListAddress.model_fields, "town"})
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


@router.post("/columns")
def save_columns(
    request: Request,
    work: WorkDep,
    csrf: CsrfField,
    query: Annotated[str, Form(max_length=MAX_VIEW_QUERY)] = "",
    column: Annotated[list[str] | None, Form(max_length=len(TabletColumn))] = None,
) -> Response:
    """Keep the columns of the list for this person, and show the list with them."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    service.save_columns(work, actor, [TabletColumn.TAG, *(column or [])])
    kept = {name: value for name, value in parse_qsl(query) if name in _FIELDS - {"columns"}}
    return RedirectResponse(f"/?{urlencode(kept)}" if kept else "/", status_code=303)


@router.post("/{saved_view_id}/remove")
def delete_view(request: Request, saved_view_id: UUID, work: WorkDep, csrf: CsrfField) -> Response:
    """Remove a view."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    service.delete_view(work, actor, saved_view_id)
    return RedirectResponse("/", status_code=303)
