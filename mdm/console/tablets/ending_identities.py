"""The page of tablets that are about to go silent because their identity certificates end."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import Response

from cartable.i18n import Language
from cartable.paging import MAX_CURSOR_LENGTH, PageRequest
from enrollment.tablets.labels import STATES
from mdm.api.deps import WorkDep
from mdm.console.frame import get_language, render_page, require_sign_in
from mdm.console.page_route import PageRoute
from mdm.console.tablets.identity_labels import problem_label
from mdm.console.times import format_instant
from mdm.reconcile.renewal_repository import EndingIdentity
from mdm.reconcile.renewals import WARN_WITHIN, list_ending_identities

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/ending-identities")
def show_ending_identities(request: Request, work: WorkDep, after: str = "") -> Response:
    """Show the tablets whose certificate ends soon or has ended, or whose renewal fails."""
    actor, _ = require_sign_in(request, work)
    page = list_ending_identities(work, actor, page=PageRequest(cursor=after[:MAX_CURSOR_LENGTH] or None))
    return render_page(
        request,
        "tablets/ending_identities.html",
        rows=[_describe_identity(row, get_language(request)) for row in page.items],
        days=WARN_WITHIN.days,
        next_url=f"/ending-identities?{urlencode({'after': page.next_cursor})}" if page.next_cursor else "",
    )


def _describe_identity(row: EndingIdentity, language: Language) -> dict[str, Any]:
    return {
        "id": row.tablet.id,
        "tag": row.tablet.tag,
        "serial": row.tablet.serial,
        "state": STATES[row.tablet.state].translate(language),
        "expires": format_instant(row.expires_at),
        "last_seen": format_instant(row.last_seen_at),
        "attempts": row.renewal.attempts if row.renewal is not None else 0,
        "problem": problem_label(row.renewal, language),
    }
