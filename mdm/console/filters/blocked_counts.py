"""The page of the questions that categories closed, by day: for whoever authors the rules, and for whoever protects the data."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cartable.errors import DomainError
from cartable.scope import Permission
from cartable.unit_of_work import UnitOfWork
from mdm.api.deps import WorkDep
from mdm.console.forms import CsrfField, attempt
from mdm.console.frame import check_csrf, choose_town, get_language, list_permitted_towns, render_page, require_sign_in
from mdm.console.page_route import PageRoute
from mdm.console.times import format_day
from mdm.console.web_categories import name_category
from mdm.resolver import blocked_counts
from profiles.filters.options import load_options

router = APIRouter(prefix="/web-filter", include_in_schema=False, route_class=PageRoute)


@router.get("/counts")
def show_counts(request: Request, work: WorkDep, town: UUID | None = None) -> Response:
    """Show whether questions are counted, and the numbers of the last days."""
    return _render(request, work, town)


@router.post("/{town}/counting")
def save_counting(
    request: Request, work: WorkDep, town: UUID, csrf: CsrfField, is_wanted: Annotated[bool, Form()] = False
) -> Response:
    """Save whether questions that categories close are counted."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    chosen = choose_town(work, actor, Permission.AUTHOR, town)
    refusal = attempt(work, lambda: blocked_counts.set_counting(work, actor, chosen.id, is_wanted=is_wanted))
    if refusal is not None:
        return _render(request, work, town, refusal)
    return RedirectResponse(f"/web-filter/counts?town={town}", status_code=303)


def _render(request: Request, work: UnitOfWork, town: UUID | None, refusal: DomainError | None = None) -> Response:
    actor, _ = require_sign_in(request, work)
    may_author = bool(list_permitted_towns(work, actor, Permission.AUTHOR))
    permission = Permission.AUTHOR if may_author else Permission.PRIVACY
    chosen = choose_town(work, actor, permission, town)
    days = blocked_counts.list_days(work, actor, chosen.id)
    return render_page(
        request,
        "filters/counts.html",
        refusal=refusal,
        town=chosen,
        may_author=may_author,
        is_wanted=load_options(work, chosen.id).counts_questions,
        categories=[
            (each, name_category(each, get_language(request)))
            for each in sorted({category for day in days for category in day.by_category})
        ],
        days=[(format_day(each.day), each.by_category) for each in days],
        least_tablets=blocked_counts.LEAST_TABLETS,
        least_shown=blocked_counts.LEAST_SHOWN,
    )
