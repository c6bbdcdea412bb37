"""Pages of lists that came by themselves: what they change, and the decision on them. Holds no rules."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cartable.i18n import Language
from cartable.paging import PageRequest
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.places import service as places
from mdm.api.deps import WorkDep
from mdm.console.filters.labels import RELEASE_STATUSES
from mdm.console.forms import CsrfField
from mdm.console.frame import check_csrf, choose_town, get_language, render_page, require_sign_in
from mdm.console.page_route import PageRoute
from mdm.console.times import format_instant
from mdm.console.web_categories import list_category_names, name_category
from profiles.effective.list_previews import preview_opened_hosts
from profiles.filters import former_lists, options, releases
from profiles.filters.models import ListRelease, ReleaseStatus
from profiles.filters.release_repository import OPEN
from profiles.filters.rules import LEGAL_CATEGORIES

router = APIRouter(prefix="/filter-lists", include_in_schema=False, route_class=PageRoute)
_SHOWN = 10


@router.get("/releases")
def show_open_release(request: Request, work: WorkDep, town: UUID | None = None) -> Response:
    """Lead to the new lists of a town that wait for a decision or are on trial; without any, to the page of lists."""
    actor, _ = require_sign_in(request, work)
    chosen = choose_town(work, actor, Permission.AUTHOR, town)
    row = releases.find_open_release(work, actor, chosen.id)
    return RedirectResponse(f"/filter-lists/releases/{row.id}" if row else f"/filter-lists?town={chosen.id}", status_code=303)


@router.get("/releases/{release_id}")
def show_release(request: Request, work: WorkDep, release_id: UUID) -> Response:
    """Show what new lists change, and ask for a decision while there is one to take."""
    actor, _ = require_sign_in(request, work)
    row = releases.get_release(work, actor, release_id)
    town = choose_town(work, actor, Permission.AUTHOR, row.town_id)
    language = get_language(request)
    kept = {each.name for each in former_lists.list_former_of_release(work, actor, row)}
    has_trial = bool(options.load_options(work, town.id).trial_schools) and row.status is ReleaseStatus.WAITING
    return render_page(
        request,
        "filters/release.html",
        town=town,
        release=describe_release(row, language),
        changes=[each | {"label": name_category(each["name"], language)} for each in row.changes],
        samples=row.changes,
        opened_hosts=preview_opened_hosts(work, row) if row.status in OPEN else None,
        shrunk=list_category_names(row.shrunk, language),
        floor=list_category_names(LEGAL_CATEGORIES.intersection(row.shrunk), language),
        has_trial=has_trial,
        kept=kept,
        kept_names=list_category_names(kept, language),
    )


@router.post("/releases/{release_id}/approve")
def approve_release(request: Request, work: WorkDep, release_id: UUID, csrf: CsrfField) -> Response:
    """Let new lists go on: to the schools that try them, or to all."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    row = releases.approve_release(work, actor, release_id)
    return RedirectResponse(f"/filter-lists?town={row.town_id}&done=approved", status_code=303)


@router.post("/releases/{release_id}/stop")
def stop_release(request: Request, work: WorkDep, release_id: UUID, csrf: CsrfField) -> Response:
    """Let new lists go; schools that tried them have the former ones again."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    row = releases.stop_release(work, actor, release_id)
    return RedirectResponse(f"/filter-lists?town={row.town_id}&done=stopped", status_code=303)


@router.post("/releases/{release_id}/undo")
def undo_release(request: Request, work: WorkDep, release_id: UUID, csrf: CsrfField) -> Response:
    """Put back what all categories of new lists were before."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    row = former_lists.undo_release(work, actor, release_id)
    return RedirectResponse(f"/filter-lists?town={row.town_id}&done=undone_release", status_code=303)


@router.post("/{town}/trials")
def save_trials(
    request: Request,
    work: WorkDep,
    town: UUID,
    csrf: CsrfField,
    school_ids: Annotated[list[UUID] | None, Form()] = None,
    hours: Annotated[int, Form()] = options.DEFAULT_TRIAL_HOURS,
) -> Response:
    """Save which schools get new lists first, and for how many hours."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    chosen = choose_town(work, actor, Permission.AUTHOR, town)
    options.set_trial_schools(work, actor, chosen.id, school_ids or [], hours)
    return RedirectResponse(f"/filter-lists?town={town}&done=trials", status_code=303)


def describe_releases(work: UnitOfWork, actor: Actor, town_id: UUID, language: Language) -> dict[str, Any]:
    """Return the newest releases of a town and its choice of schools, for the page of lists."""
    chosen = options.get_options(work, actor, town_id)
    page = releases.list_releases(work, actor, town_id, PageRequest(limit=_SHOWN))
    return {
        "rows": [describe_release(row, language) for row in page.items],
        "schools": [
            {"id": each.id, "name": each.name, "is_chosen": str(each.id) in chosen.trial_schools}
            for each in places.list_schools(work, actor, town_id)
        ],
        "hours": chosen.trial_hours,
        "max_hours": options.MAX_TRIAL_HOURS,
    }


def describe_release(row: ListRelease, language: Language) -> dict[str, Any]:
    """Return a release in words."""
    return {
        "id": row.id,
        "arrived": format_instant(row.arrived_at),
        "status": RELEASE_STATUSES[row.status].translate(language),
        "is_open": row.status in (ReleaseStatus.WAITING, ReleaseStatus.TRIAL),
        "is_trial": row.status is ReleaseStatus.TRIAL,
        "until": format_instant(row.trial_until) if row.trial_until and row.status is ReleaseStatus.TRIAL else "",
        "leaving": sum(each["leaving"] for each in row.changes),
        "coming": sum(each["coming"] for each in row.changes),
    }
