"""The page of a town: what it is called, what its lost tablets say, and its schools: added, renamed, with their phone, merged, closed."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, File, Form, Request, UploadFile
from fastapi.responses import RedirectResponse, Response

from cartable.errors import DomainError
from cartable.i18n import Message
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from cartable.uploads import read_upload
from enrollment.places import schools as school_service
from enrollment.places import service as places
from enrollment.places import towns
from enrollment.places.models import Town
from enrollment.places.schools import SchoolLineOutcome
from enrollment.rollover import closing
from enrollment.rollover.succession import list_successors, record_school_succession
from mdm.api.deps import RuntimeDep, WorkDep
from mdm.api.places.schools import MAX_LIST
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
from mdm.console.setup.start import describe_lines
from mdm.console.times import format_day
from mdm.places import school_merge
from mdm.places.school_merge import SchoolMerge

router = APIRouter(prefix="/town", include_in_schema=False, route_class=PageRoute)
_NOTICES = {"saved": Message("Saved."), "imported": Message("The schools are entered.")}
MERGE_COUNTS = {
    "pupils": Message("Pupils"),
    "classes": Message("Classes"),
    "renamed_classes": Message(
        "Classes that get the code of the school behind their name, because the other school has one of that name"
    ),
    "staff": Message("Adults"),
    "tablets": Message("Tablets"),
    "carts": Message("Carts"),
    "invitations": Message("Open invitations"),
    "roles": Message("Roles of people"),
    "rules": Message("Rules of classes and people"),
}
NameField = Annotated[str, Form(max_length=400)]


@router.get("")
def show_town(request: Request, work: WorkDep, town: UUID | None = None, done: str = "") -> Response:
    """Show a town and its schools."""
    actor, _ = require_sign_in(request, work)
    return _render_town(request, work, actor, choose_town(work, actor, Permission.AUTHOR, town), notice=done)


@router.post("/{town}")
def update_town(
    request: Request,
    work: WorkDep,
    town: UUID,
    csrf: CsrfField,
    name: NameField,
    support_phone: Annotated[str, Form(max_length=200)] = "",
    lost_message: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """Set the name, and what lost tablets say."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    chosen = choose_town(work, actor, Permission.AUTHOR, town)
    refusal = attempt(
        work,
        lambda: towns.update_town(work, actor, chosen.id, name=name, support_phone=support_phone, lost_message=lost_message),
    )
    typed = {"name": name, "support_phone": support_phone, "lost_message": lost_message}
    return _answer(request, work, actor, chosen, refusal, typed)


@router.post("/{town}/schools")
def import_schools(
    request: Request,
    runtime: RuntimeDep,
    town: UUID,
    csrf: CsrfField,
    schools: Annotated[str, Form(max_length=200_000)] = "",
    file: Annotated[UploadFile | None, File()] = None,
) -> Response:
    """Add the schools of a list that do not exist yet."""
    with runtime.open_unit_of_work() as work:
        actor, _ = require_sign_in(request, work)
        check_csrf(request, csrf)
        chosen, language = choose_town(work, actor, Permission.AUTHOR, town), get_language(request)
    content = file.file.read(MAX_LIST) if file is not None and file.filename else schools.encode()
    try:
        lines = read_upload(school_service.read_schools, content)
        with runtime.open_unit_of_work() as work:
            reports = school_service.import_schools(work, actor, chosen.id, lines)
    except DomainError as refusal:
        with runtime.open_unit_of_work() as work:
            return _answer(request, work, actor, chosen, refusal, {"schools": schools})
    wrong = [each for each in reports if each.outcome not in (SchoolLineOutcome.CREATED, SchoolLineOutcome.UNCHANGED)]
    if not wrong:
        return RedirectResponse(f"/town?town={chosen.id}&done=imported", status_code=303)
    return render_page(
        request,
        "setup/schools_report.html",
        created=sum(each.outcome is SchoolLineOutcome.CREATED for each in reports),
        rows=describe_lines(wrong, language),
        back=f"/town?town={chosen.id}",
    )


@router.post("/{town}/schools/{school_id}/name")
def rename_school(request: Request, work: WorkDep, town: UUID, school_id: UUID, csrf: CsrfField, name: NameField) -> Response:
    """Set the name of a school."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    chosen = choose_town(work, actor, Permission.AUTHOR, town)
    return _answer(
        request, work, actor, chosen, attempt(work, lambda: school_service.rename_school(work, actor, school_id, name))
    )


@router.post("/{town}/schools/{school_id}/phone")
def set_school_phone(
    request: Request,
    work: WorkDep,
    town: UUID,
    school_id: UUID,
    csrf: CsrfField,
    phone: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Set the phone number of a school."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    chosen = choose_town(work, actor, Permission.AUTHOR, town)
    return _answer(request, work, actor, chosen, attempt(work, lambda: school_service.set_phone(work, actor, school_id, phone)))


@router.post("/{town}/schools/{school_id}/successor")
def set_successor(
    request: Request, work: WorkDep, town: UUID, school_id: UUID, csrf: CsrfField, successor: Annotated[UUID, Form()]
) -> Response:
    """Say as which school one goes on at the next school year."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    chosen = choose_town(work, actor, Permission.AUTHOR, town)
    return _answer(
        request, work, actor, chosen, attempt(work, lambda: record_school_succession(work, actor, school_id, successor))
    )


@router.get("/{town}/schools/{school_id}/merge")
def show_merge(request: Request, work: WorkDep, town: UUID, school_id: UUID, new_school: UUID | None = None) -> Response:
    """Show what would move to another school, before it moves. Without a school to go into, return to where it is chosen."""
    actor, _ = require_sign_in(request, work)
    chosen = choose_town(work, actor, Permission.AUTHOR, town)
    if new_school is None:
        return RedirectResponse(f"/town?town={chosen.id}", status_code=303)
    merges: list[SchoolMerge] = []
    refusal = attempt(work, lambda: merges.append(school_merge.preview_merge(work, actor, school_id, new_school)))
    if refusal is not None:
        return _answer(request, work, actor, chosen, refusal)
    language = get_language(request)
    rows = [(label.translate(language), merges[0].counts[name]) for name, label in MERGE_COUNTS.items()]
    return render_page(request, "places/school_merge.html", town=chosen, merge=merges[0], rows=rows)


@router.post("/{town}/schools/{school_id}/merge")
def merge_schools(
    request: Request, work: WorkDep, town: UUID, school_id: UUID, csrf: CsrfField, new_school: Annotated[UUID, Form()]
) -> Response:
    """Move everything of a school to another one, and close it."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    chosen = choose_town(work, actor, Permission.AUTHOR, town)
    return _answer(
        request, work, actor, chosen, attempt(work, lambda: school_merge.merge_schools(work, actor, school_id, new_school))
    )


@router.post("/{town}/schools/{school_id}/close")
def close_school(request: Request, work: WorkDep, town: UUID, school_id: UUID, csrf: CsrfField) -> Response:
    """Close a school."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    chosen = choose_town(work, actor, Permission.AUTHOR, town)
    return _answer(request, work, actor, chosen, attempt(work, lambda: closing.close_school(work, actor, school_id)))


@router.post("/{town}/schools/{school_id}/open")
def open_school(request: Request, work: WorkDep, town: UUID, school_id: UUID, csrf: CsrfField) -> Response:
    """Open a closed school again."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    chosen = choose_town(work, actor, Permission.AUTHOR, town)
    return _answer(request, work, actor, chosen, attempt(work, lambda: closing.open_school(work, actor, school_id)))


def _answer(
    request: Request,
    work: UnitOfWork,
    actor: Actor,
    town: Town,
    refusal: DomainError | None,
    typed: dict[str, str] | None = None,
) -> Response:
    """Return to the page after an act, or show it with what was typed and why it was refused."""
    if refusal is None:
        return RedirectResponse(f"/town?town={town.id}&done=saved", status_code=303)
    return _render_town(request, work, actor, town, refusal=refusal, typed=typed)


def _render_town(
    request: Request,
    work: UnitOfWork,
    actor: Actor,
    town: Town,
    *,
    notice: str = "",
    refusal: DomainError | None = None,
    typed: dict[str, str] | None = None,
) -> Response:
    language = get_language(request)
    schools = places.list_schools(work, actor, town.id, include_closed=True)
    names = {school.id: school.name for school in schools}
    successors = list_successors(work, actor, town.id)
    stored = {"name": town.name, "support_phone": town.support_phone or "", "lost_message": town.lost_message or ""}
    return render_page(
        request,
        "places/town.html",
        notice=_NOTICES[notice].translate(language) if notice in _NOTICES else "",
        refusal=refusal,
        town=town,
        towns=list_permitted_towns(work, actor, Permission.AUTHOR),
        values=stored | (typed or {}),
        schools=[
            {
                "id": school.id, "uai": school.uai, "name": school.name, "phone": school.phone or "", "successor": names.get(successors.get(school.id, town.id), ""),
                "closed": format_day(school.closed_on) if school.closed_on else "",
            }
            for school in schools
        ],
        open_schools=[school for school in schools if school.closed_on is None],
    )  # fmt: skip
