"""The page of one child's data: who has read the record, everything that is kept as a file, and erasing it. Holds no rules."""

from __future__ import annotations

import json
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cartable.errors import DomainError
from cartable.i18n import Message
from cartable.scope import Actor
from cartable.unit_of_work import UnitOfWork
from enrollment.places import service as places
from mdm.api.attachments import build_attachment
from mdm.api.deps import WorkDep
from mdm.console.forms import CsrfField, attempt
from mdm.console.frame import check_csrf, get_language, render_page, require_sign_in
from mdm.console.page_route import PageRoute
from mdm.console.times import format_day, show_times_in
from mdm.privacy import children, papers
from mdm.privacy.labels import ACCESSES

router = APIRouter(prefix="/data/pupils", include_in_schema=False, route_class=PageRoute)
_NOTICES = {"erased": Message("The child's data are erased. The proof is kept without a name.")}


@router.get("/{pupil_id}")
def show_record(request: Request, work: WorkDep, pupil_id: UUID, done: str = "") -> Response:
    """Show who has read a child's record, and what can be done with the data."""
    actor, _ = require_sign_in(request, work)
    return _render_record(request, work, actor, pupil_id, notice=done)


@router.post("/{pupil_id}/export")
def export_record(
    request: Request, work: WorkDep, pupil_id: UUID, csrf: CsrfField, as_json: Annotated[bool, Form()] = False
) -> Response:
    """Return everything that is kept about a child, for the family as a PDF, for programs as JSON. It is audited."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    export = children.export_child(work, actor, pupil_id)
    if as_json:
        content = json.dumps(export, ensure_ascii=False, indent=1).encode()
        return build_attachment(content, f"pupil-{pupil_id}.json", "application/json")
    return build_attachment(papers.render_child_export(export, get_language(request)), f"pupil-{pupil_id}.pdf", "application/pdf")


@router.post("/{pupil_id}/erase")
def erase_record(
    request: Request,
    work: WorkDep,
    pupil_id: UUID,
    csrf: CsrfField,
    reason: Annotated[str, Form(min_length=3, max_length=300)],
) -> Response:
    """Erase what is kept about a child."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    refusal = attempt(work, lambda: children.erase_child(work, actor, pupil_id, reason.strip()))
    if refusal is not None:
        return _render_record(request, work, actor, pupil_id, refusal=refusal, reason=reason)
    return RedirectResponse(f"/data/pupils/{pupil_id}?done=erased", status_code=303)


def _render_record(
    request: Request,
    work: UnitOfWork,
    actor: Actor,
    pupil_id: UUID,
    *,
    notice: str = "",
    refusal: DomainError | None = None,
    reason: str = "",
) -> Response:
    language = get_language(request)
    rows = children.list_accesses(work, actor, pupil_id)
    if rows:
        show_times_in(places.get_town_zone(work, rows[0].town_id))
    return render_page(
        request,
        "privacy/child_record.html",
        notice=_NOTICES[notice].translate(language) if notice in _NOTICES else "",
        refusal=refusal,
        pupil_id=pupil_id,
        accesses=[
            {
                "who": row.actor_name,
                "how": ACCESSES[row.kind].translate(language),
                "day": format_day(row.day),
                "times": row.access_count,
            }
            for row in rows[:200]
        ],
        is_erased=notice == "erased",
        reason=reason,
    )
