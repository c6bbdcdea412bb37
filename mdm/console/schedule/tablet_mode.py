"""The page that says what a tablet will be at an instant, and why. Reads only."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from fastapi.responses import Response

from cartable.i18n import Language, Message
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.facts import load_facts
from enrollment.places.models import Town
from enrollment.tablets import service as tablets
from mdm.api.deps import WorkDep
from mdm.console.frame import get_language, list_permitted_towns, render_page, require_sign_in, select_town
from mdm.console.labels import mode_label
from mdm.console.page_route import PageRoute
from mdm.console.schedule.labels import candidate_label
from mdm.console.times import format_instant
from profiles.schedule.service import ModeEvaluation, evaluate_modes

router = APIRouter(prefix="/hours/tablet", include_in_schema=False, route_class=PageRoute)
_NO_TABLET = Message("No tablet of this town has this tag or serial number.")
_NO_TIME = Message("The day and time are not understood.")
_MAX_MATCHES = 10


@router.get("")
def show_tablet_mode(request: Request, work: WorkDep, town: UUID | None = None, q: str = "", at: str = "") -> Response:
    """Show the mode of the tablets that a text finds, at a local time of the town."""
    actor, _ = require_sign_in(request, work)
    language = get_language(request)
    place = select_town(list_permitted_towns(work, actor, Permission.SEE), town)
    zone = ZoneInfo(place.time_zone)
    instant = _parse_instant(at, zone) if at else work.now
    rows = _list_modes(work, actor, place, q[:64], instant, zone, language) if q.strip() and instant is not None else []
    problem = _NO_TIME if instant is None else _NO_TABLET if q.strip() and not rows else None
    return render_page(
        request,
        "schedule/tablet_mode.html",
        problem=problem.translate(language) if problem else "",
        town=place,
        towns=list_permitted_towns(work, actor, Permission.SEE),
        q=q[:64],
        at=at[:16] if instant is None else f"{instant.astimezone(zone):%Y-%m-%dT%H:%M}",
        rows=rows,
    )


def _parse_instant(text: str, zone: ZoneInfo) -> datetime | None:
    """Return the instant of a local time as browsers send it, "2026-11-26T18:40"; None when it is none, or out of reach."""
    try:
        local = datetime.fromisoformat(text[:32])
        return (local if local.tzinfo else local.replace(tzinfo=zone)).astimezone(zone) if 1990 < local.year < 2100 else None
    except ValueError:
        return None


def _list_modes(
    work: UnitOfWork, actor: Actor, town: Town, text: str, at: datetime, zone: ZoneInfo, language: Language
) -> list[dict[str, Any]]:
    found = [tablet for tablet in tablets.search_tablets(work, actor, text, _MAX_MATCHES) if tablet.town_id == town.id]
    facts = load_facts(work, [tablet.id for tablet in found])
    evaluations = evaluate_modes(work, facts.values(), at)
    return [
        {"id": tablet.id, "tag": tablet.tag, **_describe(evaluations[tablet.id], zone, language)}
        for tablet in found
        if tablet.id in evaluations
    ]


def _describe(evaluation: ModeEvaluation, zone: ZoneInfo, language: Language) -> dict[str, Any]:
    return {
        "mode": mode_label(evaluation.mode, language),
        "why": candidate_label(evaluation.decision.winner, language),
        "overruled": [
            f"{mode_label(each.mode, language)} ({candidate_label(each, language)})" for each in evaluation.decision.overruled
        ],
        "until": format_instant(evaluation.next_evaluation_at, zone),
    }
