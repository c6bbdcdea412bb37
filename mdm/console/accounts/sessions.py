"""The page of the own sessions: which there are, ending one or all."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from cartable.i18n import Language
from cartable.paging import PageRequest
from mdm.accounts import sessions
from mdm.accounts.models import AccountSession, SessionKind
from mdm.api.deps import WorkDep
from mdm.console.accounts.sign_in import redirect_signed_out
from mdm.console.frame import authenticate, check_csrf, get_language, render_page
from mdm.console.page_route import PageRoute
from mdm.console.times import format_instant

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/sessions")
def show_sessions(request: Request, work: WorkDep, after: str = "") -> Response:
    """Show the sessions of the person who is signed in."""
    who = authenticate(request, work)
    language = get_language(request)
    page = sessions.list_own_sessions(work, who.account, PageRequest(cursor=after or None))
    return render_page(
        request,
        "accounts/sessions.html",
        rows=[_describe_session(row, who.session.id, language) for row in page.items],
        next_url=f"/sessions?after={page.next_cursor}" if page.next_cursor else "",
    )


@router.post("/sessions/{session_id}/end")
def end_session(request: Request, session_id: UUID, work: WorkDep, csrf: Annotated[str, Form()]) -> Response:
    """End one of the own sessions."""
    who = authenticate(request, work)
    check_csrf(request, csrf)
    sessions.end_session(work, who.account, session_id)
    return RedirectResponse("/sessions", status_code=303)


@router.post("/sessions/stay")
def extend_session(request: Request, work: WorkDep, csrf: Annotated[str, Form()]) -> Response:
    """Let the session go on: a script asks for it while the person types, and when the warning is answered."""
    who = authenticate(request, work)
    check_csrf(request, csrf)
    sessions.extend_session(work, who.session)
    return JSONResponse(
        {"seconds": int((who.session.expires_at - work.now).total_seconds())}, headers={"Cache-Control": "no-store"}
    )


@router.post("/sessions/end-all")
def end_all_sessions(request: Request, work: WorkDep, csrf: Annotated[str, Form()]) -> Response:
    """Sign out everywhere, here too."""
    who = authenticate(request, work)
    check_csrf(request, csrf)
    sessions.end_all_sessions(work, who.account)
    return redirect_signed_out()


def _describe_session(row: AccountSession, current_id: UUID, language: Language) -> dict[str, Any]:
    kinds = {SessionKind.CONSOLE: language.gettext("browser"), SessionKind.API: language.gettext("program")}
    return {
        "id": row.id, "kind": kinds[row.kind], "network": row.network, "program": row.program, "is_current": row.id == current_id,
        "since": format_instant(row.created_at), "last_used": format_instant(row.last_used_at),
    }  # fmt: skip
