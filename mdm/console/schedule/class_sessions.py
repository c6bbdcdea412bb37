"""The page of a class for heads, teachers and substitutes: its pupils and tablets, and the class session: start, ten minutes more, end."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cartable.errors import DomainError, NotFound
from cartable.i18n import Language, Message
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.people import service as people
from enrollment.people.models import Pupil
from enrollment.people.repository import PeopleRepository
from enrollment.places import service as places
from enrollment.places.models import SchoolClass
from enrollment.tablets.loan_repository import LoanRepository
from enrollment.tablets.models import Tablet
from mdm.api.deps import WorkDep
from mdm.care.today.class_day import LOW_BATTERY, load_class_day
from mdm.care.web_filter import load_proved_filters
from mdm.console.forms import CsrfField, attempt
from mdm.console.frame import check_csrf, get_language, list_permitted_towns, render_page, require_sign_in, show_bar_of_town
from mdm.console.labels import FILTER_PARTS
from mdm.console.numbers import format_share
from mdm.console.page_route import PageRoute
from mdm.console.schedule.class_cards import list_class_cards
from mdm.console.schedule.labels import PRESETS
from mdm.console.times import show_times_in
from profiles.effective.lessons import LessonPlan, list_lesson_apps, start_lesson
from profiles.schedule import attendance, sessions
from profiles.schedule.errors import SessionRunning
from profiles.schedule.mode_decision import Span
from profiles.schedule.models import ClassSession
from profiles.schedule.session_rules import SessionPreset, get_warning_time

router = APIRouter(prefix="/class", include_in_schema=False, route_class=PageRoute)
MINUTES = (15, 30, 45, 60, 75, 90)
USUAL_MINUTES = 45
#: Apps of the system that a lesson may be limited to, with the names that they have on the tablet.
BUILT_IN_APPS: dict[str, Message] = {
    "com.apple.DocumentsApp": Message("Files", context="app"),
    "com.apple.calculator": Message("Calculator", context="app"),
    "com.apple.camera": Message("Camera", context="app"),
    "com.apple.mobilenotes": Message("Notes", context="app"),
    "com.apple.mobilesafari": Message("Safari", context="app"),
    "com.apple.mobileslideshow": Message("Photos", context="app"),
}


@router.get("")
def show_class(request: Request, work: WorkDep, class_id: UUID | None = None, town: UUID | None = None) -> Response:
    """Show the classes of the person in a town, and the chosen one with its session; the only one at once."""
    actor, _ = require_sign_in(request, work)
    return _render_class(request, work, actor, class_id, town_id=town)


@router.post("/{class_id}/start")
def start_session(
    request: Request,
    work: WorkDep,
    class_id: UUID,
    csrf: CsrfField,
    minutes: Annotated[int, Form()] = USUAL_MINUTES,
    preset: Annotated[SessionPreset, Form()] = SessionPreset.FREE,
    apps: Annotated[list[str] | None, Form()] = None,
    sites: Annotated[str, Form(max_length=5000)] = "",
    take_over: Annotated[bool, Form()] = False,
) -> Response:
    """Start a class session; another person's is taken over only after a confirmation."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    school_class = _get_class(work, actor, class_id)
    plan = LessonPlan(minutes, preset, (apps or [])[:100], sites.split()[:100], take_over)
    refusal = attempt(work, lambda: start_lesson(work, actor, school_class.town_id, school_class.school_id, class_id, plan))
    typed = {"minutes": minutes, "preset": preset.value, "apps": apps or [], "sites": sites}
    return _answer(request, work, actor, class_id, refusal, typed)


@router.post("/{class_id}/sessions/{session_id}/extend")
def extend_session(request: Request, work: WorkDep, class_id: UUID, session_id: UUID, csrf: CsrfField) -> Response:
    """Add ten minutes."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    return _answer(request, work, actor, class_id, attempt(work, lambda: sessions.extend_session(work, actor, session_id)))


@router.post("/{class_id}/sessions/{session_id}/end")
def end_session(request: Request, work: WorkDep, class_id: UUID, session_id: UUID, csrf: CsrfField) -> Response:
    """End the session now."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    return _answer(request, work, actor, class_id, attempt(work, lambda: sessions.end_session(work, actor, session_id)))


@router.post("/{class_id}/absences")
def mark_absent_pupils(
    request: Request,
    work: WorkDep,
    class_id: UUID,
    csrf: CsrfField,
    absent: Annotated[list[UUID], Form(max_length=100)] = [],  # noqa: B006 (FastAPI copies it)
) -> Response:
    """Record who is absent today: a session leaves their tablets alone."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    return _answer(
        request, work, actor, class_id, attempt(work, lambda: attendance.mark_absent_pupils(work, actor, class_id, absent))
    )


def _get_class(work: UnitOfWork, actor: Actor, class_id: UUID) -> SchoolClass:
    """Return a class in which the actor may start a session. Raises `NotFound`."""
    school_class = PeopleRepository(work.session).find_class(actor, class_id)
    if school_class is None or not actor.has_permission(
        Permission.TEACH, school_class.town_id, school_class.school_id, school_class.id
    ):
        raise NotFound
    return school_class


def _answer(
    request: Request,
    work: UnitOfWork,
    actor: Actor,
    class_id: UUID,
    refusal: DomainError | None,
    typed: dict[str, Any] | None = None,
) -> Response:
    if refusal is None:
        return RedirectResponse(f"/class?class_id={class_id}", status_code=303)
    return _render_class(request, work, actor, class_id, refusal=refusal, typed=typed)


def _render_class(
    request: Request,
    work: UnitOfWork,
    actor: Actor,
    class_id: UUID | None,
    *,
    town_id: UUID | None = None,
    refusal: DomainError | None = None,
    typed: dict[str, Any] | None = None,
) -> Response:
    """Return the page of a class, else of the classes in a town: the given one, else the first in which the person teaches."""
    language = get_language(request)
    towns = list_permitted_towns(work, actor, Permission.TEACH)
    if not towns:
        raise NotFound
    chosen = _get_class(work, actor, class_id) if class_id is not None else None
    town_id = chosen.town_id if chosen is not None else town_id or towns[0].id
    show_bar_of_town(request, work, actor, town_id)
    classes = _list_classes(work, actor, town_id)
    if chosen is None and len(classes) == 1:
        [(_, chosen)] = classes
    running = sessions.list_running_sessions(work, [row.id for _, row in classes])
    if chosen is not None:
        show_times_in(places.get_town_zone(work, chosen.town_id))
    return render_page(
        request,
        "schedule/class.html",
        refusal=refusal,
        asks_take_over=isinstance(refusal, SessionRunning),
        classes=[{"id": row.id, "label": row.label, "school": name, "running": row.id in running} for name, row in classes],
        chosen=chosen,
        has_tablets=chosen is not None and sessions.has_tablets(work, chosen.id),
        session=_describe_session(work, chosen, running.get(chosen.id)) if chosen is not None else None,
        cards=_list_cards(work, actor, chosen, language) if chosen is not None else [],
        pupils=_list_pupils(work, actor, chosen, language) if chosen is not None else [],
        presets=[(preset.value, label.translate(language)) for preset, label in PRESETS.items()],
        minutes=MINUTES,
        apps=_list_apps(work, chosen, language) if chosen is not None else [],
        typed=typed or {"minutes": USUAL_MINUTES, "preset": SessionPreset.FREE.value, "apps": [], "sites": ""},
        waits=chosen is not None and chosen.id in running,
    )


def _list_classes(work: UnitOfWork, actor: Actor, town_id: UUID) -> list[tuple[str, SchoolClass]]:
    """Return the classes of a town of this year in which the actor may start a session, each with the name of its school."""
    names = {school.id: school.name for school in places.list_schools(work, actor, town_id)}
    classes = [
        (names.get(school_id, ""), row)
        for school_id, rows in people.list_classes_by_school(work, actor, town_id).items()
        for row in rows
        if actor.has_permission(Permission.TEACH, town_id, school_id, row.id)
    ]
    return sorted(classes, key=lambda each: (each[0], each[1].label_order))


def _describe_session(work: UnitOfWork, chosen: SchoolClass, row: ClassSession | None) -> dict[str, Any] | None:
    if row is None:
        return None
    zone = places.get_town_zone(work, chosen.town_id)
    return {
        "id": row.id,
        "preset": row.preset.value,
        "until": f"{row.ends.astimezone(zone):%H:%M}",
        "minutes_left": max(0, round((row.ends - work.now).total_seconds() / 60)),
        "ends_soon": work.now >= get_warning_time(Span(row.starts, row.ends)),
    }


def _list_cards(work: UnitOfWork, actor: Actor, chosen: SchoolClass, language: Language) -> list[dict[str, Any]]:
    day = load_class_day(work, actor, chosen)
    return list_class_cards(day, chosen, places.get_town_zone(work, chosen.town_id), language)


def _list_apps(work: UnitOfWork, chosen: SchoolClass, language: Language) -> list[tuple[str, str]]:
    """Return the apps of the class that have a name: those of the town's catalogue, and the tablet's own tools."""
    named = (
        (identifier, name or (BUILT_IN_APPS[identifier].translate(language) if identifier in BUILT_IN_APPS else ""))
        for identifier, name in list_lesson_apps(work, chosen.town_id, chosen.id)
    )
    return sorted((each for each in named if each[1]), key=lambda each: each[1].casefold())


def _list_pupils(work: UnitOfWork, actor: Actor, chosen: SchoolClass, language: Language) -> list[dict[str, Any]]:
    pupils = people.list_pupils_of_class(work, actor, chosen.id)
    tablets = LoanRepository(work.session).get_tablets_by_pupil([pupil.id for pupil in pupils])
    absent = attendance.list_absent_pupils(work, actor, chosen.id)
    filters = load_proved_filters(work, chosen.town_id, [tablet.id for tablet in tablets.values()])
    rows = []
    for pupil in pupils:
        tablet = tablets.get(pupil.id)
        parts = filters[tablet.id].parts if tablet is not None and tablet.id in filters else ()
        row = _describe_pupil(pupil, tablet, language, is_absent=pupil.id in absent)
        rows.append(row | {"filter": ", ".join(FILTER_PARTS[part].translate(language) for part in parts)})
    return rows


def _describe_pupil(pupil: Pupil, tablet: Tablet | None, language: Language, *, is_absent: bool) -> dict[str, Any]:
    """Return what a teacher sees: nothing of homes, no history."""
    battery = tablet.battery_level if tablet is not None else None
    return {
        "id": pupil.id,
        "is_absent": is_absent,
        "name": f"{pupil.first_name} {(pupil.usage_name or pupil.last_name)[:1]}.",
        "grade": pupil.grade.value,
        "tag": tablet.tag if tablet is not None else "",
        "battery": format_share(battery, language, unknown=""),
        "is_low": battery is not None and battery < LOW_BATTERY,
    }
