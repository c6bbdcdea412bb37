"""The page of restores: what the server noticed, which tablets came from after the backup, and the clock. Holds no rules."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cartable.i18n import Language, Message
from cartable.paging import MAX_CURSOR_LENGTH, PageRequest
from mdm.api.deps import WorkDep
from mdm.care.restores import overview
from mdm.channel.models import Readoption, ReadoptionOutcome
from mdm.console.forms import CsrfField
from mdm.console.frame import check_csrf, get_language, render_page, require_sign_in
from mdm.console.page_route import PageRoute
from mdm.console.times import format_instant

router = APIRouter(include_in_schema=False, route_class=PageRoute)
OUTCOMES = {
    ReadoptionOutcome.READOPTED: Message("Managed as before"),
    ReadoptionOutcome.UNKNOWN_TABLET: Message("Unknown: enter its serial number in the inventory"),
    ReadoptionOutcome.OTHER_TABLET: Message("Its certificate is for another tablet: look at both"),
    ReadoptionOutcome.ALREADY_ENROLLED: Message("Enrolled under another UDID: look at both"),
}


@router.get("/restores")
def show_restores(request: Request, work: WorkDep, after: str = "") -> Response:
    """Show the restores, the tablets from after the backup, and the clock."""
    actor, _ = require_sign_in(request, work)
    clock = overview.get_clock(work, actor)
    page = overview.list_readoptions(work, actor, PageRequest(cursor=after[:MAX_CURSOR_LENGTH] or None))
    return render_page(
        request,
        "care/restores.html",
        restores=[
            {
                "noticed": format_instant(row.noticed_at), "until": format_instant(row.data_until), "known": format_instant(row.known_until),
                "commands": row.expired_commands, "erases": row.cancelled_bulk_erases,
            }
            for row in overview.list_restores(work, actor).items
        ],
        rows=[_describe_readoption(row, get_language(request)) for row in page.items],
        paused_since=format_instant(clock.paused_since) if clock.paused_since else "",
        known_at=format_instant(clock.known_at) if clock.known_at else "",
        now=format_instant(clock.now),
        may_release=actor.operates(),
        next_url=f"/restores?{urlencode({'after': page.next_cursor})}" if page.next_cursor else "",
    )  # fmt: skip


@router.post("/restores/clock")
def release_clock(
    request: Request, work: WorkDep, csrf: CsrfField, reason: Annotated[str, Form(min_length=3, max_length=300)]
) -> Response:
    """Release the clock."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    overview.release_clock(work, actor, reason)
    return RedirectResponse("/restores", 303)


def _describe_readoption(row: Readoption, language: Language) -> dict[str, Any]:
    return {
        "tablet": row.tablet_id,
        "udid": row.udid,
        "serial": row.serial,
        "outcome": OUTCOMES[row.outcome].translate(language),
        "first": format_instant(row.first_at),
        "last": format_instant(row.last_at),
    }
