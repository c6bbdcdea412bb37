"""The accessibility statement that the law asks of public services, open to everybody."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from cartable.errors import DomainError
from mdm.api.deps import WorkDep
from mdm.console.frame import render_page, require_sign_in
from mdm.console.page_route import PageRoute

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/accessibility")
def show_statement(request: Request, work: WorkDep) -> Response:
    """Show the statement, in the frame of the person who is signed in, if anybody is."""
    try:
        require_sign_in(request, work)
    except DomainError:
        request.state.actor = None
    settings = work.settings
    return render_page(
        request,
        "accessibility.html",
        organisation=settings.organisation,
        address=settings.public_url,
        level=settings.accessibility_level,
        contact=settings.accessibility_contact,
        plan_url=settings.accessibility_plan_url,
    )
