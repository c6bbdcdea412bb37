"""The page of licences: how many each app has in which account, and the content tokens of the town. Holds no rules."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response

from cartable.expiry import get_warning_days
from cartable.i18n import Language, Message
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.places import service as places
from enrollment.places.models import Town
from mdm.api.deps import WorkDep
from mdm.console.apps.token_labels import TOKEN_PROBLEMS
from mdm.console.forms import CsrfField, attempt
from mdm.console.frame import (
    check_csrf,
    choose_town,
    get_language,
    list_permitted_towns,
    render_page,
    require_sign_in,
)
from mdm.console.page_route import PageRoute, read_text_file
from mdm.console.times import format_day, format_instant
from mdm.reconcile.licence_waiting import count_waiting_tablets
from profiles.apps import licences
from profiles.apps.apps_and_books import service
from profiles.apps.apps_and_books.service import ContentToken
from profiles.apps.licences import PoolStatus
from profiles.apps.models import TokenProblem

router = APIRouter(prefix="/apps/licences", include_in_schema=False, route_class=PageRoute)
_NOTICES = {
    "installed": Message("The token is stored. Apple's account is being read; load this page again in a minute."),
    "saved": Message("Saved."),
    "takeover": Message("Decided and noted. Cartable takes the account over as soon as Apple's service answers."),
    "removed": Message("The token is removed. At Apple its licences stay with the tablets."),
}
SchoolsField = Annotated[list[UUID], Form(max_length=500, default_factory=list)]


async def _read_token_file(request: Request) -> str:
    form = await request.form(max_files=1)
    return await read_text_file(form.get("content"))


TokenFileDep = Annotated[str, Depends(_read_token_file)]


@router.get("")
def show_licences(request: Request, work: WorkDep, town: UUID | None = None, done: str = "") -> Response:
    """Show the licences and the content tokens of a town."""
    actor, _ = require_sign_in(request, work)
    return _render_licences(request, work, actor, choose_town(work, actor, Permission.AUTHOR, town), notice=done)


@router.post("/{town}/tokens")
def install_token(
    request: Request, work: WorkDep, town: UUID, csrf: CsrfField, content: TokenFileDep, schools: SchoolsField
) -> Response:
    """Install a content token for all schools or for some."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    chosen = choose_town(work, actor, Permission.AUTHOR, town)
    refusal = attempt(work, lambda: service.install_token(work, actor, chosen.id, content, schools))
    if refusal is not None:
        return _render_licences(request, work, actor, chosen, problem=refusal.translate(get_language(request)))
    return _redirect(town, "installed")


@router.post("/{town}/tokens/{token_id}/renew")
def renew_token(request: Request, work: WorkDep, town: UUID, token_id: UUID, csrf: CsrfField, content: TokenFileDep) -> Response:
    """Replace the content of a token."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    service.renew_token(work, actor, token_id, content)
    return _redirect(town, "installed")


@router.post("/{town}/tokens/{token_id}/schools")
def set_token_schools(
    request: Request, work: WorkDep, town: UUID, token_id: UUID, csrf: CsrfField, schools: SchoolsField
) -> Response:
    """Choose the schools that a token serves; none of them stands for all that have no token of their own."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    service.set_token_schools(work, actor, token_id, schools)
    return _redirect(town, "saved")


@router.post("/{town}/tokens/{token_id}/takeover")
def take_over_account(
    request: Request,
    work: WorkDep,
    town: UUID,
    token_id: UUID,
    csrf: CsrfField,
    claimed_by: Annotated[str, Form(max_length=100)],
    understood: Annotated[bool, Form()] = False,
) -> Response:
    """Take an account over from the server that the person has read on the page."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    if not understood:
        return _redirect(town, "")
    service.take_over_account(work, actor, token_id, claimed_by)
    return _redirect(town, "takeover")


@router.post("/{town}/tokens/{token_id}/remove")
def remove_token(request: Request, work: WorkDep, town: UUID, token_id: UUID, csrf: CsrfField) -> Response:
    """Remove a token."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    service.remove_token(work, actor, token_id)
    return _redirect(town, "removed")


def _redirect(town_id: UUID, done: str) -> Response:
    return RedirectResponse(f"/apps/licences?town={town_id}&done={done}", status_code=303)


def _render_licences(
    request: Request, work: UnitOfWork, actor: Actor, town: Town, *, notice: str = "", problem: str = ""
) -> Response:
    language = get_language(request)
    tokens = service.list_tokens(work, actor, town.id)
    schools = places.list_schools(work, actor, town.id)
    waiting = count_waiting_tablets(work, actor, town.id)
    taken = {school.id: each.token.id for each in tokens for school in each.schools}
    return render_page(
        request,
        "apps/licences.html",
        status=422 if problem else 200,
        notice=_NOTICES[notice].translate(language) if notice in _NOTICES else "",
        problem=problem,
        town=town,
        towns=list_permitted_towns(work, actor, Permission.AUTHOR),
        may_govern=actor.has_permission(Permission.GOVERN, town.id),
        pools=[_describe_pool(pool, waiting, language) for pool in licences.list_pools(work, actor, town.id)],
        tokens=[
            {
                **_describe_token(each, work, language),
                "choices": [
                    (school.id, school.name, taken.get(school.id) == each.token.id)
                    for school in schools
                    if taken.get(school.id) in (None, each.token.id)
                ],
            }
            for each in tokens
        ],
        free_schools=[(school.id, school.name) for school in schools if school.id not in taken],
        has_town_wide=any(each.token.is_town_wide for each in tokens),
    )


def _describe_pool(
    pool: PoolStatus, waiting: dict[tuple[UUID, UUID | None], dict[str, int]], language: Language
) -> dict[str, Any]:
    by_grade = waiting.get((pool.app_id, pool.token_id), {})
    return {
        "app": pool.app,
        "account": pool.location or language.gettext("number by hand"),
        "total": pool.total,
        "in_use": pool.assigned + pool.reserved,
        "held_elsewhere": pool.held_elsewhere,
        "held_words": language.ngettext("{count} is held elsewhere", "{count} are held elsewhere", pool.held_elsewhere)
        if pool.held_elsewhere
        else "",
        "available": max(0, pool.available),
        "waiting": sum(by_grade.values()),
        "problem": pool.problem,
    }  # fmt: skip


def _describe_token(described: ContentToken, work: UnitOfWork, language: Language) -> dict[str, Any]:
    token = described.token
    claimed_by = token.claimed_by_name or token.claimed_by_id or ""
    if token.claimed_by_id and token.claimed_by_name and token.claimed_by_id != token.claimed_by_name:
        claimed_by = f"{token.claimed_by_name} ({token.claimed_by_id})"
    return {
        "id": token.id,
        "location": token.location,
        "is_town_wide": token.is_town_wide,
        "schools": [school.name for school in described.schools],
        "expires": format_day(token.expires),
        "is_expiring": get_warning_days(work.now, token.expires) is not None,
        "checked": format_instant(token.checked_at),
        "skipped": token.skipped_rows,
        "problem": TOKEN_PROBLEMS[token.problem].translate(language, detail=token.problem_detail or "–") if token.problem else "",
        "is_claimed_elsewhere": token.problem is TokenProblem.CLAIMED_ELSEWHERE,
        "claimed_by_id": token.claimed_by_id or "",
        "claimed_by": claimed_by,
        "is_own_name": (token.claimed_by_name or "").startswith("Cartable"),
        "is_takeover_requested": token.takeover_of is not None,
    }
