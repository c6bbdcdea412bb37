"""The page of what a tablet reports in detail when it is asked: apps, certificates, restrictions in force. Holds no rules."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from cartable.i18n import Message
from enrollment.tablets import service as tablets
from mdm.api.deps import WorkDep
from mdm.care.commands import reports
from mdm.care.commands.reports import TabletReportKind
from mdm.console.forms import CsrfField
from mdm.console.frame import check_csrf, get_language, render_page, require_sign_in
from mdm.console.labels import state_label
from mdm.console.page_route import PageRoute
from mdm.console.times import format_instant
from mdm.queue.models import OPEN_STATES

router = APIRouter(prefix="/tablets/{tablet_id}/reports", include_in_schema=False, route_class=PageRoute)
KINDS: dict[TabletReportKind, Message] = {
    TabletReportKind.APPS: Message("Apps on the tablet"),
    TabletReportKind.CERTIFICATES: Message("Certificates"),
    TabletReportKind.RESTRICTIONS: Message("Restrictions in force"),
}


@router.get("")
def show_reports(request: Request, tablet_id: UUID, work: WorkDep) -> Response:
    """Show what the tablet answered last to each question."""
    actor, _ = require_sign_in(request, work)
    language = get_language(request)
    tablet = tablets.get_tablet(work, actor, tablet_id)
    found = [reports.load_report(work, actor, tablet_id, kind) for kind in TabletReportKind]
    return render_page(
        request,
        "tablets/reports.html",
        tablet=tablet,
        waits=any(report.state in OPEN_STATES for report in found),
        reports=[
            {
                "kind": report.kind.value, "title": KINDS[report.kind].translate(language), "lines": report.lines,
                "state": state_label(report.state, language) if report.state is not None else "",
                "at": format_instant(report.at) if report.at is not None else "", "problem": report.problem,
                "is_open": report.state in OPEN_STATES,
            }
            for report in found
        ],
    )  # fmt: skip


@router.post("/{kind}")
def request_report(request: Request, tablet_id: UUID, kind: TabletReportKind, work: WorkDep, csrf: CsrfField) -> Response:
    """Ask the tablet."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    reports.request_report(work, actor, tablet_id, kind)
    return RedirectResponse(f"/tablets/{tablet_id}/reports", status_code=303)
