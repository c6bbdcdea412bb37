"""The pages of groups of pupils across classes: making one, who is in it, class by class, its name, and its end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cartable.errors import DomainError, NotFound
from cartable.i18n import Message
from cartable.paging import MAX_CURSOR_LENGTH, PageRequest
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.people import service as people
from enrollment.people.models import Pupil
from enrollment.people.naming import format_full_name
from enrollment.places import service as places
from enrollment.places.models import Town
from mdm.api.deps import WorkDep
from mdm.console.forms import CsrfField, attempt
from mdm.console.frame import (
    check_csrf,
    choose_whole_town,
    get_language,
    list_permitted_towns,
    render_page,
    require_sign_in,
)
from mdm.console.page_route import PageRoute
from profiles.policy import groups
from profiles.policy.models import PolicyGroup

router = APIRouter(prefix="/groups", include_in_schema=False, route_class=PageRoute)
_NOTICES = {
    "created": Message("The group is there. Choose a class, and tick who belongs to it."),
    "saved": Message("Saved. The tablets of those who came or left follow at their next contact."),
    "deleted": Message("The group is deleted."),
}
NameField = Annotated[str, Form(min_length=1, max_length=120)]


@router.get("")
def show_groups(request: Request, work: WorkDep, town: UUID | None = None, after: str = "", done: str = "") -> Response:
    """Show the groups of a town, each with its number of pupils."""
    actor, _ = require_sign_in(request, work)
    return _render_groups(request, work, actor, choose_whole_town(work, actor, Permission.AUTHOR, town), after=after, notice=done)


@router.post("/{town}/create")
def create_group(request: Request, work: WorkDep, town: UUID, csrf: CsrfField, name: NameField) -> Response:
    """Create a group without pupils."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    chosen = choose_whole_town(work, actor, Permission.AUTHOR, town)
    refusal = attempt(work, lambda: groups.create_group(work, actor, chosen.id, name.strip(), ()))
    if refusal is not None:
        return _render_groups(request, work, actor, chosen, refusal=refusal, name=name)
    return RedirectResponse(f"/groups?town={town}&done=created", status_code=303)


@router.get("/{group_id}")
def show_group(request: Request, work: WorkDep, group_id: UUID, class_id: UUID | None = None, done: str = "") -> Response:
    """Show who is in a group, and the pupils of a class to tick."""
    actor, _ = require_sign_in(request, work)
    return _render_group(request, work, actor, groups.get_group(work, actor, group_id), class_id, notice=done)


@router.post("/{group_id}/pupils")
def save_pupils_of_class(
    request: Request,
    work: WorkDep,
    group_id: UUID,
    csrf: CsrfField,
    class_id: Annotated[UUID, Form()],
    pupil_ids: Annotated[list[UUID], Form(max_length=100)] = [],  # noqa: B006 (FastAPI copies it)
) -> Response:
    """Save that of a class exactly the ticked pupils are in the group; those of other classes stay."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    group = groups.get_group(work, actor, group_id)
    of_class = {pupil.id for pupil in people.list_pupils_of_class(work, actor, class_id)}
    if not of_class.issuperset(pupil_ids):
        raise NotFound
    members = {pupil.id for pupil in groups.list_members(work, actor, group)}
    groups.change_group(work, actor, group, pupil_ids=(members - of_class) | set(pupil_ids))
    return RedirectResponse(f"/groups/{group_id}?class_id={class_id}&done=saved", status_code=303)


@router.post("/{group_id}/name")
def rename_group(request: Request, work: WorkDep, group_id: UUID, csrf: CsrfField, name: NameField) -> Response:
    """Give a group another name."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    group = groups.get_group(work, actor, group_id)
    refusal = attempt(work, lambda: groups.change_group(work, actor, group, name=name.strip()))
    if refusal is not None:
        return _render_group(request, work, actor, group, None, refusal=refusal, name=name)
    return RedirectResponse(f"/groups/{group_id}?done=saved", status_code=303)


@router.post("/{group_id}/delete")
def delete_group(request: Request, work: WorkDep, group_id: UUID, csrf: CsrfField) -> Response:
    """Delete a group that has no rules of its own."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    group = groups.get_group(work, actor, group_id)
    town_id = group.town_id
    refusal = attempt(work, lambda: groups.delete_group(work, actor, group))
    if refusal is not None:
        return _render_group(request, work, actor, group, None, refusal=refusal)
    return RedirectResponse(f"/groups?town={town_id}&done=deleted", status_code=303)


def _render_groups(
    request: Request,
    work: UnitOfWork,
    actor: Actor,
    town: Town,
    *,
    after: str = "",
    notice: str = "",
    refusal: DomainError | None = None,
    name: str = "",
) -> Response:
    language = get_language(request)
    page = groups.list_groups(work, actor, town.id, PageRequest(cursor=after[:MAX_CURSOR_LENGTH] or None))
    counts = groups.count_members(work, page.items)
    return render_page(
        request,
        "policy/groups.html",
        notice=_NOTICES[notice].translate(language) if notice in _NOTICES else "",
        refusal=refusal,
        town=town,
        towns=list_permitted_towns(work, actor, Permission.AUTHOR),
        groups=[(group, counts.get(group.id, 0)) for group in page.items],
        next_url=f"/groups?town={town.id}&after={page.next_cursor}" if page.next_cursor else "",
        name=name,
    )


def _render_group(
    request: Request,
    work: UnitOfWork,
    actor: Actor,
    group: PolicyGroup,
    class_id: UUID | None,
    *,
    notice: str = "",
    refusal: DomainError | None = None,
    name: str | None = None,
) -> Response:
    language = get_language(request)
    members = groups.list_members(work, actor, group)
    names = {school.id: school.name for school in places.list_schools(work, actor, group.town_id)}
    of_schools = people.list_classes_by_school(work, actor, group.town_id)
    classes = [
        (row.id, f"{names.get(school_id, '–')} – {row.label}")
        for school_id in sorted(of_schools, key=lambda each: (names.get(each, "–").casefold(), str(each)))
        for row in of_schools[school_id]
    ]
    labels = dict(classes)
    in_class = people.list_pupils_of_class(work, actor, class_id) if class_id is not None else []
    return render_page(
        request,
        "policy/group.html",
        notice=_NOTICES[notice].translate(language) if notice in _NOTICES else "",
        refusal=refusal,
        group=group,
        name=group.name if name is None else name,
        members=_list_by_class(members, labels),
        count=len(members),
        classes=classes,
        class_id=class_id,
        class_name=labels.get(class_id, "") if class_id is not None else "",
        pupils=_describe_pupils(in_class, {pupil.id for pupil in members}),
    )


def _list_by_class(members: Sequence[Pupil], labels: dict[UUID, str]) -> list[tuple[UUID | None, str, list[str]]]:
    """Return the names of the members by class, in the order of `labels`, with the class to open for a change."""
    by_class: dict[UUID | None, list[str]] = {}
    for pupil in members:
        by_class.setdefault(pupil.class_id, []).append(format_full_name(pupil))
    positions = {class_id: position for position, class_id in enumerate(labels)}
    in_order = sorted(by_class, key=lambda each: (-1 if each is None else positions.get(each, len(labels)), str(each)))
    return [(class_id, labels.get(class_id, "") if class_id else "", sorted(by_class[class_id])) for class_id in in_order]


def _describe_pupils(pupils: Sequence[Pupil], member_ids: set[UUID]) -> list[dict[str, Any]]:
    return [{"id": pupil.id, "name": format_full_name(pupil), "is_member": pupil.id in member_ids} for pupil in pupils]
