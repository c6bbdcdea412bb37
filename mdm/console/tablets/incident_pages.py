"""The page of one incident with its report. Holds no rules."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from enrollment.tablets import incidents
from enrollment.tablets.labels import CAUSES
from mdm.api.deps import WorkDep
from mdm.console.care.loss_reports import REPORTERS
from mdm.console.frame import get_language, render_page, require_sign_in
from mdm.console.page_route import PageRoute
from mdm.console.tablets.custody_labels import KINDS
from mdm.console.times import format_day, format_instant

router = APIRouter(prefix="/tablets/{tablet_id}", include_in_schema=False, route_class=PageRoute)


@router.get("/incidents/{incident_id}")
def show_incident(request: Request, tablet_id: UUID, incident_id: UUID, work: WorkDep) -> Response:
    """Show an incident with its report; the reading is audited."""
    actor, _ = require_sign_in(request, work)
    language = get_language(request)
    row = incidents.read_incident(work, actor, incident_id)
    kind = KINDS[row.kind].translate(language)
    facts = [
        (language.gettext("What is told"), row.description or "–"),
        (language.gettext("Reported by"), REPORTERS[row.reporter].translate(language) if row.reporter is not None else "–"),
        (language.gettext("Where"), row.place or "–"),
        (language.gettext("When"), format_day(row.happened_on)),
        (language.gettext("Reported"), format_instant(row.reported_at)),
        (language.gettext("Cause"), CAUSES[row.cause].translate(language) if row.cause is not None else "–"),
        (
            language.gettext("Receipt of the police"),
            f"{row.receipt_number}, {format_day(row.receipt_on)}" if row.receipt_number else "–",
        ),
        (language.gettext("Insured until"), format_day(row.insured_on)),
        (language.gettext("Closed"), format_instant(row.closed_at)),
    ]
    return render_page(request, "tablets/incident.html", kind=kind, facts=facts, tablet_id=tablet_id, loaner_id=row.loaner_id)
