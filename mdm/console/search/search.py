"""The search in the bar: a page of results, and the same results as suggestions while somebody types. Reads only."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from cartable.i18n import Language, Message
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.people import naming
from enrollment.tablets.labels import STATES
from mdm.api.deps import WorkDep
from mdm.care.search import service
from mdm.care.search.service import FoundPupil, SearchKind, SearchResults
from mdm.console.frame import get_language, render_page, require_sign_in
from mdm.console.page_route import PageRoute
from mdm.console.places_bar import Place
from mdm.console.policy.setting_search import find_settings
from mdm.console.search.pages import find_pages

router = APIRouter(prefix="/search", include_in_schema=False, route_class=PageRoute)
#: How many of each kind the page shows, how many of one kind alone, and how many are suggested.
PAGE_LIMIT, KIND_LIMIT, SUGGESTION_LIMIT = 20, 200, 5
_NO_TABLET = Message("no tablet")


class ResultKind(StrEnum):
    """The groups of results, in the order of the page. The first six are found in the town's data."""

    PUPILS = SearchKind.PUPILS.value
    TABLETS = SearchKind.TABLETS.value
    CLASSES = SearchKind.CLASSES.value
    SCHOOLS = SearchKind.SCHOOLS.value
    STAFF = SearchKind.STAFF.value
    APPS = SearchKind.APPS.value
    SETTINGS = "settings"
    PAGES = "pages"


NAMES: dict[ResultKind, Message] = {
    ResultKind.PUPILS: Message("Children"),
    ResultKind.TABLETS: Message("Tablets"),
    ResultKind.CLASSES: Message("Classes"),
    ResultKind.SCHOOLS: Message("Schools"),
    ResultKind.STAFF: Message("Staff"),
    ResultKind.APPS: Message("Apps"),
    ResultKind.SETTINGS: Message("Settings"),
    ResultKind.PAGES: Message("Pages"),
}
Hit = dict[str, str]


@router.get("")
def show_results(request: Request, work: WorkDep, q: str = "", kind: ResultKind | None = None) -> Response:
    """Show what a text names in the town of the bar; with `kind` more of one kind. The search of children is an audited act."""
    actor, _ = require_sign_in(request, work)
    limit, kinds = (PAGE_LIMIT, frozenset(ResultKind)) if kind is None else (KIND_LIMIT, frozenset({kind}))
    groups = _search(request, work, actor, q, limit, kinds, audits=True)
    place: Place = request.state.place
    text = q[: service.MAX_TEXT]
    town_query = place.build_query(narrow=False)
    suffix = f"&{town_query}" if town_query else ""
    others = [
        (each.name, f"/search?{urlencode({'q': text, 'town': each.id})}")
        for each in place.towns
        if place.sees and each != place.town
    ]
    return render_page(
        request,
        "search/results.html",
        q=text,
        is_one_kind=kind is not None,
        all_kinds=f"/search?{urlencode({'q': text})}{suffix}",
        groups=[
            group
            | {
                "is_cut": len(group["hits"]) >= limit,
                "more": f"/search?{urlencode({'q': text, 'kind': group['kind'].value})}{suffix}",
            }
            for group in groups
        ],
        limit=limit,
        other_towns=others,
    )


@router.get("/suggestions")
def list_suggestions(request: Request, work: WorkDep, q: str = "") -> Response:
    """Return the first results for the script of the bar."""
    actor, _ = require_sign_in(request, work)
    groups = _search(request, work, actor, q, SUGGESTION_LIMIT, frozenset(ResultKind), audits=False)
    answer = [{"name": group["name"], "hits": group["hits"]} for group in groups]
    return JSONResponse({"groups": answer}, headers={"Cache-Control": "no-store"})


def _search(
    request: Request, work: UnitOfWork, actor: Actor, text: str, limit: int, kinds: Collection[ResultKind], *, audits: bool
) -> list[dict[str, Any]]:
    """Return the groups of results that are not empty: kind and name, and for each result label, detail and address."""
    language = get_language(request)
    place: Place = request.state.place
    text = text.strip()[: service.MAX_TEXT]
    if len(text) < service.SHORTEST_TEXT:
        return []
    town = place.town if place.sees else None
    hits: dict[ResultKind, list[Hit]] = {}
    if town is not None:
        searched = {each for each in SearchKind if ResultKind(each.value) in kinds}
        results = service.search(work, actor, town.id, text, limit=limit, audits=audits, kinds=searched)
        hits = _describe_results(results, place, actor, language)
    if ResultKind.SETTINGS in kinds and town is not None and actor.has_permission_somewhere(Permission.AUTHOR, town.id):
        hits[ResultKind.SETTINGS] = [
            _hit(each["name"], each["group"], "/rules/setting", town=town.id, key=each["key"])
            for each in find_settings(text, language, limit)
        ]
    if ResultKind.PAGES in kinds:
        town_query = {"town": town.id} if town is not None and len(place.towns) > 1 else {}
        pages = find_pages(actor, text, language, limit)
        hits[ResultKind.PAGES] = [_hit(name, "", address, **town_query) for address, name in pages]
    return [{"kind": kind, "name": NAMES[kind].translate(language), "hits": hits[kind]} for kind in ResultKind if hits.get(kind)]


def _describe_results(results: SearchResults, place: Place, actor: Actor, language: Language) -> dict[ResultKind, list[Hit]]:
    assert place.town is not None
    town, schools = place.town.id, {school.id: school.name for school in place.schools}
    return {
        ResultKind.PUPILS: [_describe_pupil(each, schools, actor, language) for each in results.pupils],
        ResultKind.TABLETS: [
            _hit(each.tag, f"{each.serial} · {STATES[each.state].translate(language, count=1)}", f"/tablets/{each.id}")
            for each in results.tablets
        ],
        ResultKind.CLASSES: [
            _hit(row.label, name, "/", town=town, school=row.school_id, class_id=row.id) for row, name in results.classes
        ],
        ResultKind.SCHOOLS: [_hit(each.name, each.uai, "/today", town=town, school=each.id) for each in results.schools],
        ResultKind.STAFF: [_hit(f"{each.first_name} {each.last_name}", "", "/staff", town=town) for each in results.staff],
        ResultKind.APPS: [_hit(each.name, each.bundle_identifier, "/apps", town=town) for each in results.apps],
    }


def _describe_pupil(found: FoundPupil, schools: Mapping[Any, str], actor: Actor, language: Language) -> Hit:
    """Return a child as a result: full name, for homonyms grade and class.

    It leads to the tablet; without one to the page of the child, for who may not open that to the tablets of the class.
    """
    pupil, tablet = found.pupil, found.tablet
    where = [pupil.grade.value, found.class_label or "", schools.get(pupil.school_id, "")]
    detail = " · ".join([*filter(None, where), tablet.tag if tablet else _NO_TABLET.translate(language)])
    if tablet is not None:
        return _hit(naming.format_full_name(pupil), detail, f"/tablets/{tablet.id}")
    if actor.has_permission(Permission.ROSTER, pupil.town_id, pupil.school_id):
        return _hit(naming.format_full_name(pupil), detail, f"/pupils/{pupil.id}")
    query = {"town": pupil.town_id, "school": pupil.school_id}
    return _hit(naming.format_full_name(pupil), detail, "/", **query, **({"class_id": pupil.class_id} if pupil.class_id else {}))


def _hit(label: str, detail: str, address: str, **query: object) -> Hit:
    return {"label": label, "detail": detail, "url": f"{address}?{urlencode(query)}" if query else address}
