"""The page of a town's filter lists: categories with their numbers, and an import that is seen before it is made. Holds no rules."""

from __future__ import annotations

from dataclasses import asdict
from hashlib import sha256
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, File, Form, Request, UploadFile
from fastapi.responses import RedirectResponse, Response

from cartable.errors import DomainError
from cartable.i18n import Language, Message
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.places.models import Town
from mdm.api.deps import RuntimeDep, WorkDep
from mdm.console.filters import releases as release_pages
from mdm.console.filters.labels import UPDATE_PROBLEMS
from mdm.console.forms import CsrfField
from mdm.console.frame import (
    check_csrf,
    choose_town,
    get_language,
    list_permitted_towns,
    render_page,
    require_sign_in,
)
from mdm.console.page_route import PageRoute
from mdm.console.times import format_day, format_instant
from mdm.console.web_categories import list_category_names, name_category
from profiles.effective.list_previews import ListImportPreview, preview_list_import
from profiles.filters import former_lists, list_updates, service
from profiles.filters.comparison import ContentChange
from profiles.filters.models import ListUpdates
from profiles.filters.reading import read_archive
from profiles.filters.rules import BYPASS_CATEGORIES, IGNORED_CATEGORIES, LEGAL_CATEGORIES

router = APIRouter(prefix="/filter-lists", include_in_schema=False, route_class=PageRoute)
_NOTICES = {
    "imported": Message("The lists are imported."),
    "undone": Message("The former list is in force again."),
    "undone_release": Message("The former lists are in force again."),
    "approved": Message("The new lists go on."),
    "stopped": Message("The new lists are stopped; the former ones are in force."),
    "trials": Message("Saved. Tablets of the chosen schools get new lists first."),
    "updates": Message("Saved. Lists that come by themselves are fetched once a day."),
}
UploadField = Annotated[UploadFile, File()]


@router.get("")
def show_lists(request: Request, work: WorkDep, town: UUID | None = None, done: str = "") -> Response:
    """Show the categories of a town, and the form to import lists."""
    actor, _ = require_sign_in(request, work)
    return _render_lists(request, work, actor, choose_town(work, actor, Permission.AUTHOR, town), notice=done)


@router.post("/{town}/updates")
def save_updates(
    request: Request, work: WorkDep, town: UUID, csrf: CsrfField, is_wanted: Annotated[bool, Form()] = False
) -> Response:
    """Save whether the town's lists come by themselves from the operator's mirror."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    list_updates.set_updates(work, actor, choose_town(work, actor, Permission.AUTHOR, town).id, is_wanted=is_wanted)
    return RedirectResponse(f"/filter-lists?town={town}&done=updates", status_code=303)


@router.post("/{town}/preview")
def preview_import(
    request: Request,
    runtime: RuntimeDep,
    town: UUID,
    csrf: CsrfField,
    file: UploadField,
    remove_others: Annotated[bool, Form()] = False,
) -> Response:
    """Show what an archive would change. Nothing is stored, the archive neither."""
    with runtime.open_unit_of_work() as work:
        actor, _ = require_sign_in(request, work)
        check_csrf(request, csrf)
        chosen = choose_town(work, actor, Permission.AUTHOR, town)
    digest = _compute_digest(file)
    try:
        lists = read_archive(file.file)
    except DomainError as refusal:
        with runtime.open_unit_of_work() as work:
            return _render_lists(request, work, actor, chosen, refusal=refusal)
    preview = preview_list_import(runtime, actor, chosen.id, lists, remove_others=remove_others)
    return _render_preview(request, chosen, preview, digest, remove_others=remove_others)


@router.post("/{town}/import")
def import_lists(
    request: Request,
    runtime: RuntimeDep,
    town: UUID,
    csrf: CsrfField,
    file: UploadField,
    digest: Annotated[str, Form(max_length=64)] = "",
    remove_others: Annotated[bool, Form()] = False,
    confirmed: Annotated[bool, Form()] = False,
) -> Response:
    """Import the archive that was seen in the preview. Another one is shown first."""
    with runtime.open_unit_of_work() as work:
        actor, _ = require_sign_in(request, work)
        check_csrf(request, csrf)
        chosen = choose_town(work, actor, Permission.AUTHOR, town)
    given = _compute_digest(file)
    try:
        lists = read_archive(file.file)
        if given == digest:
            with runtime.open_unit_of_work() as work:
                service.import_lists(work, actor, chosen.id, lists, remove_others=remove_others, confirmed=confirmed)
            return RedirectResponse(f"/filter-lists?town={town}&done=imported", status_code=303)
    except DomainError as refusal:
        with runtime.open_unit_of_work() as work:
            return _render_lists(request, work, actor, chosen, refusal=refusal)
    preview = preview_list_import(runtime, actor, chosen.id, lists, remove_others=remove_others)
    return _render_preview(request, chosen, preview, given, remove_others=remove_others, is_other=bool(digest))


@router.get("/{town}/undo")
def preview_undo(request: Request, work: WorkDep, town: UUID, category: str) -> Response:
    """Show what putting back the former content of a category would change."""
    actor, _ = require_sign_in(request, work)
    language = get_language(request)
    chosen = choose_town(work, actor, Permission.AUTHOR, town)
    preview = former_lists.preview_undo(work, actor, chosen.id, category)
    return render_page(
        request,
        "filters/undo.html",
        town=chosen,
        name=preview.former.name,
        label=name_category(preview.former.name, language),
        role=_describe_role(preview.former.name, language),
        content=preview.former.content_sha256,
        day=format_day(preview.former.imported_at),
        hosts_now=preview.hosts_now,
        hosts_then=preview.former.hosts,
        leaving=preview.leaving,
        coming=preview.coming,
        is_floor=preview.former.name in LEGAL_CATEGORIES,
    )


@router.post("/{town}/undo")
def undo_import(
    request: Request,
    work: WorkDep,
    town: UUID,
    csrf: CsrfField,
    category: Annotated[str, Form(max_length=64)],
    content: Annotated[str, Form(max_length=64)],
) -> Response:
    """Put back the former content of a category that was seen in the preview."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    former_lists.undo_import(work, actor, choose_town(work, actor, Permission.AUTHOR, town).id, category, content)
    return RedirectResponse(f"/filter-lists?town={town}&done=undone", status_code=303)


def _compute_digest(file: UploadFile) -> str:
    digest = sha256()
    file.file.seek(0)
    while part := file.file.read(2**20):
        digest.update(part)
    file.file.seek(0)
    return digest.hexdigest()


def _render_lists(
    request: Request, work: UnitOfWork, actor: Actor, town: Town, *, notice: str = "", refusal: DomainError | None = None
) -> Response:
    language = get_language(request)
    categories = service.list_all_categories(work, actor, town.id)
    hosts = {category.name: category.hosts for category in categories}
    return render_page(
        request,
        "filters/lists.html",
        notice=_NOTICES[notice].translate(language) if notice in _NOTICES else "",
        refusal=refusal,
        town=town,
        towns=list_permitted_towns(work, actor, Permission.AUTHOR),
        categories=[
            {
                "name": name_category(each.name, language),
                "hosts": each.hosts,
                "role": _describe_role(each.name, language),
                "day": format_day(each.imported_at),
            }
            for each in categories
        ],
        former=[
            {
                "name": each.name,
                "label": name_category(each.name, language),
                "hosts": each.hosts,
                "day": format_day(each.imported_at),
                "replaced": format_instant(each.replaced_at),
            }
            for each in former_lists.list_former(work, actor, town.id)
        ],
        kept_days=former_lists.KEPT_FOR.days,
        missing=list_category_names((name for name in LEGAL_CATEGORIES if not hosts.get(name)), language),
        mirror=work.settings.filter_lists_url,
        releases=release_pages.describe_releases(work, actor, town.id, language),
        updates=_describe_updates(list_updates.get_updates(work, actor, town.id), language),
    )


def _describe_updates(row: ListUpdates | None, language: Language) -> dict[str, Any]:
    """Return a town's wish, the days of the last attempt and the last import, and what went wrong."""
    if row is None:
        return {"is_wanted": False}
    return {
        "is_wanted": row.is_wanted,
        "checked": format_instant(row.checked_at) if row.checked_at else "",
        "updated": format_instant(row.updated_at) if row.updated_at else "",
        "problem": UPDATE_PROBLEMS[row.problem].translate(language) if row.problem else "",
        "shrunk": list_category_names(row.shrunk or (), language),
    }


def _render_preview(
    request: Request, town: Town, preview: ListImportPreview, digest: str, *, remove_others: bool, is_other: bool = False
) -> Response:
    language, counts = get_language(request), preview.counts
    return render_page(
        request,
        "filters/preview.html",
        town=town,
        digest=digest,
        remove_others=remove_others,
        is_other=is_other,
        rows=_describe_changes(preview, language),
        samples=[{"name": name, **asdict(change)} for name, change in sorted(preview.changes.items())],
        opened_hosts=preview.opened_hosts,
        kept=counts.changes.kept,
        removed=counts.changes.removed,
        lost=counts.lost,
        lost_baseline=list_category_names(counts.lost_baseline, language),
        missing=list_category_names(counts.changes.missing_baseline, language),
        skipped=counts.changes.skipped,
    )


def _describe_changes(preview: ListImportPreview, language: Language) -> list[dict[str, Any]]:
    rows = []
    for name, number in sorted(preview.counts.changes.hosts.items()):
        change = preview.changes.get(name, ContentChange(0, 0))
        before = preview.counts.before.get(name, 0)
        row = {
            "name": name_category(name, language),
            "before": before,
            "after": number,
            "leaving": change.leaving,
            "coming": change.coming,
        }
        rows.append(row | {"role": _describe_role(name, language)})
    return rows


def _describe_role(category: str, language: Language) -> str:
    if category in LEGAL_CATEGORIES:
        return language.gettext("closed to every child")
    if category in BYPASS_CATEGORIES:
        return language.gettext("ways around a filter: closed")
    if category in IGNORED_CATEGORIES:
        return language.gettext("for other uses: blocks nothing")
    return language.gettext("as the rules of a place say")
