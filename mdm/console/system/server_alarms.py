"""Acknowledging an alarm of the whole server, on the page of the server."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from cartable import alarms
from mdm.api.deps import WorkDep
from mdm.console.forms import CsrfField
from mdm.console.frame import check_csrf, require_sign_in
from mdm.console.page_route import PageRoute

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.post("/system/alarms/{alarm_id}/acknowledge")
def acknowledge_alarm(request: Request, work: WorkDep, alarm_id: UUID, csrf: CsrfField) -> Response:
    """Record that the operator has taken note of an alarm."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    alarms.acknowledge_alarm(work, actor, alarm_id)
    return RedirectResponse("/system", status_code=303)
