"""The page of apps: bundles by grade with their licences, the town's catalogue, new apps and bundles. Holds no rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cartable.errors import DomainError
from cartable.i18n import Language, Message
from cartable.paging import MAX_CURSOR_LENGTH, PageRequest
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.places.models import Grade, Town
from mdm.api.deps import WorkDep
from mdm.console.apps.labels import USES, verdict_label
from mdm.console.forms import CsrfField, attempt
from mdm.console.frame import (
    check_csrf,
    choose_town,
    get_language,
    list_permitted_towns,
    render_page,
    require_sign_in,
)
from mdm.console.page_route import PageRoute
from profiles.apps import licences, service
from profiles.apps.data_sheets.models import AppVerdict
from profiles.apps.data_sheets.service import get_verdicts
from profiles.apps.grade_needs import GradeCounts, load_grade_counts
from profiles.apps.licences import PoolStatus
from profiles.apps.models import App
from profiles.effective import bundles
from profiles.effective.bundles import Bundle
from profiles.policy.kinds import PlaceKind

router = APIRouter(prefix="/apps", include_in_schema=False, route_class=PageRoute)
#: Grades of the nursery school, which get a column only where they have tablets.
_NURSERY = frozenset({Grade.PS, Grade.MS, Grade.GS})
#: Numbers of a pool that are added up over the accounts of a town.
_SUMMED = ("total", "assigned", "reserved", "in_grace", "held_elsewhere", "available")
_NOTICES = {
    "app": Message("The app is in the catalogue. Put it into a bundle to give it to tablets."),
    "bundle": Message("The bundle is made. Choose a grade in its row to give it to tablets."),
    "licences": Message("Saved."),
}


@router.get("")
def show_apps(request: Request, work: WorkDep, town: UUID | None = None, after: str = "", done: str = "") -> Response:
    """Show the bundles of a town by grade, and its catalogue of apps."""
    actor, _ = require_sign_in(request, work)
    return _render_apps(request, work, actor, choose_town(work, actor, Permission.AUTHOR, town), after=after, notice=done)


@router.post("/{town}/apps")
def create_app(
    request: Request,
    work: WorkDep,
    town: UUID,
    csrf: CsrfField,
    name: Annotated[str, Form(min_length=1, max_length=120)],
    bundle_identifier: Annotated[str, Form(max_length=155)],
    app_store_id: Annotated[str, Form(max_length=300)] = "",
    manifest_url: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """Add an app to the town's catalogue. A refusal comes back with the fields as they were typed."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    chosen = choose_town(work, actor, Permission.AUTHOR, town)
    typed = {"name": name, "bundle_identifier": bundle_identifier, "app_store_id": app_store_id, "manifest_url": manifest_url}
    refusal = attempt(
        work,
        lambda: service.create_app(
            work,
            actor,
            chosen.id,
            name=name.strip(),
            bundle_identifier=bundle_identifier.strip(),
            app_store_id=service.parse_store_id(app_store_id),
            manifest_url=manifest_url.strip() or None,
        ),
    )
    if refusal is not None:
        return _render_apps(request, work, actor, chosen, refusal=refusal, typed=typed)
    return RedirectResponse(f"/apps?town={town}&done=app", status_code=303)


@router.post("/{town}/apps/{app_id}/licences")
def set_licences(
    request: Request, work: WorkDep, town: UUID, app_id: UUID, csrf: CsrfField, total: Annotated[int, Form(ge=0, le=1_000_000)]
) -> Response:
    """Set how many licences of an app the town owns."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    licences.set_pool_total(work, actor, app_id, total)
    return RedirectResponse(f"/apps?town={town}&done=licences", status_code=303)


@router.post("/{town}/bundles")
def create_bundle(
    request: Request,
    work: WorkDep,
    town: UUID,
    csrf: CsrfField,
    name: Annotated[str, Form(min_length=1, max_length=120)],
    app_ids: Annotated[list[UUID], Form(max_length=200)] = [],  # noqa: B006 (FastAPI copies it)
) -> Response:
    """Create a bundle of apps, and show its page."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    chosen = choose_town(work, actor, Permission.AUTHOR, town)
    refusal = attempt(work, lambda: bundles.create_bundle(work, actor, chosen.id, name.strip(), app_ids))
    if refusal is not None:
        return _render_apps(request, work, actor, chosen, refusal=refusal, typed={"bundle": name})
    return RedirectResponse(f"/apps?town={town}&done=bundle", status_code=303)


def _render_apps(
    request: Request,
    work: UnitOfWork,
    actor: Actor,
    town: Town,
    *,
    after: str = "",
    notice: str = "",
    refusal: DomainError | None = None,
    typed: dict[str, str] | None = None,
) -> Response:
    language = get_language(request)
    page = bundles.list_bundles(work, actor, town.id, PageRequest(cursor=after[:MAX_CURSOR_LENGTH] or None))
    catalogue = service.list_all_apps(work, actor, town.id)
    verdicts = get_verdicts(work, actor, town.id)
    pools = _sum_pools(licences.list_pools(work, actor, town.id))
    counts = load_grade_counts(work, town.id, [app.id for app in catalogue])
    grades = [grade for grade in Grade if grade not in _NURSERY or counts.tablets.get(grade)]
    return render_page(
        request,
        "apps/apps.html",
        notice=_NOTICES[notice].translate(language) if notice in _NOTICES else "",
        refusal=refusal,
        town=town,
        towns=list_permitted_towns(work, actor, Permission.AUTHOR),
        grades=[(grade.value, counts.tablets.get(grade, 0)) for grade in grades],
        bundles=[_describe_row(bundle, grades, counts, language) for bundle in page.items],
        next_url=f"/apps?town={town.id}&after={page.next_cursor}" if page.next_cursor else "",
        apps=[
            {
                "app": app, "source": describe_source(app, language), "pool": pools.get(app.id),
                "verdict": verdict_label(verdicts, app.id, language),
            }
            for app in catalogue
        ],
        typed=typed or {},
    )  # fmt: skip


def _sum_pools(pools: Iterable[PoolStatus]) -> dict[UUID, dict[str, Any]]:
    """Return the licences of each app over all accounts; `by_hand` where a person writes the total."""
    sums: dict[UUID, dict[str, Any]] = {}
    for pool in pools:
        numbers = sums.setdefault(pool.app_id, {"by_hand": True, **dict.fromkeys(_SUMMED, 0)})
        numbers["by_hand"] = numbers["by_hand"] and pool.token_id is None
        for name in _SUMMED:
            numbers[name] += getattr(pool, name)
    return sums


def _describe_row(bundle: Bundle, grades: Sequence[Grade], counts: GradeCounts, language: Language) -> dict[str, Any]:
    return {
        "id": bundle.preset.id,
        "name": bundle.preset.name,
        "apps": len(bundle.apps),
        "elsewhere": sum(each.place is not PlaceKind.GRADE for each in bundle.assignments),
        "cells": [_describe_cell(bundle, grade, counts, language) for grade in grades],
    }


def _describe_cell(bundle: Bundle, grade: Grade, counts: GradeCounts, language: Language) -> dict[str, Any]:
    use = next((each.use for each in bundle.assignments if (each.place, each.target) == (PlaceKind.GRADE, grade)), None)
    return {
        "grade": grade.value,
        "use": USES[use].translate(language) if use is not None else "",
        "need": counts.find_need([app.id for app in bundle.apps], grade),
    }


def describe_source(app: App, language: Language) -> str:
    """Return in words where an app comes from."""
    if app.app_store_id:
        return language.gettext("App Store {number}", number=app.app_store_id)
    return language.gettext("the town's own") if app.manifest_url else language.gettext("comes with the system")


def list_choices(
    apps: Sequence[App], chosen: Sequence[UUID], verdicts: Mapping[UUID, AppVerdict | None], language: Language
) -> list[dict[str, Any]]:
    """Return the apps of a catalogue for a list to tick, each with what is decided about its data protection where that limits it."""
    limiting = (AppVerdict.ALLOWED_WITH_CONDITIONS, AppVerdict.REFUSED)
    return [
        {
            "id": app.id, "name": app.name, "chosen": app.id in chosen,
            "verdict": verdict_label(verdicts, app.id, language) if verdicts.get(app.id) in limiting else "",
        }
        for app in apps
    ]  # fmt: skip
