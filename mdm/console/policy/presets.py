"""The page of presets: filters, home screens and evaluations under a name, who takes them in, and taking one in or out of a place.

What a preset sets, its draft and its versions are on the page of the rules. Bundles of apps have pages of their own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cartable.errors import DomainError, NotFound
from cartable.i18n import Language, Message
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
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
from mdm.console.policy.documents import load_place_policy, name_document_place, open_owner
from mdm.console.policy.labels import PRESET_KINDS
from profiles.policy import documents, life
from profiles.policy.content import PresetUse
from profiles.policy.kinds import ALL_MODES, AppUse, PresetKind
from profiles.policy.repository import PolicyRepository
from profiles.schedule.modes import Mode

router = APIRouter(prefix="/rules", include_in_schema=False, route_class=PageRoute)
_NOTICES = {"created": Message("The preset is there. Set what it holds, and let places take it in.")}
PlaceField = Annotated[str, Form(max_length=80)]


@router.get("/presets")
def show_presets(request: Request, work: WorkDep, town: UUID | None = None, done: str = "") -> Response:
    """Show the presets of a town and the places that take each in."""
    actor, _ = require_sign_in(request, work)
    return _render_presets(request, work, actor, choose_whole_town(work, actor, Permission.AUTHOR, town), notice=done)


@router.post("/{town}/presets")
def create_preset(
    request: Request,
    work: WorkDep,
    town: UUID,
    csrf: CsrfField,
    kind: Annotated[PresetKind, Form()],
    name: Annotated[str, Form(min_length=1, max_length=120)],
) -> Response:
    """Create a preset without a version, and show its rules."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    chosen = choose_whole_town(work, actor, Permission.AUTHOR, town)
    refusal = attempt(work, lambda: documents.create_preset(work, actor, chosen.id, kind, name.strip()))
    if refusal is not None:
        return _render_presets(request, work, actor, chosen, refusal=refusal, typed={"name": name, "kind": kind.value})
    return RedirectResponse(f"/rules/presets?town={town}&done=created", status_code=303)


@router.post("/{town}/take-in")
def take_preset_in(
    request: Request,
    work: WorkDep,
    town: UUID,
    csrf: CsrfField,
    place: PlaceField,
    preset_id: Annotated[UUID, Form()],
    mode: Annotated[str, Form(max_length=32)] = ALL_MODES,
    use: Annotated[AppUse | None, Form()] = None,
) -> Response:
    """Note in the draft of a place that it takes a preset in."""
    return _change_presets(request, work, town, csrf, place, PresetUse(preset_id, mode, use), taken=True)


@router.post("/{town}/take-out")
def take_preset_out(
    request: Request,
    work: WorkDep,
    town: UUID,
    csrf: CsrfField,
    place: PlaceField,
    preset_id: Annotated[UUID, Form()],
    mode: Annotated[str, Form(max_length=32)] = ALL_MODES,
) -> Response:
    """Note in the draft of a place that it no longer takes a preset in."""
    return _change_presets(request, work, town, csrf, place, PresetUse(preset_id, mode), taken=False)


def _change_presets(
    request: Request, work: UnitOfWork, town: UUID, csrf: str, place: str, changed: PresetUse, *, taken: bool
) -> Response:
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    policy = load_place_policy(work, actor, town, place, get_language(request))
    if policy.preset is not None or (changed.mode != ALL_MODES and changed.mode not in {*Mode}):
        raise NotFound
    documents.get_preset(work, actor, changed.preset_id)
    content = policy.content
    others = tuple(use for use in content.presets if (use.preset_id, use.mode) != (changed.preset_id, changed.mode))
    presets = (*others, changed) if taken else others
    life.save_draft(work, actor, open_owner(work, actor, policy), life.Draft(replace(content, presets=presets)))
    return RedirectResponse(f"/rules?{policy.query}&done=saved", status_code=303)


def _render_presets(
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
    return render_page(
        request,
        "policy/presets.html",
        notice=_NOTICES[notice].translate(language) if notice in _NOTICES else "",
        refusal=refusal,
        town=town,
        towns=list_permitted_towns(work, actor, Permission.AUTHOR),
        kinds=_group_presets(work, actor, town, language),
        new_kinds=[(kind.value, PRESET_KINDS[kind].translate(language)) for kind in PresetKind if kind is not PresetKind.BUNDLE],
        typed=typed or {},
    )


def _group_presets(work: UnitOfWork, actor: Actor, town: Town, language: Language) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return the presets by kind, each with the number of its live version and the places whose documents take it in."""
    repository = PolicyRepository(work.session)
    presets = repository.list_all_presets(town.id)
    live = repository.get_live_numbers(presets)
    schools = {str(school.id): school.name for school in places.list_schools(work, actor, town.id)}
    users: dict[UUID, list[tuple[str, str]]] = {}
    for document in repository.get_published_documents([town.id]):
        taken = {use.preset_id for version in document.versions for use in version.content.presets}
        for preset_id in taken if document.town_id is not None else ():
            name = name_document_place(document.place, document.target, schools, language)
            users.setdefault(preset_id, []).append((f"{document.place}:{document.target}", name))
    rows: dict[PresetKind, list[dict[str, Any]]] = {}
    for preset in sorted(presets, key=lambda each: each.name.casefold()):
        is_bundle = preset.kind is PresetKind.BUNDLE
        address = f"/apps/bundles/{preset.id}" if is_bundle else f"/rules?town={town.id}&place=preset:{preset.id}"
        described = {"name": preset.name, "address": address, "live": live.get(preset.id), "users": users.get(preset.id, [])}
        rows.setdefault(preset.kind, []).append(described)
    return [(PRESET_KINDS[kind].translate(language), rows[kind]) for kind in PresetKind if kind in rows]
