"""The page of system updates: how the tablets of a place stand to a version of iPadOS, and requiring it from a day and hour on.

It writes the setting into the draft of the place. Stages, risks and publishing are those of every other rule.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cartable.errors import DomainError
from cartable.i18n import Language, Message
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.places.service import get_town_date, get_town_zone
from mdm.api.deps import WorkDep
from mdm.console.forms import CsrfField, attempt
from mdm.console.frame import check_csrf, get_language, list_permitted_towns, render_page, require_sign_in
from mdm.console.page_route import PageRoute
from mdm.console.policy.documents import (
    PlacePolicy,
    change_setting,
    list_places,
    load_place_policy,
    open_owner,
    select_policy_tablets,
)
from mdm.console.times import format_day
from profiles.catalog.text_formats import TextFormat
from profiles.effective.system_updates import count_readiness
from profiles.policy import life
from profiles.policy.errors import DeadlineOver
from profiles.policy.kinds import ALL_MODES
from profiles.render.system_updates import SYSTEM_UPDATE, UpdateReadiness

router = APIRouter(prefix="/system-updates", include_in_schema=False, route_class=PageRoute)
READINESS: dict[UpdateReadiness, Message] = {
    UpdateReadiness.UP_TO_DATE: Message("have it, or a later one"),
    UpdateReadiness.BEHIND: Message("are behind, and update by then"),
    UpdateReadiness.UNSUPPORTED: Message("cannot be updated from here: older than iPadOS 17, or not supervised"),
    UpdateReadiness.UNKNOWN: Message("have not reported their system yet"),
}
PlaceField = Annotated[str, Form(max_length=80)]


@router.get("")
def show_system_updates(
    request: Request, work: WorkDep, town: UUID | None = None, place: str = "", version: str = ""
) -> Response:
    """Show what a place requires, and how many of its tablets have the version that is asked about."""
    actor, _ = require_sign_in(request, work)
    policy = load_place_policy(work, actor, town, place[:80], get_language(request))
    return _render_updates(request, work, actor, policy, {"version": version.strip()[:12]})


@router.post("/{town}")
def save_system_update(
    request: Request,
    work: WorkDep,
    town: UUID,
    csrf: CsrfField,
    place: PlaceField,
    version: Annotated[str, Form(max_length=12)],
    day: Annotated[str, Form(max_length=10)],
    time: Annotated[str, Form(max_length=5)],
    details_url: Annotated[str, Form(max_length=300)] = "",
) -> Response:
    """Note in the draft of a place that its tablets must have a version by a day and hour; the next page publishes it."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    policy = load_place_policy(work, actor, town, place, get_language(request))
    update = {"version": version.strip(), "deadline": f"{day.strip()}T{time.strip()}:00"}
    update |= {"details_url": details_url.strip()} if details_url.strip() else {}
    refusal = attempt(work, lambda: _save_draft(work, actor, policy, update))
    if refusal is not None:
        typed = {"version": version, "day": day, "time": time, "details_url": details_url}
        return _render_updates(request, work, actor, policy, typed, refusal=refusal)
    return RedirectResponse(f"/rules/draft?{policy.query}", status_code=303)


@router.post("/{town}/withdraw")
def withdraw_system_update(request: Request, work: WorkDep, town: UUID, csrf: CsrfField, place: PlaceField) -> Response:
    """Note in the draft of a place that it requires no version any more."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    policy = load_place_policy(work, actor, town, place, get_language(request))
    refusal = attempt(work, lambda: _save_draft(work, actor, policy, None))
    if refusal is not None:
        return _render_updates(request, work, actor, policy, {}, refusal=refusal)
    return RedirectResponse(f"/rules/draft?{policy.query}", status_code=303)


def _save_draft(work: UnitOfWork, actor: Actor, policy: PlacePolicy, update: dict[str, str] | None) -> None:
    """Write the setting into the draft. Raises `DeadlineOver`, `BadSetting` with the field named."""
    if update is not None and TextFormat.LOCAL_TIME.matches(update["deadline"]):
        now = work.now.astimezone(get_town_zone(work, policy.town.id)).replace(tzinfo=None)
        if datetime.fromisoformat(update["deadline"]) <= now:
            raise DeadlineOver(field="day")
    content = change_setting(policy.content, SYSTEM_UPDATE, ALL_MODES, update, locked=False)
    life.save_draft(work, actor, open_owner(work, actor, policy), life.Draft(content))


def _render_updates(
    request: Request,
    work: UnitOfWork,
    actor: Actor,
    policy: PlacePolicy,
    typed: dict[str, str],
    *,
    refusal: DomainError | None = None,
) -> Response:
    language = get_language(request)
    required = policy.live_content.values.get(ALL_MODES, {}).get(SYSTEM_UPDATE)
    version = typed.get("version") or (required["version"] if required else "")
    is_readable = TextFormat.OS_VERSION.matches(version)
    return render_page(
        request,
        "policy/system_updates.html",
        refusal=refusal,
        problem=_describe_problem(version, language, is_readable=is_readable),
        policy=policy,
        chosen=policy.key,
        towns=list_permitted_towns(work, actor, Permission.AUTHOR),
        places=list_places(work, actor, policy.town, language),
        required=_describe_requirement(required, language) if required else "",
        version=version,
        typed=typed,
        today=get_town_date(work, policy.town.id).isoformat(),
        counts=[
            (READINESS[readiness].translate(language), count)
            for readiness, count in count_readiness(work, select_policy_tablets(work, policy), version).items()
        ]
        if is_readable
        else [],
    )


def _describe_problem(version: str, language: Language, *, is_readable: bool) -> str:
    return language.gettext("Write the version as Apple names it: 26.2.") if version and not is_readable else ""


def _describe_requirement(required: dict[str, Any], language: Language) -> str:
    """Return in words what is in force in a place."""
    deadline = datetime.fromisoformat(required["deadline"])
    return language.gettext(
        "At least iPadOS {version}, from {day} at {time} on.",
        version=required["version"],
        day=format_day(deadline.date()),
        time=deadline.strftime("%H:%M"),
    )
