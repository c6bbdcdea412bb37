"""The page of losses: teachers and agents report a tablet by its tag and see what becomes of it; the helpdesk confirms or declines."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cartable.errors import DomainError, NotFound
from cartable.i18n import Language, Message
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.tablets.models import Reporter, Tablet
from mdm.api.deps import WorkDep
from mdm.care.lost_mode import reports
from mdm.care.lost_mode.models import LossReport, LossReportState
from mdm.console.forms import CsrfField, attempt, parse_day
from mdm.console.frame import check_csrf, get_language, list_permitted_towns, render_page, require_sign_in, select_town
from mdm.console.page_route import PageRoute
from mdm.console.times import format_day, format_instant

PAGE = "/losses"
router = APIRouter(prefix=PAGE, include_in_schema=False, route_class=PageRoute)
_NOTICES = {
    "reported": Message("Reported. Somebody of the helpdesk looks at it; here you see what becomes of it."),
    "confirmed": Message("The tablet is marked as lost. It locks itself at its next contact."),
    "declined": Message("Declined. Who reported it reads why."),
}
STATES: dict[LossReportState, Message] = {
    LossReportState.WAITING: Message("waits for the helpdesk"),
    LossReportState.CONFIRMED: Message("marked as lost"),
    LossReportState.DECLINED: Message("not marked as lost"),
}
REPORTERS: dict[Reporter, Message] = {
    Reporter.GUARDIAN: Message("a guardian"),
    Reporter.PUPIL: Message("a pupil"),
    Reporter.TEACHER: Message("a teacher"),
    Reporter.HEAD: Message("a head"),
    Reporter.AGENT: Message("an after-school agent"),
    Reporter.HELPDESK: Message("the helpdesk"),
    Reporter.TECHNICIAN: Message("a technician"),
}


@router.get("")
def show_losses(request: Request, work: WorkDep, tag: str = "", done: str = "") -> Response:
    """Show what waits for the person, the form of a report, and the own reports."""
    actor, _ = require_sign_in(request, work)
    return _render(request, work, actor, notice=done, values={"tag": tag[:64]})


@router.post("")
def report_loss(
    request: Request,
    work: WorkDep,
    csrf: CsrfField,
    tag: Annotated[str, Form(max_length=64)],
    description: Annotated[str, Form(max_length=300)],
    place: Annotated[str, Form(max_length=120)] = "",
    happened_on: Annotated[str, Form(max_length=20)] = "",
) -> Response:
    """Report a tablet as lost."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)

    def act() -> None:
        day = parse_day(happened_on, "happened_on")
        reports.report_loss(work, actor, tag, description.strip(), place=place.strip(), happened_on=day)

    refusal = attempt(work, act)
    if refusal is not None:
        values = {"tag": tag, "description": description, "place": place, "happened_on": happened_on}
        return _render(request, work, actor, refusal=refusal, values=values)
    return _redirect("reported")


@router.post("/{report_id}/confirm")
def confirm_report(request: Request, work: WorkDep, report_id: UUID, csrf: CsrfField) -> Response:
    """Mark the tablet of a report as lost."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    refusal = attempt(work, lambda: reports.confirm_report(work, actor, report_id))
    return _redirect("confirmed") if refusal is None else _render(request, work, actor, refusal=refusal)


@router.post("/{report_id}/decline")
def decline_report(
    request: Request,
    work: WorkDep,
    report_id: UUID,
    csrf: CsrfField,
    answer: Annotated[str, Form(min_length=3, max_length=300)],
) -> Response:
    """Decline a report, with a sentence for who made it."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    refusal = attempt(work, lambda: reports.decline_report(work, actor, report_id, answer.strip()))
    return _redirect("declined") if refusal is None else _render(request, work, actor, refusal=refusal)


def _redirect(done: str) -> Response:
    return RedirectResponse(f"{PAGE}?done={done}", status_code=303)


def _render(
    request: Request,
    work: UnitOfWork,
    actor: Actor,
    *,
    notice: str = "",
    refusal: DomainError | None = None,
    values: dict[str, str] | None = None,
) -> Response:
    language = get_language(request)
    towns = [town for permission in reports.REPORTING for town in list_permitted_towns(work, actor, permission)]
    if not towns:
        raise NotFound
    select_town(towns, None)
    cares = bool(list_permitted_towns(work, actor, Permission.CARE))
    waiting = reports.list_reports(work, actor, LossReportState.WAITING).items if cares else []
    return render_page(
        request,
        "care/losses.html",
        notice=_NOTICES[notice].translate(language) if notice in _NOTICES else "",
        refusal=refusal,
        values=values or {},
        cares=cares,
        waiting=[_describe(*row, language) for row in waiting],
        own=[_describe(*row, language) for row in reports.list_own_reports(work, actor).items],
    )


def _describe(report: LossReport, tablet: Tablet, language: Language) -> dict[str, Any]:
    return {
        "id": report.id,
        "tablet_id": tablet.id,
        "tag": tablet.tag,
        "reporter": REPORTERS[report.reporter].translate(language),
        "reported": format_instant(report.reported_at),
        "description": report.description,
        "place": report.place or "",
        "day": format_day(report.happened_on) if report.happened_on else "",
        "state": STATES[report.state].translate(language),
        "answer": report.answer or "",
    }
