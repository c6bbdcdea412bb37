"""Endpoints of roster imports: column mappings, preview, lines and their decisions, confirm, undo, discard."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, File, Form, Query, Request, UploadFile
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from cartable.i18n import choose_language
from cartable.paging import PageRequest, paginate
from cartable.uploads import read_upload
from enrollment.rosters.files.columns import ColumnStatus, FileKind, get_field_aliases
from enrollment.rosters.files.tables import MAX_BYTES
from enrollment.rosters.imports import deciding, mapping, previewing, report, service
from enrollment.rosters.imports.changes import ChangeKind, Subject
from enrollment.rosters.models import ImportState
from mdm.api.deps import ActorDep, EarlyActorDep, RuntimeDep, WorkDep
from mdm.api.paging import PageOut, PageParams

router = APIRouter(prefix="/rosters", tags=["rosters"])


class RosterWarningOut(BaseModel):
    """A doubt about a file as a whole."""

    model_config = ConfigDict(from_attributes=True)
    code: Literal["encoding_guessed", "doubtful_letters", "unknown_role"]
    encoding: str | None = Field(
        default=None, description="The encoding that the letters of the file point to.", examples=["cp850"]
    )
    role: str | None = Field(default=None, description="A role that is none of the standard's; its people are left out.")
    count: int | None = Field(default=None, description="The number of lines concerned.")


class RosterOut(BaseModel):
    """A roster import and the counts of what it would change, or has changed."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    town_id: UUID
    school_id: UUID | None
    format: str = Field(examples=["onde"])
    state: ImportState
    counts: dict[str, Any] = Field(
        description="Lines by kind of change, all and `by_subject`; `ignored` names the columns that were dropped."
    )
    warnings: list[RosterWarningOut] = Field(description="Doubts about the file, to look at before confirming.")
    needs_second_person: bool = Field(description="So many people would leave that another person must confirm.")
    uploaded_at: datetime
    confirmed_at: datetime | None
    undone_at: datetime | None


class RosterLineOut(BaseModel):
    """One change of a roster import."""

    number: int = Field(description="Its place in the report; a decision names it.")
    line: int = Field(description="Line of the file; 0: a person whom the file no longer names.")
    subject: Subject
    kind: ChangeKind
    school_id: UUID | None
    target_id: UUID | None = Field(description="The pupil, guardian or staff member it changes; null for a new person.")
    last_name: str
    first_name: str
    grade: str
    class_label: str
    why: list[str] = Field(description="Stable codes.")
    candidates: list[UUID] = Field(description="The people whom an ambiguous line may name.")


class RosterColumnOut(BaseModel):
    """One column of a roster file."""

    title: str
    field: str | None
    standing: ColumnStatus


class RosterColumnsOut(BaseModel):
    """How the columns of a roster file would be read."""

    kind: FileKind
    columns: list[RosterColumnOut]


class RosterFieldOut(BaseModel):
    """One field that a roster can hold."""

    kind: FileKind
    field: str
    known_as: list[str] = Field(description="Column titles, without accents, spaces and capitals.")


class RosterMappingIn(BaseModel):
    """Which column titles mean which fields."""

    kind: FileKind
    columns: dict[str, str] = Field(
        description="Title of a column → field, `-` to leave it out.", examples=[{"Patronyme": "last_name"}]
    )


class RosterMappingOut(BaseModel):
    """The column mapping of one kind of file."""

    kind: FileKind
    columns: dict[str, str]


class LineDecisionIn(BaseModel):
    """The person whom a line names."""

    target_id: UUID | None = Field(description="One of the line's candidates; null: a new person.")


class ReportFormat(StrEnum):
    """File formats of the report."""

    CSV = "csv"
    XLSX = "xlsx"


MEDIA_TYPES = {
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
Upload = Annotated[
    UploadFile, File(description="ONDE extraction, Cartable's own format, staff list (CSV or XLSX) or OneRoster (zip); 5 MB.")
]
Uai = Annotated[str | None, Form(max_length=20, description="Needed for ONDE files, which do not name their school.")]


@router.post("", response_model=RosterOut, status_code=201)
def preview_roster(
    runtime: RuntimeDep,
    actor: EarlyActorDep,
    file: Upload,
    town_id: Annotated[UUID, Form()],
    school_uai: Uai = None,
    kind: Annotated[FileKind | None, Form(description="Whom the file lists, where its header does not show it.")] = None,
    keep_contacts: Annotated[
        bool, Form(description="Keep the e-mail address and mobile number of guardians: they tell two of one name apart.")
    ] = False,
    only_classes: Annotated[
        bool, Form(description="The file lists some classes only: nobody of another class has left.")
    ] = False,
    year: Annotated[
        str | None,
        Form(pattern=r"^20\d\d-20\d\d$", description="The school year of the file; in summer the coming one unless given."),
    ] = None,
) -> object:
    """Upload a roster and preview what it would change.

    Nothing is written before the import is confirmed; the file is not stored.
    """
    with runtime.open_unit_of_work() as work:
        options = previewing.prepare_reading(work, actor, town_id, school_uai, kind=kind, keep_contacts=keep_contacts, year=year)
    roster_file = read_upload(previewing.read_file, file.file.read(MAX_BYTES + 1), options)
    with runtime.open_unit_of_work() as work:
        return previewing.store_preview(work, actor, town_id, roster_file, school_uai, only_classes=only_classes)


@router.get("")
def list_rosters(town_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[RosterOut]:
    """List the roster imports of a town, newest first."""
    return PageOut.of(service.list_imports(work, actor, town_id, page), RosterOut.model_validate)


@router.post("/columns", response_model=RosterColumnsOut)
def inspect_roster_columns(
    runtime: RuntimeDep,
    actor: EarlyActorDep,
    file: Upload,
    town_id: Annotated[UUID, Form()],
    school_uai: Uai = None,
    kind: Annotated[FileKind | None, Form()] = None,
) -> RosterColumnsOut:
    """Show how each column of a roster file would be read.

    Nothing is kept.
    """
    with runtime.open_unit_of_work() as work:
        overrides = mapping.load_file_overrides(work, actor, town_id, school_uai)
    file_kind, columns = read_upload(mapping.read_columns, file.file.read(MAX_BYTES + 1), kind, overrides)
    return RosterColumnsOut(kind=file_kind, columns=[RosterColumnOut(title=t, field=f, standing=s) for t, f, s in columns])


@router.get("/fields")
def list_roster_fields(_actor: ActorDep, page: PageParams) -> PageOut[RosterFieldOut]:
    """List the fields that a roster can hold, with the column titles that are recognised.

    A mapping adds titles.
    """
    fields = [
        RosterFieldOut(kind=kind, field=name, known_as=titles)
        for kind in FileKind
        for name, titles in get_field_aliases(kind).items()
    ]
    return PageOut.of(paginate(fields, page, lambda field: (field.kind, field.field)), lambda field: field)


@router.get("/mappings")
def list_town_roster_mappings(town_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[RosterMappingOut]:
    """List the column mappings that hold for all roster files of a town."""
    return _build_mappings_page(mapping.get_mapping(work, actor, town_id, None), page)


@router.put("/mappings", response_model=RosterMappingOut)
def set_town_roster_mapping(town_id: UUID, body: RosterMappingIn, work: WorkDep, actor: ActorDep) -> object:
    """Set which column titles mean which fields in all roster files of a town.

    A school's own mapping goes before it.
    """
    return mapping.set_mapping(work, actor, town_id, None, body.kind, body.columns)


@router.get("/mappings/{school_id}")
def list_school_roster_mappings(school_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[RosterMappingOut]:
    """List the column mappings of one school's roster files."""
    school = mapping.get_school(work, actor, school_id)
    return _build_mappings_page(mapping.get_mapping(work, actor, school.town_id, school.id), page)


def _build_mappings_page(mappings: Mapping[FileKind, Mapping[str, str]], page: PageRequest) -> PageOut[RosterMappingOut]:
    return PageOut.of(
        paginate([*mappings.items()], page, lambda row: (row[0],)),
        lambda row: RosterMappingOut(kind=row[0], columns=dict(row[1])),
    )


@router.put("/mappings/{school_id}", response_model=RosterMappingOut)
def set_school_roster_mapping(school_id: UUID, body: RosterMappingIn, work: WorkDep, actor: ActorDep) -> object:
    """Set which column titles mean which fields in one school's roster files.

    What is never kept of a child cannot be mapped.
    """
    school = mapping.get_school(work, actor, school_id)
    return mapping.set_mapping(work, actor, school.town_id, school.id, body.kind, body.columns)


@router.get("/{import_id}", response_model=RosterOut)
def get_roster(import_id: UUID, work: WorkDep, actor: ActorDep) -> object:
    """Get one roster import."""
    return service.get_import(work, actor, import_id)


@router.get("/{import_id}/lines")
def list_roster_lines(
    import_id: UUID,
    work: WorkDep,
    actor: ActorDep,
    page: PageParams,
    kind: Annotated[list[ChangeKind] | None, Query(description="Only lines of these kinds.")] = None,
) -> PageOut[RosterLineOut]:
    """List the changes of a roster import line by line.

    They can be read for a day; the reading is audited.
    """
    return PageOut.of(service.list_lines_page(work, actor, import_id, kind, page), lambda row: _build_line_out(*row))


def _build_line_out(number: int, change: dict[str, Any]) -> RosterLineOut:
    row = change["row"] or {}
    named = {name: row.get(name) or "" for name in ("last_name", "first_name", "grade", "class_label")}
    return RosterLineOut(number=number, **named, **{name: change[name] for name in RosterLineOut.model_fields if name in change})


@router.put("/{import_id}/lines/{number}", response_model=RosterOut)
def resolve_roster_line(import_id: UUID, number: int, body: LineDecisionIn, work: WorkDep, actor: ActorDep) -> object:
    """Choose the person whom an ambiguous line of a roster import names."""
    return deciding.decide_line(work, actor, import_id, number, body.target_id)


@router.get("/{import_id}/report.{file_format}", response_class=Response)
def download_roster_report(
    import_id: UUID, file_format: ReportFormat, request: Request, work: WorkDep, actor: ActorDep
) -> Response:
    """Download the changes of a roster import as a file.

    Cells that a spreadsheet would run as formulas are made harmless.
    """
    changes, language = service.list_lines(work, actor, import_id), choose_language(request.headers.get("accept-language"))
    content = report.write_csv(changes, language) if file_format is ReportFormat.CSV else report.write_xlsx(changes, language)
    return build_attachment(content, f"import-{import_id}.{file_format.value}", MEDIA_TYPES[file_format.value])


def build_attachment(content: bytes, name: str, media_type: str) -> Response:
    """Return a response that the browser saves as a file."""
    return Response(content, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'})


@router.post("/{import_id}/confirm", response_model=RosterOut)
def confirm_roster(import_id: UUID, work: WorkDep, actor: ActorDep) -> object:
    """Confirm a roster import and write all its changes."""
    return service.confirm_import(work, actor, import_id)


@router.post("/{import_id}/undo", response_model=RosterOut)
def undo_roster(import_id: UUID, work: WorkDep, actor: ActorDep) -> object:
    """Undo the last roster import of its schools, within a day."""
    return service.undo_import(work, actor, import_id)


@router.delete("/{import_id}", status_code=204)
def discard_roster(import_id: UUID, work: WorkDep, actor: ActorDep) -> None:
    """Discard a roster import that is not confirmed."""
    service.discard_import(work, actor, import_id)
