"""Pages of a town's rollover: timeline, schools, licences, returns, storage, and the actions apply, undo and close."""

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
from cartable.i18n import Language, Message
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.places import service as places
from enrollment.places.models import Grade, School, Town
from enrollment.places.rules import get_first_day_of_year
from enrollment.rollover import applying, drafting, returns, service
from enrollment.rollover.models import Rollover, RolloverDecision, RolloverSchool, RolloverState
from enrollment.rollover.repository import RolloverGroup, RolloverRepository
from enrollment.rollover.returns import TabletReturn
from enrollment.tablets import storage
from mdm.api.deps import WorkDep
from mdm.console.forms import CsrfField
from mdm.console.frame import check_csrf, get_language, list_permitted_towns, render_page, require_sign_in, select_town
from mdm.console.page_route import PageRoute
from mdm.console.rollover.labels import NOT_READY, STATES
from mdm.console.times import format_day
from mdm.devices.readiness import DeviceReadiness
from profiles.effective.licence_overlap import list_licence_overlaps

router = APIRouter(include_in_schema=False, route_class=PageRoute)
_NOTICES = {
    "saved": Message("Saved."),
    "previewed": Message("The preview is up to date."),
    "applied": Message("The rollover is applied."),
    "undone": Message("The rollover is undone."),
    "closed": Message("The rollover is closed."),
    "part_left": Message("A part is done: click again for the rest."),
}
_STEP_MARKS = {"done": Message("done"), "now": Message("now"), "coming": Message("to come")}
#: Parts of one click: a town of 4 000 is done in one, a larger one says so.
_MAX_BATCHES = 5


@router.get("/year")
def show_rollover(request: Request, work: WorkDep, town: UUID | None = None, done: str = "") -> Response:
    """Show the state of a town's rollover; a head teacher sees the own schools in it."""
    actor, _ = require_sign_in(request, work)
    language = get_language(request)
    towns = list_permitted_towns(work, actor, Permission.LEAD)
    chosen = select_town(towns, town)
    rollover, leads_town = service.find_current_rollover(work, actor, chosen.id), actor.has_permission(Permission.LEAD, chosen.id)
    values: dict[str, Any] = {
        "town": chosen, "towns": towns, "leads_town": leads_town,
        "rollover": rollover, "notice": _NOTICES[done].translate(language) if done in _NOTICES else "",
        "storage": _describe_storage(work, actor, chosen, language) if actor.has_permission(Permission.HANDLE, chosen.id) else None,
    }  # fmt: skip
    if rollover is not None:
        groups, progress = service.count_groups(work, actor, rollover), returns.list_tablet_returns(work, actor, rollover.id)
        progress_by_school = RolloverRepository(work.session).get_school_progress(rollover.id)
        schools = [
            each
            for each in places.list_schools(work, actor, chosen.id)
            if actor.has_permission(Permission.LEAD, chosen.id, each.id)
        ]
        values |= {
            "title": language.gettext("From {from_year} to {to_year}", from_year=rollover.from_year, to_year=rollover.to_year),
            "state": STATES[rollover.state].translate(language),
            "steps": _list_steps(work, chosen, rollover, language),
            "schools": [_describe_school(each, progress_by_school.get(each.id), groups, language) for each in schools],
            "actions": _describe_actions(work, chosen, rollover, groups, language),
            "licences": list_licence_overlaps(work, actor, rollover.id) if leads_town else None,
            "returns": _describe_returns(work, actor, rollover, schools, progress, language),
            "may_govern": actor.has_permission(Permission.GOVERN, chosen.id),
        }
    return render_page(request, "rollover/town.html", **values)


@router.post("/year/{town}/preview")
def preview_rollover(request: Request, work: WorkDep, town: UUID, csrf: CsrfField) -> Response:
    """Create the draft, or update it from the rosters."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    drafting.preview_rollover(work, actor, town)
    return _redirect(town, "previewed")


@router.post("/year/{rollover_id}/dates")
def save_dates(
    request: Request, work: WorkDep, rollover_id: UUID, csrf: CsrfField, freezes_on: Annotated[date, Form()], starts_on: Annotated[date, Form()]
) -> Response:  # fmt: skip
    """Store from when rosters remove nobody, and when pupils come back."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    return _redirect(service.set_dates(work, actor, rollover_id, freezes_on, starts_on).town_id, "saved")


@router.post("/year/storage/{town}/{act}")
def change_storage(request: Request, work: WorkDep, town: UUID, act: str, csrf: CsrfField) -> Response:
    """Put unused tablets into storage or bring the ready ones back, one batch per click."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    match act:
        case "away":
            left = storage.store_tablets(work, actor, town).remaining > 0
        case "back":
            left = storage.return_ready_tablets(work, actor, town, source=DeviceReadiness()).moved == storage.BATCH_SIZE
        case _:
            raise NotFound
    return _redirect(town, "part_left" if left else "saved")


@router.post("/year/{rollover_id}/{act}")
def act_on_rollover(request: Request, work: WorkDep, rollover_id: UUID, act: str, csrf: CsrfField) -> Response:
    """Apply, undo, close, or switch automatic applying; open and close the return campaign."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    rollover, done = service.get_rollover(work, actor, rollover_id), "saved"
    match act:
        case "apply" | "undo":
            part = applying.apply_batch if act == "apply" else applying.undo_batch
            is_complete = any(part(work, actor, rollover_id) == 0 for _ in range(_MAX_BATCHES))
            done = ("applied" if act == "apply" else "undone") if is_complete else "part_left"
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
    return _redirect(rollover.town_id, done)


def _redirect(town_id: UUID, done: str) -> Response:
    return RedirectResponse(f"/year?{urlencode({'town': town_id, 'done': done})}", status_code=303)


def _list_steps(work: UnitOfWork, town: Town, rollover: Rollover, language: Language) -> list[dict[str, str]]:
    """Return the timeline of a school year; each step is done, current or to come, in words and not by colour alone."""
    today, start = places.get_town_date(work, town.id), get_first_day_of_year(rollover.to_year)
    begins = [
        (Message("Preview"), date(start.year, 5, 15)), (Message("Heads tick"), date(start.year, 6, 1)),
        (Message("CM2 return tablets"), date(start.year, 6, 20)), (Message("Rosters frozen"), rollover.freezes_on), (Message("New rosters"), date(start.year, 8, 24)),
        (Message("Grades change"), start), (Message("Close"), date(start.year, 9, 30)),
    ]  # fmt: skip
    reached = sum(1 for _, at in begins if at <= today)
    if rollover.state is RolloverState.CLOSED:
        reached = len(begins) + 1
    steps = []
    for number, (name, at) in enumerate(begins, start=1):
        mark = "done" if number < reached else "now" if number == reached else "coming"
        steps.append(
            {
                "name": name.translate(language),
                "day": format_day(at),
                "mark": mark,
                "mark_label": _STEP_MARKS[mark].translate(language),
            }
        )
    return steps


def _describe_school(
    school: School, row: RolloverSchool | None, groups: Iterable[RolloverGroup], language: Language
) -> dict[str, Any]:
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

    def format_done(at: Any) -> str:
        return language.gettext("yes, on {day}", day=format_day(at)) if at else language.gettext("not yet")

    return {
        "id": school.id, "name": school.name, "counts": counts, "decisions_done": format_done(row and row.decisions_completed_at),
        "lists_confirmed": format_done(row and row.lists_confirmed_at),
    }  # fmt: skip


def _describe_actions(
    work: UnitOfWork, town: Town, rollover: Rollover, groups: Sequence[RolloverGroup], language: Language
) -> dict[str, Any]:
    of: Counter[RolloverDecision] = Counter()
    for group in groups:
        if not group.applied:
            of[group.decision] += group.pupils
    applied = sum(group.pupils for group in groups if group.applied)
    stays = of[RolloverDecision.RETAINED] + of[RolloverDecision.ABSENT]
    return {
        "may_apply": places.get_town_date(work, town.id) >= get_first_day_of_year(rollover.to_year),
        "waiting": sum(
            of[each]
            for each in (RolloverDecision.PROMOTED, RolloverDecision.SKIPPING, RolloverDecision.RETAINED, RolloverDecision.LEAVER)
        ),
        "applied": applied,
        "apply_why": Message(
            "{moves}, {stays}, {leaves}. Their tablets stay with them, nothing is erased; apps follow the grade. "
            "A pupil whom a roster has moved already stays where it says."
        ).translate(
            language,
            moves=Message("{count} pupil changes grade or class", plural="{count} pupils change grade or class").bind(
                count=of[RolloverDecision.PROMOTED] + of[RolloverDecision.SKIPPING]
            ),
            stays=Message("{count} stays in the same grade", plural="{count} stay in the same grade").bind(count=stays),
            leaves=Message("{count} leaves", plural="{count} leave").bind(count=of[RolloverDecision.LEAVER]),
        ),
        "undo_why": language.ngettext(
            "{count} pupil gets back the former grade, class and school; changes made since stay. It can be applied again.",
            "{count} pupils get back their former grade, class and school; changes made since stay. It can be applied again.",
            applied,
        ),
        "armed": language.gettext(
            "It will apply itself on 1 September at midnight (decided on {day}).", day=format_day(rollover.auto_apply_enabled_at)
        )
        if rollover.auto_apply_enabled_at
        else "",
        "applied_on": language.gettext("Applied on {day}.", day=format_day(rollover.applied_at)) if rollover.applied_at else "",
        "closed_on": language.gettext("Closed on {day}.", day=format_day(rollover.closed_at)) if rollover.closed_at else "",
    }


def _describe_returns(
    work: UnitOfWork,
    actor: Actor,
    rollover: Rollover,
    schools: Sequence[School],
    progress: Sequence[TabletReturn],
    language: Language,
) -> dict[str, Any]:
    campaign, _ = returns.get_campaign(work, actor, rollover.id)
    rows = []
    for school in schools:
        mine = [each for each in progress if each.line.school_id == school.id]
        out = sum(each.is_out for each in mine)
        lost = sum(each.is_out and each.is_missing for each in mine)
        rows.append({"school": school.name, "expected": len(mine), "back": len(mine) - out, "out": out, "lost": lost})
    opened, closed = (campaign.opened_at, campaign.closed_at) if campaign else (None, None)
    return {
        "rows": [row for row in rows if row["expected"]],
        "opened": opened, "closed": closed,
        "summary": language.gettext("Campaign closed on {day}.", day=format_day(closed)) if closed else language.gettext("Campaign open since {day}.", day=format_day(opened)) if opened
        else language.ngettext(
            "{count} tablet is with a pupil who leaves.",
            "{count} tablets are with pupils who leave.",
            returns.count_tablets_of_leavers(work, actor, rollover.id),
        ),
    }  # fmt: skip


def _describe_storage(work: UnitOfWork, actor: Actor, town: Town, language: Language) -> dict[str, Any]:
    checks = storage.check_readiness(work, actor, town.id, source=DeviceReadiness())
    waiting = storage.count_storable(work, actor, town.id)
    ready = storage.count_ready(checks)
    return {
        "waiting": waiting,
        "put_away": language.ngettext("Put {count} tablet away", "Put {count} tablets away", waiting),
        "ready": ready,
        "in_storage": Message("{count} in storage, {ready}.").translate(
            language,
            count=len(checks),
            ready=Message("{count} ready to come back", plural="{count} ready to come back").bind(count=ready),
        )
        if checks
        else "",
        "bring_back": language.ngettext("Bring back the {count} that is ready", "Bring back the {count} that are ready", ready),
        "not_ready": [
            {
                "tag": each.tablet.tag,
                "id": each.tablet.id,
                "why": ", ".join(NOT_READY[p].translate(language) for p in each.problems),
            }
            for each in checks
            if each.problems
        ][:100],
    }
