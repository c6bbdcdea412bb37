"""The page of the rules of one place: what it sets, settings found by words, its versions; and the form of one setting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cartable.errors import DomainError, NotFound
from cartable.i18n import Language, Message
from cartable.paging import PageRequest
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from mdm.api.deps import WorkDep
from mdm.console.apps.labels import USES
from mdm.console.forms import CsrfField, attempt
from mdm.console.frame import check_csrf, get_language, list_permitted_towns, render_page, require_sign_in
from mdm.console.labels import mode_label, person_label
from mdm.console.page_route import PageRoute
from mdm.console.policy.documents import PlacePolicy, change_setting, list_places, load_place_policy, open_owner
from mdm.console.policy.labels import PRESET_KINDS, VERSION_STATES, value_label
from mdm.console.policy.setting_search import find_settings, get_group
from mdm.console.policy.values import MAX_TEXT, FormKind, NotAValue, format_value, get_form_kind, parse_value
from mdm.console.times import format_instant
from profiles.apps import service as apps
from profiles.catalog.composites import list_authorable_fields
from profiles.catalog.fields import Field
from profiles.catalog.secrets import restore_secrets
from profiles.catalog.settings import Setting
from profiles.policy import life
from profiles.policy.errors import BadSetting
from profiles.policy.kinds import ALL_MODES, IN_FORCE, PresetKind
from profiles.policy.models import PolicyVersion
from profiles.policy.repository import PolicyRepository
from profiles.schedule.modes import Mode

router = APIRouter(prefix="/rules", include_in_schema=False, route_class=PageRoute)
_NOTICES = {
    "saved": Message("Noted in the draft. Nothing changes on tablets before you publish it."),
    "published": Message("Published. Each tablet follows at its next contact."),
    "stopped": Message("The roll-out is stopped: what was in force before is in force again."),
    "restored": Message("That version is in force again."),
}
_MAX_FOUND = 40
_MAX_VERSIONS = 20


@router.get("")
def show_rules(
    request: Request, work: WorkDep, town: UUID | None = None, place: str = "", q: str = "", done: str = ""
) -> Response:
    """Show what a place sets, find settings by words, and list its versions."""
    actor, _ = require_sign_in(request, work)
    language = get_language(request)
    policy = load_place_policy(work, actor, town, place[:80], language)
    return render_page(
        request,
        "policy/rules.html",
        notice=_NOTICES[done].translate(language) if done in _NOTICES else "",
        policy=policy,
        chosen=policy.key,
        towns=list_permitted_towns(work, actor, Permission.AUTHOR),
        places=list_places(work, actor, policy.town, language),
        settings=_list_settings(policy, language),
        q=q[:64],
        found=find_settings(q[:64], language, _MAX_FOUND) if q.strip() else [],
        versions=_list_versions(work, policy, language),
        preset_kind=PRESET_KINDS[policy.preset.kind].translate(language) if policy.preset is not None else "",
        presets=_list_presets(work, policy, language) if policy.preset is None else {},
        rolling=_describe_version(policy.rolling, language) if policy.rolling is not None else None,
        draft=_describe_version(policy.draft, language) if policy.draft is not None else None,
    )


@router.get("/setting")
def show_setting(
    request: Request, work: WorkDep, key: str, town: UUID | None = None, place: str = "", mode: str = ALL_MODES
) -> Response:
    """Show the form of one setting of a place, in all modes or in one."""
    actor, _ = require_sign_in(request, work)
    policy = load_place_policy(work, actor, town, place[:80], get_language(request))
    return _render_setting(request, policy, _get_field(key), _check_mode(mode))


@router.post("/{town}/setting")
def save_setting(
    request: Request,
    work: WorkDep,
    town: UUID,
    csrf: CsrfField,
    place: Annotated[str, Form(max_length=80)],
    key: Annotated[str, Form(max_length=120)],
    mode: Annotated[str, Form(max_length=32)] = ALL_MODES,
    value: Annotated[str, Form(max_length=MAX_TEXT)] = "",
    locked: Annotated[bool, Form()] = False,
) -> Response:
    """Save one setting in the draft of a place. An empty value takes it out: then the wider places decide."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    policy = load_place_policy(work, actor, town, place, get_language(request))
    field, mode = _get_field(key), _check_mode(mode)
    refusal = attempt(work, lambda: _save_draft(work, actor, policy, field, mode, value, locked=locked))
    if refusal is not None:
        return _render_setting(request, policy, field, mode, refusal=refusal, typed=value, locked=locked)
    return RedirectResponse(f"/rules?{policy.query}&done=saved", status_code=303)


def _get_field(key: str) -> Field:
    field = list_authorable_fields().get(key)
    if field is None:
        raise NotFound
    return field


def _check_mode(mode: str) -> str:
    if mode != ALL_MODES and mode not in {*Mode}:
        raise NotFound
    return mode


def _save_draft(
    work: UnitOfWork, actor: Actor, policy: PlacePolicy, field: Field, mode: str, typed: str, *, locked: bool
) -> None:
    former = policy.content.values.get(mode, {}).get(field.key)
    try:
        identifiers = _map_app_names(work, actor, policy) if get_form_kind(field) is FormKind.SCREENS else {}
        value = restore_secrets(field, parse_value(field, typed, identifiers), former)
    except NotAValue as error:
        raise BadSetting(field=field.key, why=str(error)[:80]) from error
    content = change_setting(policy.content, field.key, mode, value, locked=locked)
    life.save_draft(work, actor, open_owner(work, actor, policy), life.Draft(content))


def _map_app_names(work: UnitOfWork, actor: Actor, policy: PlacePolicy) -> dict[str, str]:
    """Return the bundle identifiers of the town's apps by folded name."""
    return {app.name.casefold(): app.bundle_identifier for app in apps.list_all_apps(work, actor, policy.town.id)}


def _list_settings(policy: PlacePolicy, language: Language) -> list[dict[str, Any]]:
    """Return what the place sets in the draft, or live: each setting and mode with its value, changed or not."""
    content, live = policy.content, policy.live_content
    rows = []
    fields = list_authorable_fields()
    for mode in _list_modes({**live.values, **content.values}):
        keys = {**live.values.get(mode, {}), **content.values.get(mode, {})}
        for key in keys:
            value, former = content.values.get(mode, {}).get(key), live.values.get(mode, {}).get(key)
            field = fields.get(key)
            rows.append(
                {
                    "key": key,
                    "name": field.label.translate(language) if field is not None else key,
                    "mode": mode,
                    "mode_name": _name_mode(mode, language),
                    "value": value_label(field, value, language) if field is not None else str(value),
                    "is_changed": value != former,
                    "is_removed": value is None,
                    "is_locked": key in content.locks.get(mode, ()),
                    "address": _build_address(policy, key, mode),
                }
            )
    return sorted(rows, key=lambda row: (str(row["name"]).casefold(), str(row["mode"])))


def _list_presets(work: UnitOfWork, policy: PlacePolicy, language: Language) -> dict[str, Any]:
    """Return the presets that the draft of a place takes in, or what is live; and those that it may take in."""
    known = {preset.id: preset for preset in PolicyRepository(work.session).list_all_presets(policy.town.id)}
    live = set(policy.live_content.presets)
    taken = [
        {
            "id": use.preset_id,
            "name": known[use.preset_id].name,
            "kind": PRESET_KINDS[known[use.preset_id].kind].translate(language),
            "mode": use.mode,
            "mode_name": _name_mode(use.mode, language),
            "use": USES[use.use].translate(language) if use.use is not None else "",
            "is_changed": use not in live,
        }
        for use in policy.content.presets
        if use.preset_id in known
    ]
    offered = [
        (preset.id, f"{preset.name} ({PRESET_KINDS[preset.kind].translate(language)})")
        for preset in sorted(known.values(), key=lambda each: each.name.casefold())
        if preset.kind is not PresetKind.BUNDLE
    ]
    modes = [(mode, _name_mode(mode, language)) for mode in (ALL_MODES, *(each.value for each in Mode))]
    return {"taken": taken, "offered": offered, "modes": modes}


def _list_modes(values: Mapping[str, Any]) -> list[str]:
    return [mode for mode in (ALL_MODES, *(each.value for each in Mode)) if mode in values]


def _name_mode(mode: str, language: Language) -> str:
    return language.gettext("in all modes") if mode == ALL_MODES else mode_label(Mode(mode), language)


def _build_address(policy: PlacePolicy, key: str, mode: str) -> str:
    return f"/rules/setting?{policy.query}&{urlencode({'key': key, 'mode': mode})}"


def _list_versions(work: UnitOfWork, policy: PlacePolicy, language: Language) -> list[dict[str, Any]]:
    if policy.owner is None:
        return []
    page = PolicyRepository(work.session).list_versions(policy.owner, PageRequest(limit=_MAX_VERSIONS))
    return [_describe_version(version, language) for version in page.items]


def _describe_version(version: PolicyVersion, language: Language) -> dict[str, Any]:
    return {
        "number": version.number,
        "state": VERSION_STATES[version.state].translate(language),
        "can_restore": version.published_at is not None and version.state not in IN_FORCE,
        "author": person_label(version.author_name, language),
        "written": format_instant(version.written_at),
        "reason": version.reason or version.stop_reason or "",
    }


def _render_setting(
    request: Request,
    policy: PlacePolicy,
    field: Field,
    mode: str,
    *,
    refusal: DomainError | None = None,
    typed: str | None = None,
    locked: bool | None = None,
) -> Response:
    language = get_language(request)
    value = policy.content.values.get(mode, {}).get(field.key)
    kind = get_form_kind(field)
    modes = [ALL_MODES, *([] if isinstance(field, Setting) and field.all_modes_only else [each.value for each in Mode])]
    return render_page(
        request,
        "policy/setting.html",
        refusal=refusal,
        policy=policy,
        chosen=policy.key,
        key=field.key,
        name=field.label.translate(language),
        group=get_group(field, language),
        kind=kind.value,
        is_set=value is not None,
        value=format_value(field, value) if typed is None else typed,
        choices=_list_choices(field, language) if kind is FormKind.CHOICE else [],
        least=field.least,
        most=field.most,
        parts=[(part.key, part.label.translate(language), part.required) for part in field.fields.values()],
        locked=field.key in policy.content.locks.get(mode, ()) if locked is None else locked,
        mode=mode,
        modes=[(each, _name_mode(each, language), _build_address(policy, field.key, each)) for each in modes],
        support=_describe_support(field, language),
    )


def _list_choices(field: Field, language: Language) -> list[tuple[str, str]]:
    return [
        (str(choice), field.labels[str(choice)].translate(language) if str(choice) in field.labels else str(choice))
        for choice in field.choices
    ]


def _describe_support(field: Field, language: Language) -> str:
    if not isinstance(field, Setting):
        return ""
    version = ".".join(map(str, field.minimum))
    if field.supervised:
        return language.gettext("From iPadOS {version} on, on supervised tablets.", version=version)
    return language.gettext("From iPadOS {version} on.", version=version)
