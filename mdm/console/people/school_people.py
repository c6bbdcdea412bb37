"""The page of the people of one school: substitutes, pupils whom the last roster does not name, and the groups of the roster."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cartable.errors import DomainError
from cartable.i18n import Language, Message
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.people import schools
from enrollment.people import service as people
from enrollment.people.models import GroupKind
from enrollment.people.naming import format_full_name
from enrollment.places import service as places
from enrollment.places.models import School
from enrollment.places.rules import get_school_year
from enrollment.rosters import absent_pupils
from mdm.api.deps import WorkDep
from mdm.console.forms import CsrfField, attempt, parse_day
from mdm.console.frame import check_csrf, get_language, render_page, require_sign_in
from mdm.console.page_route import PageRoute
from mdm.console.people.labels import GROUPS
from mdm.console.times import format_day, show_times_in

router = APIRouter(prefix="/pupils/schools", include_in_schema=False, route_class=PageRoute)
_NOTICES = {
    "added": Message("The substitute is noted until that day, included."),
    "ended": Message("The replacement has ended."),
}
PersonName = Annotated[str, Form(min_length=1, max_length=100)]


@router.get("/{school_id}")
def show_school(request: Request, work: WorkDep, school_id: UUID, done: str = "") -> Response:
    """Show the people of a school who need a look."""
    actor, _ = require_sign_in(request, work)
    school = places.require_school(work, actor, school_id, Permission.ROSTER)
    return _render_school(request, work, actor, school, notice=done)


@router.post("/{school_id}/substitutes")
def create_substitute(
    request: Request,
    work: WorkDep,
    school_id: UUID,
    csrf: CsrfField,
    class_id: Annotated[UUID, Form()],
    last_name: PersonName,
    first_name: PersonName,
    last_day: Annotated[str, Form(max_length=10)] = "",
) -> Response:
    """Name a substitute for the teacher of a class."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    school = places.require_school(work, actor, school_id, Permission.ROSTER)
    refusal = attempt(
        work,
        lambda: schools.add_substitute(
            work, actor, school_id, class_id, last_name.strip(), first_name.strip(), parse_day(last_day, "last_day")
        ),
    )
    if refusal is not None:
        typed = {"class_id": str(class_id), "last_name": last_name, "first_name": first_name, "last_day": last_day}
        return _render_school(request, work, actor, school, refusal=refusal, typed=typed)
    return RedirectResponse(f"/pupils/schools/{school_id}?done=added", status_code=303)


@router.post("/{school_id}/substitutes/{assignment_id}/end")
def end_substitute(request: Request, work: WorkDep, school_id: UUID, assignment_id: UUID, csrf: CsrfField) -> Response:
    """End a replacement now."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    schools.end_substitute(work, actor, assignment_id)
    return RedirectResponse(f"/pupils/schools/{school_id}?done=ended", status_code=303)


def _render_school(
    request: Request,
    work: UnitOfWork,
    actor: Actor,
    school: School,
    *,
    notice: str = "",
    refusal: DomainError | None = None,
    typed: dict[str, str] | None = None,
) -> Response:
    language = get_language(request)
    show_times_in(places.get_school_zone(work, school))
    classes = people.list_classes_by_school(work, actor, school.town_id).get(school.id, [])
    labels = {row.id: row.label for row in classes}
    return render_page(
        request,
        "people/school.html",
        notice=_NOTICES[notice].translate(language) if notice in _NOTICES else "",
        refusal=refusal,
        school=school,
        classes=[(row.id, row.label) for row in classes],
        substitutes=[
            {
                "id": assignment.id,
                "name": f"{member.first_name} {member.last_name}",
                "label": labels.get(assignment.class_id, "–") if assignment.class_id is not None else "–",
                "until": format_day(assignment.ends_on),
            }
            for assignment, member in schools.list_substitutes(work, actor, school.id)
        ],
        absent=[
            {
                "id": row.pupil.id,
                "name": format_full_name(row.pupil),
                "since": format_day(row.pupil.absent_since),
                "tag": row.tag or "",
                "due_back": row.due_back,
            }
            for row in absent_pupils.list_absent_pupils(work, actor, school.id)
        ],
        groups=_list_groups(work, actor, school, language),
        typed=typed or {},
    )


def _list_groups(work: UnitOfWork, actor: Actor, school: School, language: Language) -> list[dict[str, Any]]:
    """Return the groups of this year's roster; support units only to those who may see them."""
    year = get_school_year(places.get_school_date(work, school))
    rows = schools.list_groups(work, actor, school.id, year)
    return [
        {"label": group.label, "kind": GROUPS[GroupKind(group.kind)].translate(language), "pupils": len(pupil_ids)}
        for group, pupil_ids in rows
    ]
