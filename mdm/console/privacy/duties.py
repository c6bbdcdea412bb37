"""The page of what a town owes to people: notices that it publishes, how long it keeps what, and breaches that it reports. Holds no rules."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cartable.errors import DomainError, Invalid
from cartable.i18n import Language, Message
from cartable.paging import PageRequest
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.places import service as places
from enrollment.places.models import Town
from mdm.accounts import administration
from mdm.api.deps import WorkDep
from mdm.console.forms import CsrfField, attempt, parse_day, parse_optional_id
from mdm.console.frame import check_csrf, choose_town, get_language, list_permitted_towns, render_page, require_sign_in
from mdm.console.page_route import PageRoute
from mdm.console.times import format_day, format_instant
from mdm.privacy import breaches, notices, reports, retention
from mdm.privacy.labels import AUDIENCES, REPORTS
from mdm.privacy.models import NoticeAudience, PrivacyReport, ReportKind

router = APIRouter(prefix="/data", include_in_schema=False, route_class=PageRoute)
_NOTICES = {
    "published": Message("The notice is published. Hand it to the people whom it informs."),
    "period": Message("The period is set. What is over it goes with the next purge."),
    "purged": Message("What was due is removed. The report proves it."),
    "breach": Message("The report is written: who is touched, which fields, and by when the authority must know."),
}
_MAX_REPORTS = 20


@router.get("/duties")
def show_duties(request: Request, work: WorkDep, town: UUID | None = None, done: str = "") -> Response:
    """Show the notices, the retention table and the reports of a town."""
    actor, _ = require_sign_in(request, work)
    return _render_duties(request, work, actor, choose_town(work, actor, Permission.PRIVACY, town), notice=done)


@router.post("/{town}/notices/{audience}")
def publish_notice(request: Request, work: WorkDep, town: UUID, audience: NoticeAudience, csrf: CsrfField) -> Response:
    """Publish the notice as the program works now."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    chosen = choose_town(work, actor, Permission.PRIVACY, town)
    refusal = attempt(work, lambda: notices.publish_notice(work, actor, chosen.id, audience))
    return _answer(request, work, actor, chosen, refusal, "published")


@router.post("/{town}/retention/run")
def run_retention(request: Request, work: WorkDep, town: UUID, csrf: CsrfField) -> Response:
    """Remove now what is due."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    chosen = choose_town(work, actor, Permission.PRIVACY, town)
    return _answer(
        request, work, actor, chosen, attempt(work, lambda: retention.apply_retention(work, actor, chosen.id)), "purged"
    )


@router.post("/{town}/retention/{rule_id}")
def set_retention_period(
    request: Request,
    work: WorkDep,
    town: UUID,
    rule_id: str,
    csrf: CsrfField,
    days: Annotated[int, Form(ge=0, le=36_500)],
    reason: Annotated[str, Form(min_length=3, max_length=300)],
) -> Response:
    """Set how long a town keeps one kind of data, within the bounds of the rule."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    chosen = choose_town(work, actor, Permission.PRIVACY, town)
    refusal = attempt(work, lambda: retention.set_period(work, actor, chosen.id, rule_id, days, reason.strip()))
    return _answer(request, work, actor, chosen, refusal, "period")


@router.post("/{town}/breaches")
def report_breach(
    request: Request,
    work: WorkDep,
    town: UUID,
    csrf: CsrfField,
    known_at: Annotated[str, Form(max_length=20)],
    school_id: Annotated[str, Form(max_length=36)] = "",
    login: Annotated[str, Form(max_length=200)] = "",
    since: Annotated[str, Form(max_length=10)] = "",
    until: Annotated[str, Form(max_length=10)] = "",
) -> Response:
    """Write the report of a breach: of the whole town, of a school, or of what one account has read."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    chosen = choose_town(work, actor, Permission.PRIVACY, town)
    refusal = attempt(
        work,
        lambda: breaches.report_breach(
            work, actor, chosen.id, _parse_instant(work, chosen, known_at), school_id=parse_optional_id(school_id, "school_id"),
            account_id=_find_account(work, actor, chosen, login), since=parse_day(since, "since"), until=parse_day(until, "until"),
        ),
    )  # fmt: skip
    typed = {"known_at": known_at, "school_id": school_id, "login": login, "since": since, "until": until}
    return _answer(request, work, actor, chosen, refusal, "breach", typed)


def _find_account(work: UnitOfWork, actor: Actor, town: Town, login: str) -> UUID | None:
    """Return the account that a login names, None for an empty one. Raises `UnknownLogin`."""
    return administration.find_account_by_login(work, actor, town.id, login).id if login.strip() else None


def _parse_instant(work: UnitOfWork, town: Town, text: str) -> datetime:
    """Return the instant of a field of local time. Raises `Invalid`."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=places.get_town_zone(work, town.id))
    except ValueError:
        raise Invalid(field="known_at") from None


def _answer(
    request: Request,
    work: UnitOfWork,
    actor: Actor,
    town: Town,
    refusal: DomainError | None,
    done: str,
    typed: dict[str, str] | None = None,
) -> Response:
    if refusal is not None:
        return _render_duties(request, work, actor, town, refusal=refusal, typed=typed)
    return RedirectResponse(f"/data/duties?town={town.id}&done={done}", status_code=303)


def _render_duties(
    request: Request,
    work: UnitOfWork,
    actor: Actor,
    town: Town,
    *,
    notice: str = "",
    refusal: DomainError | None = None,
    typed: dict[str, str] | None = None,
) -> Response:
    language = get_language(request)
    due = {row.rule_id: row.due for row in retention.preview_retention(work, actor, town.id)}
    return render_page(
        request,
        "privacy/duties.html",
        notice=_NOTICES[notice].translate(language) if notice in _NOTICES else "",
        refusal=refusal,
        town=town,
        towns=list_permitted_towns(work, actor, Permission.PRIVACY),
        notices=[_describe_notice(work, actor, town, audience, language) for audience in NoticeAudience],
        periods=[
            {
                "id": each.rule.id,
                "what": each.rule.what.translate(language),
                "days": each.days,
                "shortest": each.rule.shortest,
                "longest": each.rule.longest,
                "due": due.get(each.rule.id, 0),
            }
            for each in retention.list_periods(work, actor, town.id)
        ],
        may_set=actor.has_permission(Permission.GOVERN, town.id),
        schools=[(school.id, school.name) for school in places.list_schools(work, actor, town.id)],
        reports=[
            _describe_report(work, row, language)
            for row in reports.list_reports(work, actor, town.id, None, PageRequest(limit=_MAX_REPORTS)).items
        ],
        typed=typed or {},
    )


def _describe_notice(work: UnitOfWork, actor: Actor, town: Town, audience: NoticeAudience, language: Language) -> dict[str, Any]:
    last, content = notices.get_notice(work, actor, town.id, audience)
    return {
        "audience": audience.value,
        "name": AUDIENCES[audience].translate(language),
        "version": last.version if last is not None else None,
        "published": format_day(last.published_at) if last is not None else "",
        "is_changed": last is None or last.content_sha256 != notices.hash_content(content),
        "words": content[language.code]["words"],
        "lines": content[language.code]["lines"],
    }


def _describe_report(work: UnitOfWork, row: PrivacyReport, language: Language) -> dict[str, Any]:
    content = row.content
    return {
        "id": row.id,
        "kind": REPORTS[row.kind].translate(language),
        "at": format_instant(row.created_at),
        "is_genuine": reports.is_genuine(work, row),
        "pupils": content.get("pupils") if row.kind is ReportKind.BREACH else None,
        "notify_by": format_instant(datetime.fromisoformat(content["notify_by"])) if row.kind is ReportKind.BREACH else "",
    }
