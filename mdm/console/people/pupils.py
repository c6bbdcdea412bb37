"""The pages of pupils: school by school and class by class, who has a tablet, and who has none. One child has a page of their own."""

from __future__ import annotations

from itertools import groupby
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from cartable.paging import MAX_CURSOR_LENGTH, PageRequest
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.people import service as people
from enrollment.people.models import Pupil
from enrollment.people.naming import format_full_name
from enrollment.places import service as places
from enrollment.places.models import Town
from enrollment.tablets import pupil_loans
from enrollment.tablets.labels import AGREEMENTS, STATES
from enrollment.tablets.models import Loan, Tablet
from mdm.api.deps import WorkDep
from mdm.console.frame import choose_town, get_language, list_permitted_towns, render_page, require_sign_in
from mdm.console.page_route import PageRoute
from mdm.console.times import show_times_in

router = APIRouter(prefix="/pupils", include_in_schema=False, route_class=PageRoute)


@router.get("")
def show_schools(request: Request, work: WorkDep, town: UUID | None = None, q: str = "") -> Response:
    """Show the classes of each school with the numbers of pupils and tablets; with `q`, the pupils of that name."""
    actor, _ = require_sign_in(request, work)
    chosen = choose_town(work, actor, Permission.ROSTER, town)
    rows = pupil_loans.list_classes(work, actor, chosen.id)
    text = q[:64].strip()
    found = people.search_pupils(work, actor, {chosen.id}, text) if text else []
    return render_page(
        request,
        "people/pupils.html",
        town=chosen,
        towns=list_permitted_towns(work, actor, Permission.ROSTER),
        schools=[
            {
                "id": school.id,
                "name": school.name,
                "classes": [
                    {"id": row.id, "label": row.label, "pupils": pupils, "lent": lent or 0, "without": pupils - (lent or 0)}
                    for _, row, pupils, lent in members
                ],
            }
            for school, members in ((key, list(part)) for key, part in groupby(rows, key=lambda row: row[0]))
        ],
        q=text,
        found=_describe_found(work, actor, chosen, found),
    )


@router.get("/without-tablet")
def show_pupils_without_tablet(request: Request, work: WorkDep, town: UUID | None = None, after: str = "") -> Response:
    """Show the pupils of the rosters who have no tablet, by school and class."""
    actor, _ = require_sign_in(request, work)
    chosen = choose_town(work, actor, Permission.ROSTER, town)
    page = pupil_loans.list_pupils_without_tablet(work, actor, chosen.id, PageRequest(cursor=after[:MAX_CURSOR_LENGTH] or None))
    return render_page(
        request,
        "people/without_tablet.html",
        town=chosen,
        rows=[
            {
                "id": pupil.id,
                "name": format_full_name(pupil),
                "grade": pupil.grade.value,
                "school": school.name,
                "class_id": school_class.id if school_class is not None else None,
                "label": school_class.label if school_class is not None else "–",
            }
            for pupil, school, school_class in page.items
        ],
        may_lend=actor.has_permission_somewhere(Permission.HANDLE, chosen.id),
        next_url=f"/pupils/without-tablet?town={chosen.id}&after={page.next_cursor}" if page.next_cursor else "",
    )


@router.get("/classes/{class_id}")
def show_class(request: Request, work: WorkDep, class_id: UUID) -> Response:
    """Show the pupils of a class, each with tablet and agreement."""
    actor, _ = require_sign_in(request, work)
    school_class, rows = pupil_loans.list_class_pupils(work, actor, class_id)
    show_times_in(places.get_town_zone(work, school_class.town_id))
    language = get_language(request)

    def describe(pupil: Pupil, loan: Loan | None, tablet: Tablet | None) -> dict[str, Any]:
        return {
            "id": pupil.id,
            "name": format_full_name(pupil),
            "grade": pupil.grade.value,
            "tablet_id": tablet.id if tablet is not None else None,
            "tag": tablet.tag if tablet is not None else "",
            "state": STATES[tablet.state].translate(language) if tablet is not None else "",
            "agreement": AGREEMENTS[loan.agreement].translate(language) if loan is not None else "",
        }

    school = next(
        (each for each in places.list_schools(work, actor, school_class.town_id) if each.id == school_class.school_id), None
    )
    return render_page(
        request,
        "people/class.html",
        school_class=school_class,
        school=school,
        pupils=[describe(*row) for row in rows],
        may_roster=actor.has_permission(Permission.ROSTER, school_class.town_id, school_class.school_id),
        may_lend=actor.has_permission(Permission.HANDLE, school_class.town_id, school_class.school_id),
        may_author=actor.has_permission(Permission.AUTHOR, school_class.town_id, school_class.school_id),
        may_care=actor.has_permission(Permission.CARE, school_class.town_id, school_class.school_id),
        may_teach=actor.has_permission(Permission.TEACH, school_class.town_id, school_class.school_id, school_class.id),
    )


def _describe_found(work: UnitOfWork, actor: Actor, town: Town, pupils: list[Pupil]) -> list[dict[str, Any]]:
    labels = people.get_class_labels(work, {pupil.class_id for pupil in pupils if pupil.class_id is not None})
    schools = {school.id: school.name for school in places.list_schools(work, actor, town.id)}
    return [
        {
            "id": pupil.id,
            "name": format_full_name(pupil),
            "place": f"{labels.get(pupil.class_id, '–') if pupil.class_id else '–'}, {schools.get(pupil.school_id, '–')}",
        }
        for pupil in pupils
    ]
