"""The page of data and rights: requests of people with their terms, and for how long what is kept. Holds no rules."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cartable.errors import DomainError
from cartable.i18n import Language, Message
from cartable.paging import MAX_CURSOR_LENGTH, PageRequest
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.places.models import Town
from mdm.api.deps import WorkDep
from mdm.console.forms import CsrfField, attempt, parse_day
from mdm.console.frame import (
    check_csrf,
    choose_town,
    get_language,
    list_permitted_towns,
    render_page,
    require_sign_in,
)
from mdm.console.page_route import PageRoute
from mdm.console.privacy.retention_card import list_retention_cards
from mdm.console.times import format_day
from mdm.privacy import requests, retention
from mdm.privacy.labels import OUTCOMES, REQUESTS
from mdm.privacy.models import PrivacyRequest, RequestKind, RequestOutcome

router = APIRouter(prefix="/data", include_in_schema=False, route_class=PageRoute)
_NOTICES = {
    "received": Message("The request is noted. Its term is in the list."),
    "answered": Message("The answer is noted."),
    "extended": Message("The term is longer by two months. Tell the person why before the first month is over."),
}
StatementField = Annotated[str, Form(min_length=3, max_length=2000)]


@router.get("")
def show_rights(request: Request, work: WorkDep, town: UUID | None = None, after: str = "", done: str = "") -> Response:
    """Show the requests of people with their terms, and the retention table."""
    actor, _ = require_sign_in(request, work)
    return _render_rights(request, work, actor, choose_town(work, actor, Permission.PRIVACY, town), after=after, notice=done)


@router.post("/{town}/requests")
def receive_request(
    request: Request,
    work: WorkDep,
    town: UUID,
    csrf: CsrfField,
    kind: Annotated[RequestKind, Form()],
    requester: Annotated[str, Form(min_length=1, max_length=200)],
    note: Annotated[str, Form(max_length=2000)] = "",
    received_on: Annotated[str, Form(max_length=10)] = "",
) -> Response:
    """Note a request that somebody has made."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    chosen = choose_town(work, actor, Permission.PRIVACY, town)
    received = parse_day(received_on, "received_on")
    refusal = attempt(
        work,
        lambda: requests.receive_request(work, actor, chosen.id, kind, requester.strip(), note.strip(), received_on=received),
    )
    if refusal is not None:
        return _render_rights(request, work, actor, chosen, refusal=refusal)
    return _redirect(town, "received")


@router.post("/{town}/requests/{request_id}/answer")
def answer_request(
    request: Request,
    work: WorkDep,
    town: UUID,
    request_id: UUID,
    csrf: CsrfField,
    outcome: Annotated[RequestOutcome, Form()],
    answer: StatementField,
) -> Response:
    """Note the answer to a request."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    requests.answer_request(work, actor, request_id, outcome, answer.strip())
    return _redirect(town, "answered")


@router.post("/{town}/requests/{request_id}/extend")
def extend_request(
    request: Request, work: WorkDep, town: UUID, request_id: UUID, csrf: CsrfField, reason: StatementField
) -> Response:
    """Give a request two more months."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    requests.extend_request(work, actor, request_id, reason.strip())
    return _redirect(town, "extended")


def _redirect(town_id: UUID, done: str) -> Response:
    return RedirectResponse(f"/data?town={town_id}&done={done}", status_code=303)


def _render_rights(
    request: Request,
    work: UnitOfWork,
    actor: Actor,
    town: Town,
    *,
    after: str = "",
    notice: str = "",
    refusal: DomainError | None = None,
) -> Response:
    language = get_language(request)
    page = requests.list_requests(work, actor, town.id, page=PageRequest(cursor=after[:MAX_CURSOR_LENGTH] or None))
    due = {row.rule_id: row for row in retention.preview_retention(work, actor, town.id)}
    return render_page(
        request,
        "privacy/rights.html",
        notice=_NOTICES[notice].translate(language) if notice in _NOTICES else "",
        refusal=refusal,
        cards=list_retention_cards(work, actor, town.id, language),
        town=town,
        towns=list_permitted_towns(work, actor, Permission.PRIVACY),
        kinds=[(kind.value, REQUESTS[kind].translate(language)) for kind in RequestKind],
        outcomes=[(outcome.value, OUTCOMES[outcome].translate(language)) for outcome in RequestOutcome],
        requests=[_describe_request(row, work.now.date(), language) for row in page.items],
        next_url=f"/data?town={town.id}&after={page.next_cursor}" if page.next_cursor else "",
        periods=[
            {
                "what": each.rule.what.translate(language),
                "starts": each.rule.starts.translate(language),
                "does": each.rule.does.translate(language),
                "days": each.days,
                "reason": each.reason or "",
                "due": due[each.rule.id].due if each.rule.id in due else 0,
                "deferred": due[each.rule.id].deferred if each.rule.id in due else 0,
            }
            for each in retention.list_periods(work, actor, town.id)
        ],
    )


def _describe_request(row: PrivacyRequest, today: date, language: Language) -> dict[str, Any]:
    return {
        "id": row.id,
        "kind": REQUESTS[row.kind].translate(language),
        "requester": row.requester,
        "note": row.note,
        "received": format_day(row.received_on),
        "due": format_day(row.due_on),
        "is_late": row.answered_on is None and row.due_on < today,
        "is_extended": row.extension_reason is not None,
        "answered": format_day(row.answered_on) if row.answered_on else "",
        "outcome": OUTCOMES[row.outcome].translate(language) if row.outcome is not None else "",
    }
