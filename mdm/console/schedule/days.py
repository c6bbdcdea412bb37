"""The page of single days: exceptions to the week, and evaluations. Holds no rules."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cartable.errors import DomainError, NotFound
from cartable.i18n import Language, Message
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.places import service as places
from enrollment.places.models import Grade, Town
from mdm.api.deps import WorkDep
from mdm.console.forms import CsrfField, attempt, parse_day
from mdm.console.frame import (
    check_csrf,
    choose_town,
    get_language,
    render_page,
    require_sign_in,
)
from mdm.console.page_route import PageRoute
from mdm.console.schedule.labels import EXCEPTIONS, explain_refusal
from mdm.console.times import format_day
from profiles.schedule import authoring
from profiles.schedule.day_exceptions import OverrideKind
from profiles.schedule.models import CalendarOverride, ExamDay
from profiles.schedule.repository import ScheduleRepository
from profiles.schedule.timetable import format_clock

router = APIRouter(prefix="/hours/days", include_in_schema=False, route_class=PageRoute)
_NOTICES = {
    "saved": Message("Saved. Each tablet follows at its next contact."),
    "deleted": Message("Withdrawn. Each tablet follows at its next contact."),
}
SchoolField = Annotated[str, Form(max_length=40)]
TimeField = Annotated[str, Form(max_length=5)]


@router.get("")
def show_days(request: Request, work: WorkDep, town: UUID | None = None, done: str = "") -> Response:
    """Show the day exceptions and evaluations of a town."""
    actor, _ = require_sign_in(request, work)
    return _render_days(request, work, actor, choose_town(work, actor, Permission.AUTHOR, town), notice=done)


@router.post("/{town}/exceptions")
def create_exception(
    request: Request,
    work: WorkDep,
    town: UUID,
    csrf: CsrfField,
    kind: Annotated[OverrideKind, Form()],
    first: Annotated[date, Form()],
    last: Annotated[str, Form(max_length=10)] = "",
    school: SchoolField = "",
    at: TimeField = "",
    window_from: TimeField = "",
    window_to: TimeField = "",
    label: Annotated[str, Form(max_length=120)] = "",
) -> Response:
    """Create an exception for some days."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    chosen, last_day = choose_town(work, actor, Permission.AUTHOR, town), parse_day(last, "last")
    refusal = attempt(
        work,
        lambda: authoring.create_override(
            work,
            actor,
            chosen.id,
            school_id=_find_school_id(work, actor, chosen, school),
            class_id=None,
            first=first,
            last=last_day or first,
            kind=kind,
            at=at.strip() or None,
            window=(window_from.strip(), window_to.strip()) if window_from.strip() or window_to.strip() else None,
            label=label.strip(),
        ),
    )
    if refusal is not None:
        return _render_days(request, work, actor, chosen, refusal=refusal)
    return _redirect(town, "saved")


@router.post("/{town}/exceptions/{exception_id}/withdraw")
def withdraw_exception(request: Request, work: WorkDep, town: UUID, exception_id: UUID, csrf: CsrfField) -> Response:
    """Withdraw a day exception."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    authoring.withdraw_override(work, actor, exception_id)
    return _redirect(town, "deleted")


@router.post("/{town}/exams")
def create_exam(
    request: Request,
    work: WorkDep,
    town: UUID,
    csrf: CsrfField,
    day: Annotated[date, Form()],
    starts: TimeField,
    ends: TimeField,
    school: SchoolField = "",
    grade: Annotated[str, Form(max_length=10)] = "",
) -> Response:
    """Announce an evaluation."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    chosen = choose_town(work, actor, Permission.AUTHOR, town)
    refusal = attempt(
        work,
        lambda: authoring.create_exam(
            work,
            actor,
            chosen.id,
            school_id=_find_school_id(work, actor, chosen, school),
            grade=Grade(grade) if grade in {*Grade} else None,
            day=day,
            starts=starts.strip(),
            ends=ends.strip(),
        ),
    )
    if refusal is not None:
        return _render_days(request, work, actor, chosen, refusal=refusal)
    return _redirect(town, "saved")


@router.post("/{town}/exams/{exam_id}/delete")
def delete_exam(request: Request, work: WorkDep, town: UUID, exam_id: UUID, csrf: CsrfField) -> Response:
    """Delete an evaluation."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    authoring.delete_exam(work, actor, exam_id)
    return _redirect(town, "deleted")


def _find_school_id(work: UnitOfWork, actor: Actor, town: Town, school_id: str) -> UUID | None:
    """Return the school chosen in a form, None for the whole town. Raises `NotFound`."""
    if not school_id:
        return None
    school = next((each for each in places.list_schools(work, actor, town.id) if str(each.id) == school_id), None)
    if school is None:
        raise NotFound
    return school.id


def _redirect(town_id: UUID, done: str) -> Response:
    return RedirectResponse(f"/hours/days?town={town_id}&done={done}", status_code=303)


def _render_days(
    request: Request, work: UnitOfWork, actor: Actor, town: Town, *, notice: str = "", refusal: DomainError | None = None
) -> Response:
    language = get_language(request)
    schools = {school.id: school.name for school in places.list_schools(work, actor, town.id)}
    return render_page(
        request,
        "schedule/days.html",
        status=refusal.status if refusal else 200,
        notice=_NOTICES[notice].translate(language) if notice in _NOTICES else "",
        problem=explain_refusal(refusal, language) if refusal else "",
        town=town,
        schools=[(str(school_id), name) for school_id, name in schools.items()],
        kinds=[(kind.value, EXCEPTIONS[kind].translate(language)) for kind in OverrideKind],
        grades=[grade.value for grade in Grade],
        exceptions=[
            _describe_exception(row, schools, language) for row in ScheduleRepository(work.session).list_overrides([town.id])
        ],
        exams=[_describe_exam(row, schools) for row in authoring.list_exams(work, actor, town.id) if row.day >= work.now.date()],
    )


def _describe_exception(row: CalendarOverride, schools: dict[UUID, str], language: Language) -> dict[str, Any]:
    window = (row.window_from, row.window_to)
    times = "-".join(format_clock(minute) for minute in (*window, row.at) if minute is not None)
    return {
        "id": row.id,
        "days": format_day(row.first) if row.first == row.last else f"{format_day(row.first)} – {format_day(row.last)}",
        "kind": EXCEPTIONS[row.kind].translate(language),
        "times": times,
        "school": schools.get(row.school_id, "") if row.school_id else "",
        "label": row.label,
    }


def _describe_exam(row: ExamDay, schools: dict[UUID, str]) -> dict[str, Any]:
    return {
        "id": row.id,
        "day": format_day(row.day),
        "times": f"{format_clock(row.starts)}-{format_clock(row.ends)}",
        "school": schools.get(row.school_id, "") if row.school_id else "",
        "grade": row.grade.value if row.grade else "",
    }
