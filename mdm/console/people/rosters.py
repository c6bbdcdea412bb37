"""Pages of rosters: import a file, review what it would change, name its columns, confirm, undo, and export rosters."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, File, Form, Request, UploadFile
from fastapi.responses import RedirectResponse, Response

from cartable.errors import DomainError, NotFound, ReauthenticationRequired
from cartable.i18n import Language, Message
from cartable.paging import PageRequest
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from cartable.uploads import reading_upload
from enrollment.places import service as places
from enrollment.places.models import School, Town
from enrollment.places.rules import school_year_of
from enrollment.rollover.incoming_year import SummerFreeze, get_summer_freeze
from enrollment.rollover.rules import next_school_year
from enrollment.rosters.exports import service as exports
from enrollment.rosters.exports.service import SheetFormat, TemplatePart
from enrollment.rosters.files.columns import ColumnStatus, FileKind, get_field_aliases, header_key
from enrollment.rosters.files.errors import UnreadableRoster
from enrollment.rosters.files.rows import DOUBTFUL_LETTERS
from enrollment.rosters.files.tables import MAX_BYTES
from enrollment.rosters.imports import deciding, mapping, report, service
from enrollment.rosters.imports.changes import UNDECIDED_KINDS, ChangeKind
from enrollment.rosters.models import ImportState, RosterImport
from mdm.api.deps import RuntimeDep, WorkDep
from mdm.api.people.rosters import MEDIA_TYPES, build_attachment
from mdm.console.forms import CsrfField, attempt
from mdm.console.frame import FieldsDep, check_csrf, get_language, list_permitted_towns, render_page, require_sign_in, select_town
from mdm.console.page_route import PageRoute
from mdm.console.people.labels import (
    EXPORT_REASONS,
    FIELDS,
    FILES,
    STANDINGS,
    STATES,
    explain_reasons,
    explain_unreadable,
    explain_warning,
)
from mdm.console.times import format_day, format_instant, show_times_in

router = APIRouter(include_in_schema=False, route_class=PageRoute)
_PAGE_SIZE = 50
_SAMPLE_SIZE = 5
#: What a person must look at before confirming.
_PROBLEMS = frozenset({ChangeKind.INVALID, ChangeKind.DUPLICATE, ChangeKind.AMBIGUOUS, ChangeKind.LEFT_FILE})
_NOTICES = {
    "confirmed": Message("The import is confirmed."),
    "undone": Message("The import is undone: everything is as before."),
    "decided": Message("Noted."),
    "columns_kept": Message("Saved. Upload the file again."),
}


@router.get("/rosters")
def show_rosters(request: Request, work: WorkDep, town: UUID | None = None, done: str = "") -> Response:
    """Show the import form, the latest imports and the exports."""
    actor, _ = require_sign_in(request, work)
    return _render_rosters(
        request, work, actor, select_town(list_permitted_towns(work, actor, Permission.ROSTER), town), notice=done
    )


@router.post("/rosters")
def upload_roster(
    request: Request,
    runtime: RuntimeDep,
    csrf: CsrfField,
    town: Annotated[UUID, Form()],
    file: Annotated[UploadFile, File()],
    school: Annotated[str, Form(max_length=20)] = "",
    kind: Annotated[str, Form(max_length=16)] = "",
    year: Annotated[str, Form(max_length=9)] = "",
    keep_contacts: Annotated[bool, Form()] = False,
    only_classes: Annotated[bool, Form()] = False,
) -> Response:
    """Read a file and show what it would change; show the form again with the reason when it cannot be read."""
    with runtime.open_unit_of_work() as work:
        actor, _ = require_sign_in(request, work)
        check_csrf(request, csrf)
        chosen = select_town(list_permitted_towns(work, actor, Permission.ROSTER), town)
    try:
        with runtime.open_unit_of_work() as work:
            options = service.prepare_reading(
                work, actor, chosen.id, school or None, kind=_parse_kind(kind), keep_contacts=keep_contacts, year=year or None
            )
        with reading_upload():
            roster_file = service.read_file(file.file.read(MAX_BYTES + 1), options)
        with runtime.open_unit_of_work() as work:
            row = service.store_preview(work, actor, chosen.id, roster_file, school or None, only_classes=only_classes)
    except ReauthenticationRequired:
        raise
    except DomainError as problem:
        with runtime.open_unit_of_work() as work:
            return _render_rosters(request, work, actor, chosen, problem=problem, school=school)
    return RedirectResponse(f"/rosters/{row.id}", status_code=303)


@router.post("/rosters/columns")
def show_columns(
    request: Request,
    work: WorkDep,
    csrf: CsrfField,
    town: Annotated[UUID, Form()],
    file: Annotated[UploadFile, File()],
    school: Annotated[str, Form(max_length=20)] = "",
    kind: Annotated[str, Form(max_length=16)] = "",
) -> Response:
    """Show what each column of a file is read as, with a choice for each. Nothing of the file is stored."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    chosen, content = select_town(list_permitted_towns(work, actor, Permission.ROSTER), town), file.file.read(MAX_BYTES + 1)
    place = next((each for each in _list_schools(work, actor, chosen) if each.uai == school), None)
    preview: list[Any] = []
    problem = attempt(
        work, lambda: preview.extend(mapping.preview_columns(work, actor, chosen.id, content, school or None, _parse_kind(kind)))
    )
    if problem is not None or place is None:
        return _render_rosters(request, work, actor, chosen, problem=problem or NotFound(), school=school)
    file_kind, columns = preview
    saved_mapping = mapping.get_mapping(work, actor, chosen.id, place.id).get(file_kind, {})
    language = get_language(request)
    return render_page(
        request,
        "people/roster_columns.html",
        school=place,
        kind=file_kind.value,
        kind_label=FILES[file_kind].translate(language),
        fields=[(name, _field_label(name, language)) for name in get_field_aliases(file_kind)],
        columns=[
            {"title": title, "field": field or "", "field_label": _field_label(field, language) if field else "",
             "hand": saved_mapping.get(header_key(title), ""), "standing": STANDINGS[status].translate(language), "forbidden": status is ColumnStatus.FORBIDDEN}
            for title, field, status in columns
        ],
    )  # fmt: skip


@router.post("/rosters/mapping")
def save_columns(request: Request, work: WorkDep, fields: FieldsDep) -> Response:
    """Store the chosen columns of one school. Columns that keep the meaning of their name are left out."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, fields.get("csrf", ""))
    field_by_title = {
        fields[f"title_{name.removeprefix('field_')}"]: value
        for name, value in fields.items()
        if name.startswith("field_") and value and f"title_{name.removeprefix('field_')}" in fields
    }
    try:
        school_id, kind = UUID(fields.get("school", "")), FileKind(fields.get("kind", ""))
    except ValueError as error:
        raise NotFound from error
    school = mapping.get_school(work, actor, school_id)
    row = mapping.set_mapping(work, actor, school.town_id, school.id, kind, field_by_title)
    return RedirectResponse(f"/rosters?{urlencode({'town': row.town_id, 'done': 'columns_kept'})}", status_code=303)


@router.get("/rosters/export/own.{form}")
def export_template(
    request: Request, work: WorkDep, form: SheetFormat, town: UUID, school: str = "", part: TemplatePart = TemplatePart.PUPILS
) -> Response:
    """Return the Cartable template, filled in."""
    actor, _ = require_sign_in(request, work)
    content = exports.export_own_template(work, actor, town, UUID(school) if school else None, part, form)
    return build_attachment(content, f"cartable-{part.value}.{form.value}", MEDIA_TYPES[form.value])


@router.post("/rosters/export/oneroster")
def export_oneroster(request: Request, work: WorkDep, csrf: CsrfField, town: Annotated[UUID, Form()]) -> Response:
    """Return the set of OneRoster files."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    return build_attachment(exports.export_oneroster(work, actor, town), "oneroster.zip", "application/zip")


@router.post("/rosters/export/apple")
def export_apple(request: Request, work: WorkDep, csrf: CsrfField, town: Annotated[UUID, Form()]) -> Response:
    """Return the files for Apple School Manager, or the page with the reasons why they would be incomplete."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    problems = exports.check_apple_export(work, actor, town)
    if problems:
        return _render_rosters(
            request,
            work,
            actor,
            select_town(list_permitted_towns(work, actor, Permission.ROSTER), town),
            reasons=[(each.code, each.count) for each in problems],
        )
    return build_attachment(exports.export_apple(work, actor, town), "apple-school-manager.zip", "application/zip")


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


def _list_schools(work: UnitOfWork, actor: Actor, town: Town) -> list[School]:
    return [
        each for each in places.list_schools(work, actor, town.id) if actor.has_permission(Permission.ROSTER, town.id, each.id)
    ]


def _parse_kind(text: str) -> FileKind | None:
    return FileKind(text) if text in {*FileKind} else None


def _field_label(name: str, language: Language) -> str:
    return FIELDS[name].translate(language) if name in FIELDS else name


def _render_rosters(
    request: Request,
    work: UnitOfWork,
    actor: Actor,
    town: Town,
    *,
    problem: DomainError | None = None,
    notice: str = "",
    school: str = "",
    reasons: list[tuple[str, int]] | None = None,
) -> Response:
    language = get_language(request)
    turn, schools = get_summer_freeze(work, town.id), _list_schools(work, actor, town)
    names = {each.id: each.name for each in schools}
    problem_text = problem.translate(language) if problem else ""
    if isinstance(problem, UnreadableRoster):
        problem_text = language.gettext(
            "This file cannot be read: {why}.", why=explain_unreadable(str(problem.details.get("why", "")), language)
        )
    if problem is not None and str(problem.details.get("why", "")).startswith("missing_"):
        problem_text = f"{problem_text} {language.gettext('A needed column was not recognised: “Name the columns” lets you say what they are.')}"
    return render_page(
        request,
        "people/rosters.html",
        status=problem.status if problem else 200,
        problem=problem_text,
        notice=_NOTICES[notice].translate(language) if notice in _NOTICES else "",
        town=town,
        towns=list_permitted_towns(work, actor, Permission.ROSTER),
        schools=schools,
        school=school or (schools[0].uai if len(schools) == 1 else ""),
        whole_town=actor.has_permission(Permission.AUTHOR, town.id),
        may_export=actor.has_permission_somewhere(Permission.LEAD, town.id),
        kinds=[(kind.value, words.translate(language)) for kind, words in FILES.items()],
        years=_list_years(turn),
        year=turn.roster_year,
        frozen=language.gettext(
            "From {first} to {last} no roster removes anybody. The rosters of the new year wait for 1 September: grades change on that day.",
            first=format_day(turn.freezes_on),
            last=format_day(turn.starts_on),
        )
        if turn.is_active
        else "",
        reasons=[
            (EXPORT_REASONS[code].translate(language) if code in EXPORT_REASONS else code, count) for code, count in reasons or ()
        ],
        imports=[
            _describe_import(row, names, language) for row in service.list_imports(work, actor, town.id, PageRequest(20)).items
        ],
    )


def _list_years(turn: SummerFreeze) -> list[str]:
    present = school_year_of(turn.today)
    return [present, next_school_year(present)]


def _describe_import(row: RosterImport, names: dict[UUID, str], language: Language) -> dict[str, Any]:
    changed = sum(row.counts.get(kind.value, 0) for kind in ChangeKind if kind is not ChangeKind.UNCHANGED)
    return {
        "id": row.id, "at": format_instant(row.uploaded_at), "school": names.get(row.school_id, "–") if row.school_id else "–",
        "format": row.format, "year": row.counts.get("year", "–"), "state": STATES[row.state].translate(language),
        "tone": {ImportState.PREVIEWED: "warn", ImportState.CONFIRMED: "good"}.get(row.state, "soft"), "changed": changed,
    }  # fmt: skip


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
        notice=_NOTICES[done].translate(language) if done in _NOTICES else "",
        row=_describe_import(row, {}, language),
        title=language.gettext("Import of {at}", at=format_instant(row.uploaded_at)),
        for_year=language.gettext("Roster of the year {year}", year=year) if year else "",
        early=waiting and year > school_year_of(get_summer_freeze(work, row.town_id).today),
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
