"""The page of the audit trail: who did what, with filters, and whether the trail is complete. Reads only."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from cartable import audit
from cartable.audit import AuditEvent, EventFilter
from cartable.i18n import Language
from cartable.paging import MAX_CURSOR_LENGTH, PageRequest
from cartable.scope import Permission
from mdm.api.deps import RuntimeDep, WorkDep
from mdm.console.frame import choose_town, get_language, list_permitted_towns, render_page, require_sign_in
from mdm.console.labels import person_label
from mdm.console.page_route import PageRoute
from mdm.console.privacy.audit_details import describe_details
from mdm.console.times import format_instant
from mdm.privacy import audit_trail
from mdm.privacy.audit_labels import AUDIT_ACTIONS, AUDIT_SUBJECTS, TABLET_ACTIONS
from mdm.privacy.audit_repository import CheckpointRepository

router = APIRouter(prefix="/audit", include_in_schema=False, route_class=PageRoute)


@router.get("")
def show_audit_trail(
    request: Request, work: WorkDep, town: UUID | None = None, who: str = "", what: str = "", after: str = ""
) -> Response:
    """Show the events of a town, newest first, those only of a person or of acts whose name begins so."""
    actor, _ = require_sign_in(request, work)
    language = get_language(request)
    chosen = choose_town(work, actor, Permission.PRIVACY, town)
    wanted = EventFilter(actor_name=who[:80].strip(), action=what[:64].strip())
    page = audit.list_events(work, chosen.id, wanted=wanted, page=PageRequest(cursor=after[:MAX_CURSOR_LENGTH] or None))
    chains = set(audit.list_chain_keys(chosen.id))
    query = {"town": str(chosen.id), "who": wanted.actor_name, "what": wanted.action}
    return render_page(
        request,
        "privacy/audit.html",
        town=chosen,
        towns=list_permitted_towns(work, actor, Permission.PRIVACY),
        who=wanted.actor_name,
        what=wanted.action,
        events=[_describe_event(event, language) for event in page.items],
        next_url=f"/audit?{urlencode({**query, 'after': page.next_cursor})}" if page.next_cursor else "",
        is_faulty=any(row.chain in chains for row in CheckpointRepository(work.session).list_faulty()),
    )


@router.get("/{town}/export")
def export_audit_trail(request: Request, runtime: RuntimeDep, town: UUID) -> Response:
    """Download the whole trail of a town as lines of JSON, oldest first. This reading is audited too."""
    with runtime.open_unit_of_work() as work:
        actor, _ = require_sign_in(request, work)
        chosen = choose_town(work, actor, Permission.PRIVACY, town)
        audit.record_reading(work, actor, "audit.export", "town", chosen.id, town_id=chosen.id)
    events = audit_trail.export_events(runtime, audit.list_chain_keys(chosen.id))
    lines = (json.dumps(event, ensure_ascii=False, sort_keys=True) + "\n" for event in events)
    headers = {"Content-Disposition": f'attachment; filename="audit-{runtime.clock.now():%Y-%m-%d}.ndjson"'}
    return StreamingResponse(lines, media_type="application/x-ndjson", headers=headers)


def _describe_event(event: AuditEvent, language: Language) -> dict[str, Any]:
    label = AUDIT_ACTIONS.get(event.action) or TABLET_ACTIONS.get(event.action)
    subject = AUDIT_SUBJECTS.get(event.subject_kind)
    return {
        "at": format_instant(event.at),
        "who": person_label(event.actor_name, language),
        "action": event.action,
        "what": label.translate(language) if label is not None else "",
        "subject": subject.translate(language) if subject is not None else event.subject_kind,
        "subject_id": event.subject_id,
        "tablet": event.subject_id if event.subject_kind == "tablet" else "",
        "details": describe_details(event.details, language),
    }
