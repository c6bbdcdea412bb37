"""The page of the first day: the demo town or an own one, its three questions, then what is still to do."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, File, Form, Request, UploadFile
from fastapi.responses import RedirectResponse, Response

from cartable.errors import DomainError, ReauthenticationRequired
from cartable.i18n import Language
from cartable.scope import Actor, Permission
from cartable.unit_of_work import Runtime, UnitOfWork
from cartable.uploads import read_upload
from enrollment.places import towns
from enrollment.places.schools import SchoolLineOutcome, SchoolLineReport, read_schools
from enrollment.places.zones import HolidayZone
from enrollment.rosters.files.tables import MAX_BYTES
from enrollment.rosters.imports import previewing
from enrollment.rosters.imports.previewing import RosterFile
from mdm.accounts import operators
from mdm.accounts.sessions import SignInStep
from mdm.api.deps import RuntimeDep, WorkDep
from mdm.api.places.schools import MAX_LIST
from mdm.console.forms import CsrfField
from mdm.console.frame import authenticate, check_csrf, get_language, list_permitted_towns, render_page, require_sign_in
from mdm.console.page_route import PageRoute
from mdm.console.roster_labels import describe_roster_refusal
from mdm.console.schedule.labels import ZONES
from mdm.console.setup.labels import ACTS, OUTCOMES, STEPS
from mdm.setup.checklist import Checklist, SetupStep, load_checklist
from mdm.setup.first_town import create_first_town

router = APIRouter(prefix="/start", include_in_schema=False, route_class=PageRoute)
_LONGEST_LIST = 200_000


@router.get("")
def show_start(request: Request, work: WorkDep, town: UUID | None = None) -> Response:
    """Show what is still to do in the towns that the person governs; the operator may make another."""
    actor, _ = require_sign_in(request, work)
    return _render_start(request, work, actor, town)


@router.post("/town")
def create_town(
    request: Request,
    runtime: RuntimeDep,
    csrf: CsrfField,
    name: Annotated[str, Form(max_length=400)],
    zone: Annotated[HolidayZone, Form()] = HolidayZone.C,
    time_zone: Annotated[str, Form(max_length=60)] = "",
    support_phone: Annotated[str, Form(max_length=200)] = "",
    lost_message: Annotated[str, Form(max_length=2000)] = "",
    host: Annotated[str, Form(max_length=400)] = "",
    schools: Annotated[str, Form(max_length=_LONGEST_LIST)] = "",
    file: Annotated[UploadFile | None, File()] = None,
    roster: Annotated[UploadFile | None, File()] = None,
) -> Response:
    """Create a town of one's own with its first schools, from a list or a first roster: all of it, or nothing."""
    facts = {"name": name, "zone": zone, "time_zone": time_zone.strip() or None, "support_phone": support_phone,
             "lost_message": lost_message, "host": host}  # fmt: skip
    with runtime.open_unit_of_work() as work:
        actor, _ = require_sign_in(request, work)
        check_csrf(request, csrf)
    try:
        actor.require_operator()
        school_list = file.file.read(MAX_LIST) if file is not None and file.filename else schools.encode()
        lines = read_upload(read_schools, school_list) if school_list.strip() else []
        roster_file = _read_first_roster(request, runtime, facts, roster) if roster is not None and roster.filename else None
        with runtime.open_unit_of_work() as work:
            actor, _ = require_sign_in(request, work)
            made = create_first_town(work, actor, facts, lines, roster_file)
    except ReauthenticationRequired:
        raise
    except DomainError as refusal:
        typed = {"name": name, "zone": zone.value, "time_zone": time_zone, "support_phone": support_phone,
                 "lost_message": lost_message, "host": host, "schools": schools}  # fmt: skip
        with runtime.open_unit_of_work() as work:
            actor, _ = require_sign_in(request, work)
            return _render_start(
                request, work, actor, None, values=typed, status=refusal.status,
                problem=describe_roster_refusal(refusal, get_language(request)), field=str(refusal.details.get("field", "")),
            )  # fmt: skip
    after = f"/rosters/{made.import_id}" if made.import_id else "/start"
    wrong = [line for line in made.lines if line.outcome not in (SchoolLineOutcome.CREATED, SchoolLineOutcome.UNCHANGED)]
    if not wrong:
        return RedirectResponse(after, status_code=303)
    with runtime.open_unit_of_work() as work:
        # Who administers a town needs a second factor, which is asked for on the next page: the reasons are shown before.
        authenticate(request, work, allowed={SignInStep.SECOND_FACTOR_ENROLLMENT})
        return render_page(
            request,
            "setup/schools_report.html",
            menu=[],
            created=sum(line.outcome is SchoolLineOutcome.CREATED for line in made.lines),
            rows=describe_lines(wrong, get_language(request)),
            back=after,
        )


def _read_first_roster(request: Request, runtime: Runtime, facts: dict[str, Any], roster: UploadFile) -> RosterFile:
    """Return the rows of a roster, read for the year and the day of the town that is to be made. Raises what its creation raises."""
    with runtime.open_unit_of_work() as work:
        actor, _ = require_sign_in(request, work)
        with work.session.begin_nested() as trial:
            town = towns.create_town(work, actor, **facts)
            options = previewing.prepare_reading(work, operators.add_administrator_role(actor, town.id), town.id, None)
            trial.rollback()
    return read_upload(previewing.read_file, roster.file.read(MAX_BYTES + 1), options)


def describe_lines(reports: list[SchoolLineReport], language: Language) -> list[dict[str, Any]]:
    """Return lines of a list of schools with what became of each, for a table."""
    return [
        {"line": each.line, "uai": each.uai, "name": each.name, "outcome": OUTCOMES[each.outcome].translate(language)}
        for each in reports
    ]


def describe_checklist(checklist: Checklist, language: Language) -> dict[str, Any]:
    """Return a checklist for a page: how far it is, and each item with what to do for it."""
    query = f"?town={checklist.town.id}"
    items = []
    for item, done in checklist.items:
        text = STEPS[item] if isinstance(item, SetupStep) else ACTS[item]
        takes_town = text.address in ("/start/tablet", "/town", "/hours", "/apple-school-manager", "/apps/licences")
        items.append(
            {
                "key": item.value, "title": text.title.translate(language), "advice": text.advice.translate(language), "done": done,
                "address": text.address + (query if takes_town else ""),
            }
        )  # fmt: skip
    return {
        "town": checklist.town, "is_tour": checklist.is_tour, "done": checklist.done, "total": len(items), "rows": items,
        "is_complete": checklist.is_complete, "offers_own_town": False,
    }  # fmt: skip


def list_open_checklists(work: UnitOfWork, actor: Actor, language: Language) -> list[dict[str, Any]]:
    """Return the checklists of the towns that the person governs and that are not done yet, for the first page."""
    checklists = [load_checklist(work, actor, town.id) for town in list_permitted_towns(work, actor, Permission.GOVERN)]
    has_own_town = any(not each.town.is_demonstration for each in checklists)
    return [
        describe_checklist(each, language) | {"offers_own_town": each.is_tour and actor.operates() and not has_own_town}
        for each in checklists
        if not each.is_complete
    ]


def _render_start(
    request: Request,
    work: UnitOfWork,
    actor: Actor,
    town_id: UUID | None,
    *,
    values: dict[str, str] | None = None,
    status: int = 200,
    problem: str = "",
    field: str = "",
) -> Response:
    language = get_language(request)
    towns = list_permitted_towns(work, actor, Permission.GOVERN)
    chosen = [town for town in towns if town_id in (None, town.id)]
    return render_page(
        request,
        "setup/start.html",
        status=status,
        problem=problem,
        wrong_field=field,
        may_create=actor.operates(),
        demonstration=next((town for town in towns if town.is_demonstration), None),
        has_own_town=any(not town.is_demonstration for town in towns),
        checklists=[describe_checklist(load_checklist(work, actor, town.id), language) for town in chosen],
        values=values or {},
        zone_names=[(each.value, ZONES[each].translate(language)) for each in HolidayZone],
    )
