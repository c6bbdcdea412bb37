"""The pages of commands to many tablets: whom, what and its consequence, then the progress of each. Holds no rules."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from cartable.errors import DomainError
from cartable.i18n import Language, Message
from cartable.paging import MAX_CURSOR_LENGTH, PageRequest
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.people import service as people
from enrollment.places import service as places
from enrollment.places.models import Grade, Town
from mdm.api.deps import WorkDep
from mdm.care.commands import bulk
from mdm.care.commands.bulk import BulkPreview, BulkProgress, BulkState
from mdm.care.commands.kinds import CommandKind
from mdm.care.commands.parameters import DEFAULT_NAME
from mdm.care.commands.repository import TabletSelection
from mdm.care.commands.rules import Obstacle
from mdm.console.care.command_forms import ParametersDep
from mdm.console.care.command_labels import BULK_STATES, CONSEQUENCES, KINDS, OBSTACLES, describe_delay
from mdm.console.forms import CsrfField, attempt, parse_id
from mdm.console.frame import (
    check_csrf,
    choose_town,
    get_language,
    list_permitted_towns,
    render_page,
    require_sign_in,
)
from mdm.console.labels import state_label
from mdm.console.page_route import PageRoute
from mdm.console.times import format_instant
from mdm.queue.models import CommandState
from profiles.apps import service as apps_service

_NOTICES = {
    "given": Message("Given. This page follows by itself."),
    "asked": Message("Requested. Another person must approve."),
    "approved": Message("Approved, and given."),
    "cancelled": Message("Cancelled what had not left."),
}
_BAD = frozenset({CommandState.FAILED, CommandState.REJECTED, CommandState.EXPIRED})
#: Tags that the preview names for each obstacle.
_NAMED = 12
router = APIRouter(prefix="/commands", include_in_schema=False, route_class=PageRoute)
IdField = Annotated[str, Form(max_length=36)]
TabletIds = Annotated[list[UUID] | None, Form(max_length=500)]


@router.get("")
def list_bulk_commands(request: Request, work: WorkDep, town: UUID | None = None, after: str = "") -> Response:
    """Show the commands to many tablets of a town, newest first."""
    actor, _ = require_sign_in(request, work)
    language = get_language(request)
    chosen = choose_town(work, actor, Permission.CARE, town)
    page = bulk.list_bulk_commands(work, actor, chosen.id, PageRequest(cursor=after[:MAX_CURSOR_LENGTH] or None))
    return render_page(
        request,
        "care/bulk_commands.html",
        town=chosen,
        towns=list_permitted_towns(work, actor, Permission.CARE),
        rows=[_describe_bulk(progress, chosen, language) for progress in page.items],
        next_url=f"/commands?{urlencode({'town': chosen.id, 'after': page.next_cursor})}" if page.next_cursor else "",
    )


@router.get("/new")
def choose_command(
    request: Request,
    work: WorkDep,
    town: UUID | None = None,
    kind: CommandKind | None = None,
    school: str = "",
    school_class: Annotated[str, Query(alias="class")] = "",
    grade: str = "",
    app: str = "",
    tablet: Annotated[list[UUID] | None, Query(max_length=500)] = None,
) -> Response:
    """Show whom a command would reach, and the form that gives it."""
    actor, _ = require_sign_in(request, work)
    chosen = choose_town(work, actor, Permission.CARE, town)
    selection = _read_selection(chosen, school, school_class, grade, tablet)
    return _render_form(request, work, actor, chosen, kind, selection, parse_id(app))


@router.post("")
def give_bulk_command(
    request: Request,
    work: WorkDep,
    csrf: CsrfField,
    town: Annotated[UUID, Form()],
    kind: Annotated[CommandKind, Form()],
    parameters: ParametersDep,
    tablet: TabletIds = None,
    school: IdField = "",
    school_class: Annotated[str, Form(alias="class", max_length=36)] = "",
    grade: Annotated[str, Form(max_length=8)] = "",
    reason: Annotated[str, Form(max_length=300)] = "",
) -> Response:
    """Give a command to the chosen tablets; what is refused comes back beside the form."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    chosen = choose_town(work, actor, Permission.CARE, town)
    selection = _read_selection(chosen, school, school_class, grade, tablet)
    given: list[UUID] = []

    def give() -> None:
        row = bulk.request_bulk_command(work, actor, selection, kind, parameters, reason.strip() or None)
        given.append(row.id)

    refusal = attempt(work, give)
    if refusal is not None:
        return _render_form(request, work, actor, chosen, kind, selection, parameters.app_id, refusal=refusal)
    progress = bulk.get_bulk_command(work, actor, given[0])
    return _redirect(given[0], "asked" if progress.state is BulkState.WAITING_APPROVAL else "given")


@router.get("/{bulk_command_id}")
def show_bulk_command(request: Request, bulk_command_id: UUID, work: WorkDep, done: str = "", after: str = "") -> Response:
    """Show the progress of a command to many tablets, and the result of each."""
    actor, _ = require_sign_in(request, work)
    language = get_language(request)
    progress = bulk.get_bulk_command(work, actor, bulk_command_id)
    town = choose_town(work, actor, Permission.CARE, progress.bulk.town_id)
    page = bulk.list_bulk_lines(work, actor, bulk_command_id, PageRequest(limit=100, cursor=after[:MAX_CURSOR_LENGTH] or None))
    return render_page(
        request,
        "care/bulk_command.html",
        notice=_NOTICES[done].translate(language) if done in _NOTICES else "",
        town=town,
        bulk=_describe_bulk(progress, town, language),
        consequence=CONSEQUENCES[progress.bulk.kind].translate(language),
        delay=describe_delay(progress.bulk.kind, language),
        reason=progress.bulk.reason,
        waits=progress.state in (BulkState.RUNNING, BulkState.WAITING_APPROVAL),
        can_cancel=progress.can_cancel,
        can_approve=progress.state is BulkState.WAITING_APPROVAL and progress.bulk.requested_by != actor.account_id,
        counts=_describe_counts(progress, language),
        lines=[
            {
                "id": tablet.id, "tag": tablet.tag, "tone": _get_tone(state or line.obstacle),
                "state": _label_outcome(state or line.obstacle, language), "detail": state_reason or "",
            }
            for line, tablet, state, state_reason in page.items
        ],
        next_url=f"/commands/{bulk_command_id}?{urlencode({'after': page.next_cursor})}" if page.next_cursor else "",
    )  # fmt: skip


@router.post("/{bulk_command_id}/approve")
def approve_bulk_command(request: Request, bulk_command_id: UUID, work: WorkDep, csrf: CsrfField) -> Response:
    """Agree to what another person has requested."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    bulk.approve_bulk_command(work, actor, bulk_command_id)
    return _redirect(bulk_command_id, "approved")


@router.post("/{bulk_command_id}/cancel")
def cancel_bulk_command(request: Request, bulk_command_id: UUID, work: WorkDep, csrf: CsrfField) -> Response:
    """Cancel what has not left."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    bulk.cancel_bulk_command(work, actor, bulk_command_id)
    return _redirect(bulk_command_id, "cancelled")


def _redirect(bulk_id: UUID, done: str) -> Response:
    return RedirectResponse(f"/commands/{bulk_id}?done={done}", status_code=303)


def _read_selection(town: Town, school: str, school_class: str, grade: str, tablet_ids: list[UUID] | None) -> TabletSelection:
    """Return the selection that an address or a form asks for. `school` and `school_class` are ids."""
    return TabletSelection(
        town.id,
        school_id=parse_id(school),
        class_id=parse_id(school_class),
        grade=Grade(grade) if grade in {*Grade} else None,
        tablet_ids=frozenset(tablet_ids or ()),
    )


def _render_form(
    request: Request,
    work: UnitOfWork,
    actor: Actor,
    town: Town,
    kind: CommandKind | None,
    selection: TabletSelection,
    app_id: UUID | None,
    *,
    refusal: DomainError | None = None,
) -> Response:
    language = get_language(request)
    apps = apps_service.list_all_apps(work, actor, town.id) if kind is CommandKind.INSTALL_APP else []
    is_complete = kind is not None and (kind is not CommandKind.INSTALL_APP or app_id is not None)
    preview = bulk.preview_bulk_command(work, actor, selection, kind, app_id) if kind is not None and is_complete else None
    classes = people.list_classes_by_school(work, actor, town.id)
    return render_page(
        request,
        "care/bulk_command_form.html",
        refusal=refusal,
        town=town,
        towns=list_permitted_towns(work, actor, Permission.CARE),
        schools=[(each.id, each.name) for each in places.list_schools(work, actor) if each.town_id == town.id],
        classes=[(each.id, each.label) for each in classes.get(selection.school_id, ())]
        if selection.school_id is not None
        else [],
        grades=[each.value for each in Grade],
        apps=[(each.id, each.name) for each in apps],
        app_id=app_id,
        kinds=[(each.value, KINDS[each].translate(language)) for each in CommandKind],
        kind=kind.value if kind is not None else "",
        title=KINDS[kind].translate(language) if kind is not None else "",
        consequence=CONSEQUENCES[kind].translate(language) if kind is not None else "",
        delay=describe_delay(kind, language) if kind is not None else "",
        selection=selection,
        tablets=sorted(selection.tablet_ids, key=str),
        preview=_describe_preview(preview, language) if preview is not None else None,
        town_phone=town.support_phone or "",
        town_zone=town.time_zone,
        default_name=DEFAULT_NAME,
    )


def _describe_preview(preview: BulkPreview, language: Language) -> dict[str, Any]:
    return {
        "ready": len(preview.ready),
        "off": len(preview.off),
        "needs_approval": preview.needs_approval,
        "obstacles": [
            {
                "why": OBSTACLES[obstacle].translate(language), "count": len(targets),
                "tags": ", ".join(target.tag for target in targets[:_NAMED]) + (" …" if len(targets) > _NAMED else ""),
            }
            for obstacle, targets in preview.obstacles.items()
        ],
    }  # fmt: skip


def _describe_bulk(progress: BulkProgress, town: Town, language: Language) -> dict[str, Any]:
    row = progress.bulk
    whom = [progress.class_label, row.grade.value if row.grade is not None else None, progress.school_name]
    return {
        "id": row.id,
        "kind": KINDS[row.kind].translate(language),
        "whom": ", ".join(word for word in whom if word) or town.name,
        "count": language.ngettext("{count} tablet", "{count} tablets", progress.total),
        "who": row.requested_by_name,
        "when": format_instant(row.requested_at),
        "state": BULK_STATES[progress.state].translate(language),
        "tone": "soft" if progress.state in (BulkState.ENDED, BulkState.CANCELLED) else "warn",
        "summary": " · ".join(f"{each['count']} {each['what']}" for each in _describe_counts(progress, language)),
    }


def _describe_counts(progress: BulkProgress, language: Language) -> list[dict[str, Any]]:
    """Return how many tablets are in each state, in a fixed order."""
    order: list[CommandState | Obstacle | None] = [*CommandState, *Obstacle]
    return [
        {"count": progress.counts[state], "what": _label_outcome(state, language), "tone": _get_tone(state)}
        for state in order
        if progress.counts.get(state)
    ]


def _label_outcome(state: CommandState | Obstacle | None, language: Language) -> str:
    if isinstance(state, Obstacle):
        return OBSTACLES[state].translate(language)
    return state_label(state.value if state is not None else None, language)


def _get_tone(state: CommandState | Obstacle | None) -> str:
    if state is CommandState.ACKNOWLEDGED:
        return "good"
    return "bad-text" if state in _BAD else "soft" if isinstance(state, Obstacle) or state is None else "warn"
