"""The page of an app's managed configuration: keys and values, what one tablet would give to the app, how far it is. Holds no rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from cartable.errors import DomainError, NotFound
from cartable.i18n import Message
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.facts import load_facts
from enrollment.tablets.errors import UnknownScan
from enrollment.tablets.lookup import find_by_scan
from mdm.api.deps import WorkDep
from mdm.console.forms import attempt
from mdm.console.frame import FieldsDep, check_csrf, choose_town, get_language, render_page, require_sign_in
from mdm.console.page_route import PageRoute
from mdm.reconcile import app_configuration
from profiles.apps.configuration import MAX_ENTRIES, ConfigurationEntry, EntryKind, Variable, load_entries
from profiles.apps.models import App
from profiles.apps.tablet_configuration import preview_configuration

router = APIRouter(prefix="/apps", include_in_schema=False, route_class=PageRoute)
KINDS: dict[EntryKind, Message] = {
    EntryKind.TEXT: Message("text"),
    EntryKind.NUMBER: Message("number"),
    EntryKind.BOOLEAN: Message("yes or no"),
    EntryKind.LIST: Message("list, one a line"),
    EntryKind.DATE: Message("date (2026-09-01)"),
}
VARIABLES: dict[Variable, Message] = {
    Variable.TAG: Message("the tablet's tag"),
    Variable.SERIAL: Message("its serial number"),
    Variable.GRADE: Message("the grade of who has it"),
}
#: Lines for new keys below those that are there.
_FREE_LINES = 4


@router.get("/{town}/apps/{app_id}/configuration")
def show_configuration(request: Request, work: WorkDep, town: UUID, app_id: UUID, tag: str = "", done: str = "") -> Response:
    """Show the configuration of an app, for one tablet too when a tag is given."""
    actor, _ = require_sign_in(request, work)
    choose_town(work, actor, Permission.AUTHOR, town)
    app = _load_app(work, actor, town, app_id)
    return _render(request, work, actor, app, load_entries(app.configuration), tag=tag, is_saved=bool(done))


@router.post("/{town}/apps/{app_id}/configuration")
def save_configuration(request: Request, work: WorkDep, town: UUID, app_id: UUID, fields: FieldsDep) -> Response:
    """Keep the configuration of an app; with `act` preview only show it for a tablet."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, fields.get("csrf", ""))
    choose_town(work, actor, Permission.AUTHOR, town)
    app, entries = _load_app(work, actor, town, app_id), _read_entries(fields)
    if fields.get("act") == "preview":
        return _render(request, work, actor, app, entries, tag=fields.get("tag", ""))
    refusal = attempt(work, lambda: app_configuration.set_configuration(work, actor, app_id, entries))
    if refusal is not None:
        return _render(request, work, actor, app, entries, tag=fields.get("tag", ""), refusal=refusal)
    return RedirectResponse(f"/apps/{town}/apps/{app_id}/configuration?done=saved", status_code=303)


def _load_app(work: UnitOfWork, actor: Actor, town_id: UUID, app_id: UUID) -> App:
    app = app_configuration.get_configurable_app(work, actor, app_id)
    if app.town_id != town_id:
        raise NotFound
    return app


def _read_entries(fields: Mapping[str, str]) -> list[ConfigurationEntry]:
    """Return the lines of the form that have a key."""
    entries = []
    for number in range(MAX_ENTRIES + _FREE_LINES):
        key, kind = fields.get(f"key-{number}", "").strip(), fields.get(f"kind-{number}", "")
        if key:
            entries.append(
                ConfigurationEntry(
                    key, EntryKind(kind) if kind in {*EntryKind} else EntryKind.TEXT, fields.get(f"value-{number}", "").strip()
                )
            )
    return entries


def _render(
    request: Request,
    work: UnitOfWork,
    actor: Actor,
    app: App,
    entries: Sequence[ConfigurationEntry],
    *,
    tag: str = "",
    is_saved: bool = False,
    refusal: DomainError | None = None,
) -> Response:
    language = get_language(request)
    preview, problem = _build_preview(work, actor, app, entries, tag)
    problem = refusal or problem
    free = [ConfigurationEntry("", EntryKind.TEXT, "")] * _FREE_LINES
    return render_page(
        request,
        "apps/configuration.html",
        status=problem.status if problem else 200,
        problem=problem.translate(language) if problem else "",
        notice=Message("Saved. Each tablet that has the app follows at its next contact.").translate(language)
        if is_saved
        else "",
        app=app,
        entries=[*entries, *free],
        kinds=[(kind.value, label.translate(language)) for kind, label in KINDS.items()],
        variables=[("{{" + variable.value + "}}", label.translate(language)) for variable, label in VARIABLES.items()],
        progress=app_configuration.count_progress(work, app),
        tag=tag,
        preview=preview,
    )


def _build_preview(
    work: UnitOfWork, actor: Actor, app: App, entries: Sequence[ConfigurationEntry], tag: str
) -> tuple[list[tuple[str, str]] | None, DomainError | None]:
    """Return what the tablet of a tag would give to the app, or why there is none; nothing without a tag."""
    if not tag.strip():
        return None, None
    try:
        tablet = find_by_scan(work, actor, app.town_id, tag.strip()[:64], UnknownScan(field="tag"))
        facts = load_facts(work, [tablet.id])[tablet.id]
        values = preview_configuration(entries, facts)
    except DomainError as error:
        return None, error
    return [(key, _describe_value(value)) for key, value in values.items()], None


def _describe_value(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)
