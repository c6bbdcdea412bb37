"""Pages of one roster import: what it would change, the lines to decide, confirm, undo, discard."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cartable.errors import NotFound
from cartable.i18n import Language
from cartable.scope import Actor
from cartable.unit_of_work import UnitOfWork
from enrollment.places import service as places
from enrollment.places.rules import get_school_year
from enrollment.rollover.incoming_year import get_summer_freeze
from enrollment.rosters.exports.service import SheetFormat
from enrollment.rosters.files.rows import DOUBTFUL_LETTERS
from enrollment.rosters.imports import deciding, report, service
from enrollment.rosters.imports.changes import UNDECIDED_KINDS, ChangeKind
from enrollment.rosters.models import ImportState
from mdm.api.attachments import MEDIA_TYPES, build_attachment
from mdm.api.deps import WorkDep
from mdm.console.forms import CsrfField
from mdm.console.frame import check_csrf, get_language, render_page, require_sign_in
from mdm.console.page_route import PageRoute
from mdm.console.people.labels import (
    explain_reasons,
    explain_warning,
)
from mdm.console.people.rosters import NOTICES, describe_import
from mdm.console.times import format_instant, show_times_in

router = APIRouter(include_in_schema=False, route_class=PageRoute)


_PAGE_SIZE = 50
_SAMPLE_SIZE = 5
#: What a person must look at before confirming.
_PROBLEMS = frozenset({ChangeKind.INVALID, ChangeKind.DUPLICATE, ChangeKind.AMBIGUOUS, ChangeKind.LEFT_FILE})


@router.get("/rosters/{import_id}")
def show_import(request: Request, work: WorkDep, import_id: UUID, kind: str = "", offset: int = 0, done: str = "") -> Response:
    """Show one import: its changes and the lines to review."""
    actor, _ = require_sign_in(request, work)
    return _render_import(request, work, actor, import_id, kind, max(0, offset), done)


@router.get("/rosters/{import_id}/report.{form}")
def download_report(request: Request, work: WorkDep, import_id: UUID, form: SheetFormat) -> Response:
    """Return the report of an import as a file."""
    actor, _ = require_sign_in(request, work)
    changes, language = service.list_lines(work, actor, import_id), get_language(request)
    content = report.write_csv(changes, language) if form is SheetFormat.CSV else report.write_xlsx(changes, language)
    return build_attachment(content, f"import-{import_id}.{form.value}", MEDIA_TYPES[form.value])


@router.post("/rosters/{import_id}/lines/{number}")
def decide_line(
    request: Request,
    work: WorkDep,
    import_id: UUID,
    number: int,
    csrf: CsrfField,
    target: Annotated[str, Form(max_length=36)] = "",
) -> Response:
    """Store which person a line is about."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    try:
        target_id = UUID(target) if target else None
    except ValueError as error:
        raise NotFound from error
    deciding.decide_line(work, actor, import_id, number, target_id)
    return RedirectResponse(f"/rosters/{import_id}?done=decided", status_code=303)


@router.post("/rosters/{import_id}/{act}")
def act_on_import(request: Request, work: WorkDep, import_id: UUID, act: str, csrf: CsrfField) -> Response:
    """Confirm, undo or discard an import."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    match act:
        case "confirm":
            service.confirm_import(work, actor, import_id)
            return RedirectResponse(f"/rosters/{import_id}?done=confirmed", status_code=303)
        case "undo":
            service.undo_import(work, actor, import_id)
            return RedirectResponse(f"/rosters/{import_id}?done=undone", status_code=303)
        case "discard":
            service.discard_import(work, actor, import_id)
            return RedirectResponse("/rosters", status_code=303)
        case _:
            raise NotFound


def _render_import(
    request: Request, work: UnitOfWork, actor: Actor, import_id: UUID, kind: str, offset: int, done: str
) -> Response:
    language, row = get_language(request), service.get_import(work, actor, import_id)
    show_times_in(places.get_town_zone(work, row.town_id))
    lines = service.list_lines(work, actor, import_id) if row.plan is not None else []
    numbered = list(enumerate(lines))
    chosen = ChangeKind(kind) if kind in {*ChangeKind} else None
    selected = [
        (number, line) for number, line in numbered if (kind == "all" or (_needs_review(line) if chosen is None else line["kind"] == chosen))
    ]  # fmt: skip
    page_lines = selected[offset : offset + _PAGE_SIZE]
    ids = {UUID(each) for _, line in page_lines for each in line["candidates"]}
    names = service.get_person_names(work, actor, row.town_id, ids) if ids else {}
    waiting = row.state is ImportState.PREVIEWED and row.plan is not None
    more = urlencode({"kind": kind, "offset": offset + _PAGE_SIZE}) if len(selected) > offset + _PAGE_SIZE else ""
    year = str(row.counts.get("year", ""))
    return render_page(
        request,
        "people/roster.html",
        notice=NOTICES[done].translate(language) if done in NOTICES else "",
        row=describe_import(row, {}, language),
        title=language.gettext("Import of {at}", at=format_instant(row.uploaded_at)),
        for_year=language.gettext("Roster of the year {year}", year=year) if year else "",
        early=waiting and year > get_school_year(get_summer_freeze(work, row.town_id).today),
        frozen=waiting and bool(row.counts.get("frozen")),
        counts=[
            {
                "kind": each.value,
                "count": row.counts.get(each.value, 0),
                "here": chosen is each,
                "label": report.KINDS[each.value].translate(language, count=row.counts.get(each.value, 0)),
            }
            for each in ChangeKind
        ],
        warnings=[explain_warning(each, language) for each in row.warnings],
        sample=sorted((_format_name(line) for line in lines if line["line"] and line["row"]), key=str.isascii)[:_SAMPLE_SIZE],
        ignored=row.counts.get("ignored", []),
        skipped=language.ngettext(
            "{count} empty or footer line skipped", "{count} empty or footer lines skipped", row.counts["skipped"]
        )
        if row.counts.get("skipped")
        else "",
        kind=kind,
        kind_label=report.KINDS[chosen.value].translate(language, count=len(selected))
        if chosen
        else language.gettext("All lines")
        if kind == "all"
        else language.gettext("To review"),
        lines=[_describe_line(number, line, names, language, waiting=waiting) for number, line in page_lines],
        next_url=f"/rosters/{row.id}?{more}" if more else "",
        waiting=waiting,
        readable=row.plan is not None,
        undoable=row.state is ImportState.CONFIRMED and row.undo_log is not None,
        second=language.ngettext(
            "{count} person would leave the school: the file may be partial. Somebody other than the uploader must confirm.",
            "{count} people would leave the school: the file may be partial. Somebody other than the uploader must confirm.",
            row.counts.get(ChangeKind.LEFT_FILE.value, 0),
        )
        if waiting and row.needs_second_person
        else "",
        mine=row.needs_second_person and actor.account_id == row.uploaded_by,
    )


def _needs_review(line: dict[str, Any]) -> bool:
    """Return whether a person should read the line before confirming: a problem, lost letters, or a decision about next year."""
    reasons = line["why"]
    return (
        ChangeKind(line["kind"]) in _PROBLEMS
        or DOUBTFUL_LETTERS in reasons
        or any(each.startswith("rollover_") for each in reasons)
    )


def _describe_line(
    number: int, line: dict[str, Any], names: dict[UUID, str], language: Language, *, waiting: bool
) -> dict[str, Any]:
    kind, row = ChangeKind(line["kind"]), line["row"] or {}
    return {
        "number": number, "line": line["line"] or "–", "name": _format_name(line), "grade": row.get("grade") or "–",
        "class": row.get("class_label") or "–", "kind": report.KINDS[kind.value].translate(language),
        "subject": report.SUBJECTS[line["subject"]].translate(language), "why": explain_reasons(line["why"], language),
        "decide": waiting and kind in UNDECIDED_KINDS,
        "candidates": [(each, names.get(UUID(each), "–")) for each in line["candidates"]],
    }  # fmt: skip


def _format_name(line: dict[str, Any]) -> str:
    row = line["row"] or {}
    return f"{row.get('first_name') or ''} {row.get('usage_name') or row.get('last_name') or ''}".strip()
