"""Pages of the school year for a town: timeline, schools, licences, returns, storage, and what is applied, undone and closed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cartable.errors import NotFound
from cartable.i18n import Language
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.places import service as places
from enrollment.places.models import Grade, School, Town
from enrollment.rollover import applying, returns, service
from enrollment.rollover.models import RolloverDecision, Rollover, RolloverSchool, RolloverState
from enrollment.rollover.repository import RolloverGroup, RolloverRepository
from enrollment.rollover.returns import TabletReturn
from enrollment.rollover.rules import first_day
from mdm.api.deps import WorkDep
from mdm.care import storage
from mdm.console.frame import PageRoute, check_csrf, day, language_of, person, show, town_of, towns_of
from mdm.console.rollover.rollover_words import NOT_READY, STATES, words_of
from profiles.apps.licence_overlap import overlap

router = APIRouter(include_in_schema=False, route_class=PageRoute)
_NOTICES = frozenset({"saved", "previewed", "applied", "undone", "closed", "part_left"})
#: Parts of one click: a town of 4 000 is done in one, a larger one says so.
_PARTS = 5
Checked = Annotated[str, Form(max_length=200)]


@router.get("/year")
def year(request: Request, work: WorkDep, town: UUID | None = None, done: str = "") -> Response:
    """Where the passage of a town stands; a head sees the own schools in it."""
    actor, _ = person(request, work)
    language = language_of(request)
    towns = towns_of(work, actor, Permission.LEAD)
    t, chosen = words_of(language), town_of(towns, town)
    rollover, whole = service.of_year(work, actor, chosen.id), actor.has_permission(Permission.LEAD, chosen.id)
    values: dict[str, Any] = {
        "t": t, "town": chosen, "towns": towns, "whole": whole,
        "rollover": rollover, "notice": t[done] if done in _NOTICES else "",
        "storage": _storage(work, actor, chosen, t, language) if actor.has_permission(Permission.HANDLE, chosen.id) else None,
    }  # fmt: skip
    if rollover is not None:
        groups, progress = service.groups(work, actor, rollover), returns.list_tablet_returns(work, actor, rollover.id)
        told = RolloverRepository(work.session).get_school_progress(rollover.id)
        schools = [
            each for each in places.list_schools(work, actor, chosen.id) if actor.has_permission(Permission.LEAD, chosen.id, each.id)
        ]
        values |= {
            "title": t["passage"].format(from_year=rollover.from_year, to_year=rollover.to_year),
            "state": STATES[rollover.state].translate(language),
            "steps": _steps(work, chosen, rollover, t),
            "schools": [_school(each, told.get(each.id), groups, t) for each in schools],
            "acts": _acts(work, chosen, rollover, groups, t),
            "licences": overlap(work, actor, rollover.id) if whole else None,
            "returns": _returns(work, actor, rollover, schools, progress, t),
            "may_govern": actor.has_permission(Permission.GOVERN, chosen.id),
        }
    return show(request, "year.html", **values)


@router.post("/year/{town}/preview")
def preview(request: Request, work: WorkDep, town: UUID, csrf: Checked) -> Response:
    """Make the draft or bring it up to date."""
    actor, _ = person(request, work)
    check_csrf(request, csrf)
    service.preview(work, actor, town)
    return _back(town, "previewed")


@router.post("/year/{rollover_id}/dates")
def dates(
    request: Request, work: WorkDep, rollover_id: UUID, csrf: Checked, freezes_on: Annotated[date, Form()], starts_on: Annotated[date, Form()]
) -> Response:  # fmt: skip
    """Say from when rosters take nobody away and when pupils come back."""
    actor, _ = person(request, work)
    check_csrf(request, csrf)
    return _back(service.set_dates(work, actor, rollover_id, freezes_on, starts_on).town_id, "saved")


@router.post("/year/storage/{town}/{act}")
def store(request: Request, work: WorkDep, town: UUID, act: str, csrf: Checked) -> Response:
    """Put away what nobody holds, or bring back what is ready; a part at a time."""
    actor, _ = person(request, work)
    check_csrf(request, csrf)
    match act:
        case "away":
            left = storage.put_away(work, actor, town).left > 0
        case "back":
            left = storage.bring_back(work, actor, town).moved == storage.AT_ONCE
        case _:
            raise NotFound
    return _back(town, "part_left" if left else "saved")


@router.post("/year/{rollover_id}/{act}")
def act(request: Request, work: WorkDep, rollover_id: UUID, act: str, csrf: Checked) -> Response:
    """Apply, undo, arm, disarm, close; open and close the return campaign."""
    actor, _ = person(request, work)
    check_csrf(request, csrf)
    rollover, done = service.get(work, actor, rollover_id), "saved"
    match act:
        case "apply" | "undo":
            part = applying.apply_batch if act == "apply" else applying.undo_batch
            whole = any(part(work, actor, rollover_id) == 0 for _ in range(_PARTS))
            done = ("applied" if act == "apply" else "undone") if whole else "part_left"
        case "arm" | "disarm":
            applying.set_auto_apply(work, actor, rollover_id, enabled=act == "arm")
        case "close":
            applying.close_rollover(work, actor, rollover_id)
            done = "closed"
        case "open-returns":
            returns.open_campaign(work, actor, rollover_id)
        case "close-returns":
            returns.close_campaign(work, actor, rollover_id)
        case _:
            raise NotFound
    return _back(rollover.town_id, done)


def _back(town_id: UUID, done: str) -> Response:
    return RedirectResponse(f"/year?{urlencode({'town': town_id, 'done': done})}", status_code=303)


def _steps(work: UnitOfWork, town: Town, rollover: Rollover, t: dict[str, str]) -> list[dict[str, str]]:
    """The timeline of schools.md section 18; each step is done, under way or to come, said in words and not by colour alone."""
    today, start = service.today(work, town.id), first_day(rollover.to_year)
    begins = [
        ("step_preview", date(start.year, 5, 15)), ("step_ticks", date(start.year, 6, 1)),
        ("step_returns", date(start.year, 6, 20)), ("step_freeze", rollover.freezes_on), ("step_lists", date(start.year, 8, 24)),
        ("step_apply", start), ("step_close", date(start.year, 9, 30)),
    ]  # fmt: skip
    over = sum(1 for _, at in begins if at <= today)
    if rollover.state is RolloverState.CLOSED:
        over = len(begins) + 1
    said = []
    for number, (name, at) in enumerate(begins, start=1):
        mark = "done" if number < over else "now" if number == over else "coming"
        said.append({"name": t[name], "day": day(at), "mark": mark, "mark_words": t[f"step_{mark}"]})
    return said


def _school(school: School, row: RolloverSchool | None, groups: Iterable[RolloverGroup], t: dict[str, str]) -> dict[str, Any]:
    counts = Counter[str]()
    for group in groups:
        if group.school_id == school.id and group.decision is not RolloverDecision.ARRIVED:
            counts["pupils"] += group.pupils
            counts[group.decision.value] += group.pupils
        comes = group.school_after == school.id and group.decision is not RolloverDecision.LEAVER
        if comes and (group.decision is RolloverDecision.ARRIVED or (group.grade is Grade.GS and group.grade_after is Grade.CP)):
            counts["expected"] += group.pupils
        if comes and group.class_after is None and group.decision is not RolloverDecision.ABSENT:
            counts["unplaced"] += group.pupils

    def said(at: Any) -> str:
        return t["yes_on"].format(day=day(at)) if at else t["not_yet"]

    return {
        "id": school.id, "name": school.name, "counts": counts, "said": said(row and row.decisions_completed_at),
        "lists": said(row and row.lists_confirmed_at),
    }  # fmt: skip


def _acts(work: UnitOfWork, town: Town, rollover: Rollover, groups: Sequence[RolloverGroup], t: dict[str, str]) -> dict[str, Any]:
    of: Counter[RolloverDecision] = Counter()
    for group in groups:
        if not group.applied:
            of[group.decision] += group.pupils
    applied = sum(group.pupils for group in groups if group.applied)
    stays = of[RolloverDecision.RETAINED] + of[RolloverDecision.ABSENT]
    return {
        "may_apply": service.today(work, town.id) >= first_day(rollover.to_year),
        "waiting": sum(of[each] for each in (RolloverDecision.PROMOTED, RolloverDecision.SKIPPING, RolloverDecision.RETAINED, RolloverDecision.LEAVER)),
        "applied": applied,
        "apply_why": t["apply_why"].format(
            moves=of[RolloverDecision.PROMOTED] + of[RolloverDecision.SKIPPING], stays=stays, leaves=of[RolloverDecision.LEAVER]
        ),
        "undo_why": t["undo_why"].format(moved=applied),
        "armed": t["armed"].format(day=day(rollover.auto_apply_enabled_at)) if rollover.auto_apply_enabled_at else "",
        "applied_on": t["applied_on"].format(day=day(rollover.applied_at)) if rollover.applied_at else "",
        "closed_on": t["closed_on"].format(day=day(rollover.closed_at)) if rollover.closed_at else "",
    }


def _returns(
    work: UnitOfWork, actor: Actor, rollover: Rollover, schools: Sequence[School], progress: Sequence[TabletReturn], t: dict[str, str]
) -> dict[str, Any]:
    campaign, _ = returns.get_campaign(work, actor, rollover.id)
    rows = []
    for school in schools:
        mine = [each for each in progress if each.line.school_id == school.id]
        out = sum(each.is_out for each in mine)
        lost = sum(each.is_out and each.is_missing for each in mine)
        rows.append({"school": school.name, "listed": len(mine), "back": len(mine) - out, "out": out, "lost": lost})
    opened, closed = (campaign.opened_at, campaign.closed_at) if campaign else (None, None)
    return {
        "rows": [row for row in rows if row["listed"]],
        "opened": opened, "closed": closed,
        "said": t["returns_closed"].format(day=day(closed)) if closed else t["returns_open"].format(day=day(opened)) if opened
        else t["returns_none"].format(count=len(returns.list_tablets_of_leavers(work, actor, rollover.id))),
    }  # fmt: skip


def _storage(work: UnitOfWork, actor: Actor, town: Town, t: dict[str, str], language: Language) -> dict[str, Any]:
    told, waiting = storage.checks(work, actor, town.id), storage.to_put_away(work, actor, town.id)
    ready = storage.ready(told)
    return {
        "waiting": waiting,
        "put_away": t["put_away"].format(count=waiting),
        "ready": ready,
        "in_storage": t["in_storage"].format(count=len(told), ready=ready) if told else "",
        "bring_back": t["bring_back"].format(ready=ready),
        "not_ready": [
            {"tag": each.tablet.tag, "id": each.tablet.id, "why": ", ".join(NOT_READY[p].translate(language) for p in each.problems)}
            for each in told
            if each.problems
        ][:100],
    }
