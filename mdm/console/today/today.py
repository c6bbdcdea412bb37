"""The page on which a day begins: a card for each thing that waits, gone when it is done, the day's modes, the fleet over time. Reads only."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from cartable.i18n import Language, Message
from cartable.ids import new_id
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.facts import TabletFacts
from enrollment.places.zones import PARIS
from enrollment.tablets.models import TabletState
from mdm.accounts.errors import MustChangePassword, NotSignedIn
from mdm.api.deps import WorkDep
from mdm.care.today.kinds import WaitingKind
from mdm.care.today.service import Today, load_today
from mdm.console.cards import build_card
from mdm.console.chapters import HOME_PAGE, find_start_page
from mdm.console.frame import get_language, render_page, require_sign_in
from mdm.console.labels import REASONS, SILENT, mode_label
from mdm.console.page_route import PageRoute
from mdm.console.places_bar import Place
from mdm.console.privacy.retention_card import list_retention_cards
from mdm.console.setup.start import list_open_checklists
from mdm.console.times import format_day, show_times_in
from mdm.console.today.labels import CARDS, EXPIRIES, EXPIRING, MISSING_APPS, UNPROVED
from mdm.console.today.pictures import HEIGHT, DayRibbon, draw_fleet, draw_ribbon
from mdm.privacy import requests
from profiles.schedule.service import load_schedules

router = APIRouter(include_in_schema=False, route_class=PageRoute)
_WITHOUT_CLASS = Message("without a class")
_REQUESTS = Message("{count} request of a person about data", plural="{count} requests of people about data")
_REQUEST_ADVICE = Message("The law gives a month for the answer.")
_LATE = Message("{count} is late", plural="{count} are late")
_ENDING = Message("{count} tablet is about to go silent", plural="{count} tablets are about to go silent")


@router.get(HOME_PAGE)
def show_today(request: Request, work: WorkDep) -> Response:
    """Show what waits in the place of the bar; whoever begins the day elsewhere is led there."""
    try:
        actor, _ = require_sign_in(request, work)
    except MustChangePassword:
        return render_page(request, "accounts/password.html")
    except NotSignedIn:
        return render_page(request, "accounts/sign_in.html")
    place: Place = request.state.place
    scope, start_page = place.to_scope(), find_start_page(actor)
    if start_page is not None or scope is None or not actor.has_permission_somewhere(Permission.CARE, scope.town_id):
        return RedirectResponse(start_page or "/", status_code=303)
    assert place.town is not None
    show_times_in(ZoneInfo(place.town.time_zone or PARIS))
    language = get_language(request)
    today = load_today(work, actor, scope)
    return render_page(
        request,
        "today/today.html",
        checklists=[each for each in list_open_checklists(work, actor, language) if each["town"].id == scope.town_id],
        cards=[
            *_list_request_cards(work, actor, scope.town_id, language),
            *list_retention_cards(work, actor, scope.town_id, language),
            *_describe_cards(today, place, language),
        ],
        ribbons=[_describe_ribbon(each, language) for each in _draw_ribbons(work, place)],
        fleet=draw_fleet(today.days),
        fleet_height=HEIGHT,
        format_day=format_day,
        day=format_day(work.now),
    )


def _describe_cards(today: Today, place: Place, language: Language) -> list[dict[str, Any]]:
    """Return the cards that have something to say, what needs a decision first."""
    query = place.build_query(narrow=True)
    cards = [
        build_card(kind.value, CARDS[kind].title, count, _add(CARDS[kind].address, query), language, CARDS[kind].advice)
        for kind, count in today.waiting.items()
    ]
    order = {kind.value: number for number, kind in enumerate(WaitingKind)}
    cards.sort(key=lambda card: order[card["key"]])
    if today.missing_apps:
        lines = [(f"{count} · {REASONS[reason].translate(language)}", "") for reason, count in today.missing_apps]
        count = sum(row[1] for row in today.missing_apps)
        cards.append(build_card("missing_apps", MISSING_APPS, count, _add("/?lacks=apps", query), language, lines=lines))
    if today.silent:
        lines = [_describe_silent(row, place, language) for row in today.silent]
        cards.append(
            build_card("silent", SILENT, sum(row[2] for row in today.silent), _add("/?silent=7", query), language, lines=lines)
        )
    if today.unproved:
        lines = [(f"{count} · {mode_label(mode, language)}", "") for mode, count in today.unproved]
        cards.append(
            build_card(
                "unproved", UNPROVED, sum(row[1] for row in today.unproved), _add("/?lacks=mode", query), language, lines=lines
            )
        )
    if today.ending_identities:
        cards.append(build_card("ending", _ENDING, today.ending_identities, "/ending-identities", language))
    if today.expiries:
        lines = [
            (f"{EXPIRIES[each.kind][0].translate(language)} {each.name} · {format_day(each.ends_at)}", EXPIRIES[each.kind][1])
            for each in today.expiries
        ]
        cards.append(build_card("expiries", EXPIRING, len(lines), lines[0][1], language, lines=lines))
    return cards


def _list_request_cards(work: UnitOfWork, actor: Actor, town_id: UUID, language: Language) -> list[dict[str, Any]]:
    """Return the card of people's requests about their data, first of all: their term is the law's. Nothing without a request."""
    count, late = requests.count_open_requests(work, actor, town_id)
    if not count:
        return []
    lines = [(_LATE.translate(language, count=late), "")] if late else []
    return [build_card("requests", _REQUESTS, count, f"/data?town={town_id}", language, _REQUEST_ADVICE, lines)]


def _describe_silent(row: Any, place: Place, language: Language) -> tuple[str, str]:
    """Return a class with its silent tablets, and the address of the list of these."""
    school, school_class, count = row
    name = school_class.label if school_class is not None else _WITHOUT_CLASS.translate(language)
    text = f"{count} · {name}" + (f", {school.name}" if school is not None else "")
    if school is None or place.town is None:
        return text, ""
    query = {"silent": "7", "town": place.town.id, "school": school.id}
    return text, f"/?{urlencode({**query, **({'class_id': school_class.id} if school_class is not None else {})})}"


def _add(address: str, query: str) -> str:
    """Return an address with more of a query."""
    return f"{address}{'&' if '?' in address else '?'}{query}" if query else address


def _draw_ribbons(work: UnitOfWork, place: Place) -> list[DayRibbon]:
    """Return the day of the town's timetable, and of each school that has its own; of a school that is looked at, its own alone."""
    assert place.town is not None
    town, data = place.town, load_schedules(work, [place.town.id])
    own = [school for school in place.schools if (town.id, school.id) in data.timetables]
    school_ids = [place.school.id] if place.school is not None else [None, *(school.id for school in own)]
    ribbons = []
    for school_id in school_ids:
        # A schedule is that of a class: here of one that no exception is about.
        facts = TabletFacts(new_id(), town.id, school_id, "", "", TabletState.IN_USE, False, None, None, None, None, None, None)
        schedule = data.get_schedule(facts)
        if schedule is not None:
            ribbons.append(draw_ribbon(schedule, work.now))
    return ribbons


def _describe_ribbon(ribbon: DayRibbon, language: Language) -> dict[str, Any]:
    words = ", ".join(f"{block.hours} {mode_label(block.mode, language)}" for block in ribbon.blocks)
    return {"ribbon": ribbon, "words": words, "present": mode_label(ribbon.present, language)}
