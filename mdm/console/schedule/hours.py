"""The page of the hours: the week of a town or a school as a picture and as text, seen before it is saved. Holds no rules.

Exceptions for single days and "what will this tablet be?" have pages of their own beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cartable.errors import DomainError, NotFound
from cartable.i18n import Language, Message
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.places import service as places
from enrollment.places.models import School, Town
from mdm.api.deps import WorkDep
from mdm.console.forms import CsrfField, attempt
from mdm.console.frame import FieldsDep, check_csrf, get_language, list_permitted_towns, render_page, require_sign_in, select_town
from mdm.console.labels import mode_label
from mdm.console.page_route import PageRoute
from mdm.console.schedule.labels import WEEKDAYS, explain_refusal
from mdm.console.schedule.week_picture import draw_week
from profiles.policy.kinds import PlaceKind
from profiles.policy.places import count_tablets
from profiles.schedule import authoring
from profiles.schedule.calendar import FOLLOW_ZONE
from profiles.schedule.errors import InvalidSchedule
from profiles.schedule.modes import Mode
from profiles.schedule.night import DEFAULT_NIGHT, Night, parse_night
from profiles.schedule.ordinary_weeks import ORDINARY_WEEKS, OrdinaryWeek
from profiles.schedule.repository import ScheduleRepository
from profiles.schedule.timetable import DAYS, EMPTY_WEEK, BandKind, TimetableFormatError, Week, format_clock, parse_week
from profiles.schedule.timetable_text import format_bands, parse_bands

router = APIRouter(prefix="/hours", include_in_schema=False, route_class=PageRoute)
_NOTICES = {
    "saved": Message("The hours are saved. Each tablet follows at its next contact."),
    "removed": Message("The school follows the hours of the town again."),
}
_ORDINARY_WEEKS = {
    OrdinaryWeek.FOUR_DAYS: Message("Monday, Tuesday, Thursday, Friday"),
    OrdinaryWeek.NINE_HALF_DAYS: Message("with Wednesday morning"),
}
_PROPOSAL = Message("An ordinary week is filled in. Change what is different here, then see the preview: nothing is saved yet.")
_SHOWN_MODES = (Mode.SCHOOL, Mode.AFTER_SCHOOL, Mode.HOME, Mode.NIGHT_REST)


@dataclass(frozen=True, slots=True)
class _Place:
    """The town whose hours are shown or, with `school`, the school."""

    town: Town
    school: School | None

    @property
    def school_id(self) -> UUID | None:
        return self.school.id if self.school else None

    @property
    def address(self) -> str:
        return f"/hours?town={self.town.id}" + (f"&school={self.school.id}" if self.school else "")


@dataclass(frozen=True, slots=True)
class _Hours:
    """The week, calendar and night of a place."""

    week: Week = EMPTY_WEEK
    calendar: str = FOLLOW_ZONE
    night: Night | None = None


@router.get("")
def show_hours(
    request: Request, work: WorkDep, town: UUID | None = None, school: str = "", done: str = "", week: OrdinaryWeek | None = None
) -> Response:
    """Show the week of a town, or of one of its schools; with `week`, an ordinary one is filled in, which a person may change and save."""
    actor, _ = require_sign_in(request, work)
    place = _choose_place(work, actor, town, school)
    hours, language = _load_hours(work, place), get_language(request)
    if week is None:
        notice = _NOTICES[done].translate(language) if done in _NOTICES else ""
        return _render_hours(request, work, actor, place, hours, notice=notice)
    proposal = _Hours(ORDINARY_WEEKS[week], hours.calendar, hours.night or DEFAULT_NIGHT)
    return _render_hours(request, work, actor, place, hours, notice=_PROPOSAL.translate(language), typed=_fill_form(proposal))


@router.post("/{town}/preview")
def preview_hours(request: Request, work: WorkDep, town: UUID, csrf: CsrfField, fields: FieldsDep) -> Response:
    """Show the typed week beside the present one, and how many tablets it concerns. Stores nothing."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    place = _choose_place(work, actor, town, fields.get("school", ""))
    before = _load_hours(work, place)
    try:
        after = _parse_hours(fields)
    except InvalidSchedule as refusal:
        return _render_hours(request, work, actor, place, before, refusal=refusal, typed=fields)
    language = get_language(request)
    return render_page(
        request,
        "schedule/hours_preview.html",
        place=place,
        name=place.school.name if place.school else place.town.name,
        before=_draw(before, language),
        after=_draw(after, language),
        legend=_list_legend(language),
        tablets=count_tablets(work, place.town.id, *_get_policy_place(place)),
        fields=_list_form_fields(fields),
    )


@router.post("/{town}")
def save_hours(request: Request, work: WorkDep, town: UUID, csrf: CsrfField, fields: FieldsDep) -> Response:
    """Save the week that a person has seen in the preview."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    place = _choose_place(work, actor, town, fields.get("school", ""))
    refusal = attempt(work, lambda: _save(work, actor, place, fields))
    if refusal is not None:
        return _render_hours(request, work, actor, place, _load_hours(work, place), refusal=refusal, typed=fields)
    return RedirectResponse(f"{place.address}&done=saved", status_code=303)


@router.post("/{town}/remove")
def remove_hours(request: Request, work: WorkDep, town: UUID, csrf: CsrfField, school: Annotated[UUID, Form()]) -> Response:
    """Let a school follow the hours of its town again."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    place = _choose_place(work, actor, town, str(school))
    authoring.remove_school_timetable(work, actor, place.town.id, school)
    return RedirectResponse(f"{place.address}&done=removed", status_code=303)


def _choose_place(work: UnitOfWork, actor: Actor, town_id: UUID | None, school_id: str) -> _Place:
    town = select_town(list_permitted_towns(work, actor, Permission.AUTHOR), town_id)
    if not school_id:
        return _Place(town, None)
    school = next((each for each in places.list_schools(work, actor, town.id) if str(each.id) == school_id), None)
    if school is None:
        raise NotFound
    return _Place(town, school)


def _get_policy_place(place: _Place) -> tuple[PlaceKind, str]:
    return (PlaceKind.SCHOOL, str(place.school.id)) if place.school else (PlaceKind.TOWN, "")


def _load_hours(work: UnitOfWork, place: _Place) -> _Hours:
    """Return the hours that hold in a place: a school without hours of its own has those of its town."""
    rows = ScheduleRepository(work.session).get_timetables([place.town.id])
    row = rows.get((place.town.id, place.school_id)) or rows.get((place.town.id, None))
    if row is None:
        return _Hours()
    night = None if row.night_from is None or row.night_to is None else Night(row.night_from, row.night_to)
    return _Hours(parse_week(row.week), row.calendar, night)


def _read_week(fields: Mapping[str, str]) -> dict[str, list[dict[str, object]]]:
    """Return the typed week as the service takes it. Raises `InvalidSchedule`."""
    try:
        return {
            day: [band for kind in BandKind for band in parse_bands(fields.get(f"{day}.{kind}", "")[:2000], kind, day)]
            for day in DAYS
        }
    except TimetableFormatError as error:
        raise InvalidSchedule(field=error.field, why=error.why) from error


def _read_night(fields: Mapping[str, str]) -> tuple[str, str] | None:
    starts, ends = fields.get("night_from", "").strip(), fields.get("night_to", "").strip()
    if bool(starts) != bool(ends):
        raise InvalidSchedule(field="night_to" if starts else "night_from", why="missing")
    return (starts, ends) if starts else None


def _parse_hours(fields: Mapping[str, str]) -> _Hours:
    night = _read_night(fields)
    try:
        return _Hours(parse_week(_read_week(fields)), _read_calendar(fields), parse_night(*night) if night else None)
    except TimetableFormatError as error:
        raise InvalidSchedule(field=error.field, why=error.why) from error


def _read_calendar(fields: Mapping[str, str]) -> str:
    return fields.get("calendar", "").strip()[:80] or FOLLOW_ZONE


def _save(work: UnitOfWork, actor: Actor, place: _Place, fields: Mapping[str, str]) -> None:
    authoring.save_timetable(
        work,
        actor,
        place.town.id,
        place.school_id,
        week=_read_week(fields),
        calendar=_read_calendar(fields),
        night=_read_night(fields),
    )


def _list_form_fields(fields: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the fields of the form as the preview sends them again."""
    names = [f"{day}.{kind}" for day in DAYS for kind in BandKind] + ["night_from", "night_to", "calendar", "school"]
    return [(name, fields.get(name, "")) for name in names]


def _fill_form(hours: _Hours) -> dict[str, str]:
    """Return hours as a person would type them."""
    fields = {
        f"{day}.{kind}": format_bands(bands, kind) for day, bands in zip(DAYS, hours.week.days, strict=True) for kind in BandKind
    }
    starts, ends = (format_clock(hours.night.starts), format_clock(hours.night.ends)) if hours.night else ("", "")
    return {**fields, "night_from": starts, "night_to": ends, "calendar": hours.calendar}


def _draw(hours: _Hours, language: Language) -> list[dict[str, Any]]:
    return [
        {
            "name": WEEKDAYS[picture.day].translate(language),
            "blocks": picture.blocks,
            "words": ", ".join(f"{block.hours} {mode_label(block.mode, language)}" for block in picture.blocks) or "–",
        }
        for picture in draw_week(hours.week, hours.night)
    ]


def _list_legend(language: Language) -> list[tuple[str, str]]:
    return [(mode.value, mode_label(mode, language)) for mode in _SHOWN_MODES]


def _link_ordinary_weeks(place: _Place, language: Language) -> list[tuple[str, str]]:
    """Return address and text of the links that fill an ordinary week in."""
    return [(f"{place.address}&week={week}#change", text.translate(language)) for week, text in _ORDINARY_WEEKS.items()]


def _render_hours(
    request: Request,
    work: UnitOfWork,
    actor: Actor,
    place: _Place,
    hours: _Hours,
    *,
    notice: str = "",
    refusal: DomainError | None = None,
    typed: Mapping[str, str] | None = None,
) -> Response:
    language, shown = get_language(request), {**_fill_form(hours), **(typed or {})}
    own = ScheduleRepository(work.session).get_timetable(place.town.id, place.school_id)
    rows = [
        {
            "day": day,
            "name": WEEKDAYS[day].translate(language),
            "school": shown[f"{day}.school"],
            "after_school": shown[f"{day}.after_school"],
        }
        for day in DAYS
    ]
    return render_page(
        request,
        "schedule/hours.html",
        status=refusal.status if refusal else 200,
        notice=notice,
        problem=explain_refusal(refusal, language) if refusal else "",
        place=place,
        towns=list_permitted_towns(work, actor, Permission.AUTHOR),
        schools=[(str(school.id), school.name) for school in places.list_schools(work, actor, place.town.id)],
        is_own=own is not None,
        picture=_draw(hours, language),
        legend=_list_legend(language),
        rows=rows,
        night_from=shown["night_from"],
        night_to=shown["night_to"],
        calendar=shown["calendar"],
        ordinary_weeks=_link_ordinary_weeks(place, language) if hours.week == EMPTY_WEEK else [],
        calendars=[FOLLOW_ZONE, *(view.name for view in authoring.list_calendars(work, actor, place.town.id))],
        follow_zone=FOLLOW_ZONE,
    )
