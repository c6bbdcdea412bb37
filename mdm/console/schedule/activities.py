"""The page of activities for after-school agents: which tablets take part, start and end. First names and tags, nothing of classes."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cartable.errors import DomainError, NotFound
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.places import service as places
from enrollment.places.models import School
from mdm.api.deps import WorkDep
from mdm.console.forms import CsrfField, attempt
from mdm.console.frame import check_csrf, list_permitted_towns, render_page, require_sign_in, show_bar_of_town
from mdm.console.page_route import PageRoute
from profiles.schedule import activities
from profiles.schedule.activities import ActivityBoard

router = APIRouter(prefix="/activities", include_in_schema=False, route_class=PageRoute)
MINUTES = (30, 45, 60, 90, 120)


@router.get("")
def show_activities(request: Request, work: WorkDep, school: UUID | None = None, town: UUID | None = None) -> Response:
    """Show the tablets of a school that may take part in an activity, and those that run. Without a school: the first of the town."""
    actor, _ = require_sign_in(request, work)
    return _render_board(request, work, actor, school, town_id=town)


@router.post("/{school_id}/start")
def start_activity(
    request: Request,
    work: WorkDep,
    school_id: UUID,
    csrf: CsrfField,
    minutes: Annotated[int, Form()] = 60,
    tablets: Annotated[list[UUID] | None, Form()] = None,
) -> Response:
    """Start an activity with the chosen tablets."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    school = _get_school(work, actor, school_id)
    chosen = (tablets or [])[:200]
    refusal = attempt(work, lambda: activities.start_activity(work, actor, school.town_id, school.id, chosen, minutes=minutes))
    return _answer(request, work, actor, school_id, refusal)


@router.post("/{school_id}/{activity_id}/end")
def end_activity(request: Request, work: WorkDep, school_id: UUID, activity_id: UUID, csrf: CsrfField) -> Response:
    """End an activity now."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    return _answer(request, work, actor, school_id, attempt(work, lambda: activities.end_activity(work, actor, activity_id)))


def _answer(request: Request, work: UnitOfWork, actor: Actor, school_id: UUID, refusal: DomainError | None) -> Response:
    if refusal is None:
        return RedirectResponse(f"/activities?school={school_id}", status_code=303)
    return _render_board(request, work, actor, school_id, refusal=refusal)


def _list_schools(work: UnitOfWork, actor: Actor) -> list[School]:
    return [
        school
        for town in list_permitted_towns(work, actor, Permission.ACTIVITY)
        for school in places.list_schools(work, actor, town.id)
        if actor.has_permission(Permission.ACTIVITY, town.id, school.id)
    ]


def _get_school(work: UnitOfWork, actor: Actor, school_id: UUID | None, town_id: UUID | None = None) -> School:
    """Return the chosen school, or the first, of the given town only. Raises `NotFound`."""
    school = next(
        (each for each in _list_schools(work, actor) if school_id in (None, each.id) and town_id in (None, each.town_id)), None
    )
    if school is None:
        raise NotFound
    return school


def _render_board(
    request: Request,
    work: UnitOfWork,
    actor: Actor,
    school_id: UUID | None,
    *,
    town_id: UUID | None = None,
    refusal: DomainError | None = None,
) -> Response:
    board = activities.load_activity_board(work, actor, _get_school(work, actor, school_id, town_id))
    show_bar_of_town(request, work, actor, board.school.town_id)
    zone = places.get_school_zone(work, board.school)
    return render_page(
        request,
        "schedule/activities.html",
        refusal=refusal,
        schools=[each for each in _list_schools(work, actor) if each.town_id == board.school.town_id],
        school=board.school,
        open_until=f"{board.open_until.astimezone(zone):%H:%M}" if board.open_until else "",
        running=[
            {"id": each.id, "until": f"{each.ends.astimezone(zone):%H:%M}", "tags": tags} for each, tags in _group_running(board)
        ],
        free=[each for each in board.tablets if each.activity is None],
        minutes=MINUTES,
    )


def _group_running(board: ActivityBoard) -> list[tuple[Any, list[str]]]:
    """Return the running activities, each with what to call its tablets."""
    groups: dict[UUID, tuple[Any, list[str]]] = {}
    for each in board.tablets:
        if each.activity is not None:
            groups.setdefault(each.activity.id, (each.activity, []))[1].append(each.first_name or each.tag)
    return list(groups.values())
