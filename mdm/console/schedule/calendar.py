"""The page of the calendar: zones of the town and its schools, and the import of the ministry's file. Holds no rules."""

from __future__ import annotations

import json
from datetime import date
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, File, Form, Request, UploadFile
from fastapi.responses import RedirectResponse, Response

from cartable.errors import DomainError, Invalid
from cartable.i18n import Language, Message
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from cartable.uploads import read_upload
from enrollment.places import service as places
from enrollment.places.models import School, Town
from enrollment.places.zones import HolidayZone
from mdm.api.deps import RuntimeDep, WorkDep
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
from mdm.console.schedule.labels import OUTCOMES, ZONES
from mdm.console.times import format_day
from profiles.schedule import authoring, calendar_import
from profiles.schedule.calendar import HolidayPeriod
from profiles.schedule.calendar_files import MAX_BYTES
from profiles.schedule.calendar_import import CalendarPreview, ZonePreview

router = APIRouter(prefix="/calendar", include_in_schema=False, route_class=PageRoute)
_NOTICES = {"imported": Message("The calendar is imported."), "saved": Message("Saved.")}
TimeZoneField = Annotated[str, Form(max_length=40)]


@router.get("")
def show_calendar(request: Request, work: WorkDep, town: UUID | None = None, done: str = "") -> Response:
    """Show the zones, the imported calendars and the import form of a town."""
    actor, _ = require_sign_in(request, work)
    return _render_calendar(request, work, actor, choose_town(work, actor, Permission.AUTHOR, town), notice=done)


@router.post("/{town}/zones")
def set_town_zones(
    request: Request,
    work: WorkDep,
    town: UUID,
    csrf: CsrfField,
    zone: Annotated[HolidayZone, Form()],
    time_zone: TimeZoneField = "",
) -> Response:
    """Set the zones of the town."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    chosen, name = choose_town(work, actor, Permission.AUTHOR, town), time_zone.strip()
    refusal = attempt(work, lambda: authoring.set_town_zones(work, actor, chosen.id, zone=zone, time_zone=name or None))
    if refusal is not None:
        typed = {chosen.id: {"zone": zone.value, "time_zone": name}}
        return _render_calendar(request, work, actor, chosen, refusal=refusal, typed=typed)
    return _redirect(town, "saved")


@router.post("/{town}/schools/{school_id}/zones")
def set_school_zones(
    request: Request,
    work: WorkDep,
    town: UUID,
    school_id: UUID,
    csrf: CsrfField,
    zone: Annotated[str, Form(max_length=40)] = "",
    time_zone: TimeZoneField = "",
) -> Response:
    """Set the zones of a school; empty fields are those of the town."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    own_zone, name = HolidayZone(zone) if zone in {*HolidayZone} else None, time_zone.strip()
    refusal = attempt(work, lambda: authoring.set_school_zones(work, actor, school_id, zone=own_zone, time_zone=name or None))
    if refusal is not None:
        chosen = choose_town(work, actor, Permission.AUTHOR, town)
        typed = {school_id: {"zone": zone, "time_zone": name}}
        return _render_calendar(request, work, actor, chosen, refusal=refusal, typed=typed)
    return _redirect(town, "saved")


@router.post("/{town}/preview")
def preview_import(
    request: Request,
    runtime: RuntimeDep,
    town: UUID,
    csrf: CsrfField,
    file: Annotated[UploadFile, File()],
    zone: Annotated[str, Form(max_length=40)] = "",
) -> Response:
    """Read a file and show what became of each row; nothing is stored."""
    with runtime.open_unit_of_work() as work:
        actor, _ = require_sign_in(request, work)
        check_csrf(request, csrf)
        chosen, language = choose_town(work, actor, Permission.AUTHOR, town), get_language(request)
    default_zone = HolidayZone(zone) if zone in {*HolidayZone} else None
    try:
        imported = read_upload(calendar_import.read_calendars, file.file.read(MAX_BYTES + 1), default_zone)
        with runtime.open_unit_of_work() as work:
            preview = calendar_import.preview_import(work, actor, chosen.id, imported)
    except DomainError as error:
        with runtime.open_unit_of_work() as work:
            return _render_calendar(request, work, actor, chosen, refusal=error)
    return render_page(
        request,
        "schedule/calendar_preview.html",
        town=chosen,
        zones=[_describe_zone(each, language) for each in preview.zones],
        counts=_count_rows(preview, language),
        bad_rows=[
            {"line": row.line, "description": row.description, "why": OUTCOMES[row.outcome].translate(language)}
            for row in preview.list_bad_rows()[:_MAX_ROWS]
        ],
        periods=_dump_periods(preview),
    )


@router.post("/{town}/import")
def confirm_import(
    request: Request, work: WorkDep, town: UUID, csrf: CsrfField, periods: Annotated[str, Form(max_length=200_000)]
) -> Response:
    """Store the periods of a preview. They come back from the page: whoever may import may write any calendar."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    calendar_import.save_imported_periods(
        work, actor, choose_town(work, actor, Permission.AUTHOR, town).id, _load_periods(periods)
    )
    return _redirect(town, "imported")


_MAX_ROWS = 200


def _redirect(town_id: UUID, done: str) -> Response:
    return RedirectResponse(f"/calendar?town={town_id}&done={done}", status_code=303)


def _render_calendar(
    request: Request,
    work: UnitOfWork,
    actor: Actor,
    town: Town,
    *,
    notice: str = "",
    refusal: DomainError | None = None,
    typed: dict[UUID, dict[str, str]] | None = None,
) -> Response:
    """Show the page; `typed` are the zones of a town or school that were refused, by its id."""
    language, typed = get_language(request), typed or {}
    return render_page(
        request,
        "schedule/calendar.html",
        notice=_NOTICES[notice].translate(language) if notice in _NOTICES else "",
        refusal=refusal,
        town=town,
        town_zones=typed.get(town.id, {"zone": town.zone.value, "time_zone": town.time_zone}),
        towns=list_permitted_towns(work, actor, Permission.AUTHOR),
        zone_names=[(zone.value, ZONES[zone].translate(language)) for zone in HolidayZone],
        schools=[_describe_school(each) | typed.get(each.id, {}) for each in places.list_schools(work, actor, town.id)],
        calendars=[
            {
                "name": ZONES[HolidayZone(view.name)].translate(language) if view.name in {*HolidayZone} else view.name,
                "known_until": format_day(view.known_until),
                "periods": [_describe_period(period) for period in view.periods],
            }
            for view in authoring.list_calendars(work, actor, town.id)
        ],
    )


def _describe_school(school: School) -> dict[str, Any]:
    return {"id": school.id, "name": school.name, "zone": school.zone or "", "time_zone": school.time_zone or ""}


def _describe_period(period: HolidayPeriod) -> dict[str, str]:
    return {"name": period.name, "first": format_day(period.first), "last": format_day(period.last)}


def _describe_zone(zone: ZonePreview, language: Language) -> dict[str, Any]:
    return {
        "name": ZONES[zone.zone].translate(language),
        "used": zone.is_used,
        "open": zone.summer_is_open,
        "known_until": format_day(zone.known_until),
        "periods": [_describe_period(period) for period in zone.periods],
    }


def _count_rows(preview: CalendarPreview, language: Language) -> list[tuple[str, int]]:
    """Return how many rows have each outcome that occurs."""
    numbers = {outcome: sum(row.outcome is outcome for row in preview.rows) for outcome in OUTCOMES}
    return [(OUTCOMES[outcome].translate(language), number) for outcome, number in numbers.items() if number]


def _dump_periods(preview: CalendarPreview) -> str:
    used = preview.get_used_periods().items()
    return json.dumps({zone.value: [[str(each.first), str(each.last), each.name] for each in periods] for zone, periods in used})


def _load_periods(text: str) -> dict[HolidayZone, list[HolidayPeriod]]:
    """Return the periods that `_dump_periods` wrote. Raises `Invalid`."""
    try:
        document = json.loads(text)
        return {
            HolidayZone(zone): [HolidayPeriod(date.fromisoformat(first), date.fromisoformat(last), str(name)[:80])
                                for first, last, name in periods]
            for zone, periods in document.items()
        }  # fmt: skip
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise Invalid(field="periods") from error
