"""Pages of rosters: import a file, name its columns, and the list of imports."""

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
from cartable.uploads import read_upload
from enrollment.places import service as places
from enrollment.places.models import School, Town
from enrollment.places.rules import get_next_school_year, get_school_year
from enrollment.rollover.incoming_year import SummerFreeze, get_summer_freeze
from enrollment.rosters.files.columns import ColumnStatus, FileKind, get_field_aliases, make_header_key
from enrollment.rosters.files.tables import MAX_BYTES
from enrollment.rosters.imports import mapping, previewing, service
from enrollment.rosters.imports.changes import ChangeKind
from enrollment.rosters.models import ImportState, RosterImport
from mdm.api.deps import RuntimeDep, WorkDep
from mdm.console.forms import CsrfField
from mdm.console.frame import FieldsDep, check_csrf, get_language, list_permitted_towns, render_page, require_sign_in, select_town
from mdm.console.page_route import PageRoute
from mdm.console.people.labels import (
    EXPORT_REASONS,
    FILES,
    FORMATS,
    STANDINGS,
    STATES,
)
from mdm.console.roster_labels import FIELDS, describe_roster_refusal
from mdm.console.times import format_day, format_instant

router = APIRouter(include_in_schema=False, route_class=PageRoute)


NOTICES = {
    "confirmed": Message("The import is confirmed."),
    "undone": Message("The import is undone: everything is as before."),
    "decided": Message("Noted."),
    "columns_kept": Message("Saved. Upload the file again."),
}


@router.get("/rosters")
def show_rosters(request: Request, work: WorkDep, town: UUID | None = None, done: str = "") -> Response:
    """Show the import form, the latest imports and the exports."""
    actor, _ = require_sign_in(request, work)
    return render_rosters(
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
            options = previewing.prepare_reading(
                work, actor, chosen.id, school or None, kind=_parse_kind(kind), keep_contacts=keep_contacts, year=year or None
            )
        roster_file = read_upload(previewing.read_file, file.file.read(MAX_BYTES + 1), options)
        with runtime.open_unit_of_work() as work:
            row = previewing.store_preview(work, actor, chosen.id, roster_file, school or None, only_classes=only_classes)
    except ReauthenticationRequired:
        raise
    except DomainError as problem:
        with runtime.open_unit_of_work() as work:
            return render_rosters(request, work, actor, chosen, problem=problem, school=school)
    return RedirectResponse(f"/rosters/{row.id}", status_code=303)


@router.post("/rosters/columns")
def show_columns(
    request: Request,
    runtime: RuntimeDep,
    csrf: CsrfField,
    town: Annotated[UUID, Form()],
    file: Annotated[UploadFile, File()],
    school: Annotated[str, Form(max_length=20)] = "",
    kind: Annotated[str, Form(max_length=16)] = "",
) -> Response:
    """Show what each column of a file is read as, with a choice for each. Nothing of the file is stored."""
    with runtime.open_unit_of_work() as work:
        actor, _ = require_sign_in(request, work)
        check_csrf(request, csrf)
        chosen = select_town(list_permitted_towns(work, actor, Permission.ROSTER), town)
        place = next((each for each in _list_schools(work, actor, chosen) if each.uai == school), None)
        overrides = mapping.load_file_overrides(work, actor, chosen.id, school or None)
    try:
        if place is None:
            raise NotFound
        file_kind, columns = read_upload(mapping.read_columns, file.file.read(MAX_BYTES + 1), _parse_kind(kind), overrides)
    except DomainError as problem:
        with runtime.open_unit_of_work() as work:
            return render_rosters(request, work, actor, chosen, problem=problem, school=school)
    with runtime.open_unit_of_work() as work:
        saved_mapping = mapping.get_mapping(work, actor, chosen.id, place.id).get(file_kind, {})
    language = get_language(request)
    return render_page(
        request,
        "people/roster_columns.html",
        school=place,
        kind=file_kind.value,
        kind_label=FILES[file_kind].translate(language),
        fields=[(name, field_label(name, language)) for name in get_field_aliases(file_kind)],
        columns=[
            {"title": title, "field": field or "", "field_label": field_label(field, language) if field else "",
             "hand": saved_mapping.get(make_header_key(title), ""), "standing": STANDINGS[status].translate(language), "forbidden": status is ColumnStatus.FORBIDDEN}
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


def _list_schools(work: UnitOfWork, actor: Actor, town: Town) -> list[School]:
    return [
        each for each in places.list_schools(work, actor, town.id) if actor.has_permission(Permission.ROSTER, town.id, each.id)
    ]


def _parse_kind(text: str) -> FileKind | None:
    return FileKind(text) if text in {*FileKind} else None


def field_label(name: str, language: Language) -> str:
    """Return the name of a field of rosters for people."""
    return FIELDS[name].translate(language) if name in FIELDS else name


def render_rosters(
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
    """Return the page of rosters, with what went wrong or what is missing for an export."""
    language = get_language(request)
    turn, schools = get_summer_freeze(work, town.id), _list_schools(work, actor, town)
    names = {each.id: each.name for each in schools}
    problem_text = describe_roster_refusal(problem, language) if problem else ""
    if problem is not None and str(problem.details.get("why", "")).startswith("missing_"):
        problem_text = f"{problem_text} {language.gettext('A needed column was not recognised: “Name the columns” lets you say what they are.')}"
    return render_page(
        request,
        "people/rosters.html",
        status=problem.status if problem else 200,
        problem=problem_text,
        notice=NOTICES[notice].translate(language) if notice in NOTICES else "",
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
            describe_import(row, names, language) for row in service.list_imports(work, actor, town.id, PageRequest(20)).items
        ],
    )


def _list_years(turn: SummerFreeze) -> list[str]:
    present = get_school_year(turn.today)
    return [present, get_next_school_year(present)]


def describe_import(row: RosterImport, names: dict[UUID, str], language: Language) -> dict[str, Any]:
    """Return an import as lists and its own page show it; `names` are those of schools."""
    changed = sum(row.counts.get(kind.value, 0) for kind in ChangeKind if kind is not ChangeKind.UNCHANGED)
    return {
        "id": row.id, "at": format_instant(row.uploaded_at), "school": names.get(row.school_id, "–") if row.school_id else "–",
        "format": FORMATS[row.format].translate(language) if row.format in FORMATS else row.format, "year": row.counts.get("year", "–"), "state": STATES[row.state].translate(language),
        "tone": {ImportState.PREVIEWED: "warn", ImportState.CONFIRMED: "good"}.get(row.state, "soft"), "changed": changed,
    }  # fmt: skip
