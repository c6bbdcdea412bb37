"""Pages that export rosters: the template, OneRoster, the files for Apple School Manager."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from cartable.scope import Permission
from enrollment.rosters.exports import service as exports
from enrollment.rosters.exports.service import SheetFormat, TemplatePart
from mdm.api.attachments import MEDIA_TYPES, build_attachment
from mdm.api.deps import WorkDep
from mdm.console.forms import CsrfField
from mdm.console.frame import check_csrf, list_permitted_towns, require_sign_in, select_town
from mdm.console.page_route import PageRoute
from mdm.console.people.rosters import render_rosters

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/rosters/export/own.{form}")
def export_template(
    request: Request, work: WorkDep, form: SheetFormat, town: UUID, school: str = "", part: TemplatePart = TemplatePart.PUPILS
) -> Response:
    """Return the Cartable template, filled in."""
    actor, _ = require_sign_in(request, work)
    content = exports.export_own_template(work, actor, town, UUID(school) if school else None, part, form)
    return build_attachment(content, f"cartable-{part.value}.{form.value}", MEDIA_TYPES[form.value])


@router.post("/rosters/export/oneroster")
def export_oneroster(request: Request, work: WorkDep, csrf: CsrfField, town: Annotated[UUID, Form()]) -> Response:
    """Return the set of OneRoster files."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    return build_attachment(exports.export_oneroster(work, actor, town), "oneroster.zip", "application/zip")


@router.post("/rosters/export/apple")
def export_apple(request: Request, work: WorkDep, csrf: CsrfField, town: Annotated[UUID, Form()]) -> Response:
    """Return the files for Apple School Manager, or the page with the reasons why they would be incomplete."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    problems = exports.check_apple_export(work, actor, town)
    if problems:
        return render_rosters(
            request,
            work,
            actor,
            select_town(list_permitted_towns(work, actor, Permission.ROSTER), town),
            reasons=[(each.code, each.count) for each in problems],
        )
    return build_attachment(exports.export_apple(work, actor, town), "apple-school-manager.zip", "application/zip")
