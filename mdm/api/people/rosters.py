"""Roster imports: look at the columns, preview, read line by line, decide, confirm, undo or discard."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, File, Form, Query, Request, UploadFile
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from cartable.i18n import preferred_language
from enrollment.people.files.columns import FileKind, Standing, fields_of
from enrollment.people.files.tables import MAX_BYTES
from enrollment.people.imports import deciding, mapping, report, service
from enrollment.people.imports.changes import Diff, Subject
from enrollment.people.models import ImportState
from mdm.api.deps import ActorDep, WorkDep

router = APIRouter(prefix="/rosters", tags=["rosters"])


class RosterOut(BaseModel):
    """An import: what it would change, or has changed."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    town_id: UUID
    school_id: UUID | None
    format: str = Field(examples=["onde"])
    state: ImportState
    counts: dict[str, Any] = Field(
        description="Lines by kind of change, all and `by_subject`; `ignored` names the columns that were dropped."
    )
    needs_second: bool = Field(description="So many people would leave that another person must confirm.")
    uploaded_at: datetime
    confirmed_at: datetime | None
    undone_at: datetime | None


class LineOut(BaseModel):
    """One line of the report."""

    number: int = Field(description="Its place in the report, by which it is decided.")
    line: int = Field(description="Line of the file; 0: somebody whom the file no longer names.")
    subject: Subject
    kind: Diff
    school_id: UUID | None
    target_id: UUID | None = Field(description="The pupil, guardian or adult it speaks of; none for a new one.")
    last_name: str
    first_name: str
    level: str
    class_label: str
    why: list[str] = Field(description="Stable words.")
    candidates: list[UUID] = Field(description="Whom an ambiguous line may speak of.")


class ColumnOut(BaseModel):
    """One column of a file."""

    title: str
    field: str | None
    standing: Standing


class ColumnsOut(BaseModel):
    """What a file would be read as."""

    kind: FileKind
    columns: list[ColumnOut]


class FieldOut(BaseModel):
    """One thing that a file may tell."""

    kind: FileKind
    field: str
    known_as: list[str] = Field(description="Names without accents, spaces and capitals.")


class MappingIn(BaseModel):
    """What the columns of a school's files are."""

    kind: FileKind
    columns: dict[str, str] = Field(
        description="Title of a column → field, `-` to leave it out.", examples=[{"Patronyme": "last_name"}]
    )


class MappingOut(BaseModel):
    """The mapping of one kind of file."""

    kind: FileKind
    columns: dict[str, str]


class Decision(BaseModel):
    """Whom a line speaks of."""

    target_id: UUID | None = Field(description="One of the line's candidates; null: somebody new.")


class ReportFormat(StrEnum):
    """Forms of the report."""

    CSV = "csv"
    XLSX = "xlsx"


TYPES = {
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
Upload = Annotated[
    UploadFile, File(description="ONDE extraction, own template, staff list (CSV or XLSX) or OneRoster (zip); 5 MB.")
]
Uai = Annotated[str | None, Form(max_length=20, description="Needed for ONDE files: they do not name their school.")]


@router.post("", response_model=RosterOut, status_code=201, operation_id="preview_roster")
def preview(
    work: WorkDep,
    actor: ActorDep,
    file: Upload,
    town_id: Annotated[UUID, Form()],
    school_uai: Uai = None,
    kind: Annotated[FileKind | None, Form(description="Of whom the file speaks, where its header does not tell.")] = None,
    keep_contacts: Annotated[bool, Form(description="Keep e-mail and mobile of guardians, for their portal.")] = False,
    only_classes: Annotated[
        bool, Form(description="The file is a part of the school: nobody of another class has left.")
    ] = False,
    year: Annotated[
        str | None,
        Form(
            pattern=r"^20\d\d-20\d\d$", description="The school year that the file is of; in summer the coming one unless given."
        ),
    ] = None,
) -> object:
    """Read a roster and say what it would change. Nothing is written before it is confirmed; the file is not stored."""
    content = file.file.read(MAX_BYTES + 1)
    return service.preview(
        work, actor, town_id, content, school_uai, kind=kind, keep_contacts=keep_contacts, only_classes=only_classes, year=year
    )


@router.get("", response_model=list[RosterOut], operation_id="list_rosters")
def listed(town_id: UUID, work: WorkDep, actor: ActorDep, limit: int = Query(50, ge=1, le=200)) -> object:
    """The latest imports of a town, newest first."""
    return service.list_imports(work, actor, town_id, limit)


@router.post("/columns", response_model=ColumnsOut, operation_id="look_at_roster_columns")
def columns(
    work: WorkDep,
    actor: ActorDep,
    file: Upload,
    town_id: Annotated[UUID, Form()],
    school_uai: Uai = None,
    kind: Annotated[FileKind | None, Form()] = None,
) -> ColumnsOut:
    """What each column of a file would be read as. Nothing is kept."""
    known, told = mapping.columns(work, actor, town_id, file.file.read(MAX_BYTES + 1), school_uai, kind)
    return ColumnsOut(kind=known, columns=[ColumnOut(title=t, field=f, standing=s) for t, f, s in told])


@router.get("/fields", response_model=list[FieldOut], operation_id="list_roster_fields")
def fields(_actor: ActorDep) -> list[FieldOut]:
    """What a file may tell, and the names by which its columns are known. A mapping adds to them."""
    return [FieldOut(kind=kind, field=name, known_as=names) for kind in FileKind for name, names in fields_of(kind).items()]


@router.get("/mappings", response_model=list[MappingOut], operation_id="get_town_roster_mapping")
def get_town_mapping(town_id: UUID, work: WorkDep, actor: ActorDep) -> list[MappingOut]:
    """What a person said that the columns of all files of the town are."""
    told = mapping.get_mapping(work, actor, town_id, None)
    return [MappingOut(kind=kind, columns=dict(named)) for kind, named in told.items()]


@router.put("/mappings", response_model=MappingOut, operation_id="set_town_roster_mapping")
def set_town_mapping(town_id: UUID, body: MappingIn, work: WorkDep, actor: ActorDep) -> object:
    """Say it for the whole town: an extraction whose names have changed everywhere. What a school said of its own counts more."""
    return mapping.set_mapping(work, actor, town_id, None, body.kind, body.columns)


@router.get("/mappings/{school_id}", response_model=list[MappingOut], operation_id="get_roster_mapping")
def get_mapping(school_id: UUID, work: WorkDep, actor: ActorDep) -> list[MappingOut]:
    """What a person said that the columns of a school's files are."""
    school = mapping.school_of(work, actor, school_id)
    told = mapping.get_mapping(work, actor, school.town_id, school.id)
    return [MappingOut(kind=kind, columns=dict(named)) for kind, named in told.items()]


@router.put("/mappings/{school_id}", response_model=MappingOut, operation_id="set_roster_mapping")
def set_mapping(school_id: UUID, body: MappingIn, work: WorkDep, actor: ActorDep) -> object:
    """Say what the columns of a school's files are. What is never kept of a child cannot be mapped."""
    school = mapping.school_of(work, actor, school_id)
    return mapping.set_mapping(work, actor, school.town_id, school.id, body.kind, body.columns)


@router.get("/{import_id}", response_model=RosterOut, operation_id="get_roster")
def get(import_id: UUID, work: WorkDep, actor: ActorDep) -> object:
    """One import."""
    return service.get_import(work, actor, import_id)


@router.get("/{import_id}/lines", response_model=list[LineOut], operation_id="list_roster_lines")
def lines(
    import_id: UUID,
    work: WorkDep,
    actor: ActorDep,
    kind: Annotated[list[Diff] | None, Query(description="Only lines of these kinds.")] = None,
    offset: int = Query(0, ge=0),
    limit: int = Query(200, ge=1, le=1000),
) -> list[LineOut]:
    """The plan line by line, for a day. The reading is audited."""
    told = [_line(at, change) for at, change in enumerate(service.lines(work, actor, import_id))]
    return [line for line in told if kind is None or line.kind in kind][offset : offset + limit]


def _line(number: int, change: dict[str, Any]) -> LineOut:
    row = change["row"] or {}
    named = {name: row.get(name) or "" for name in ("last_name", "first_name", "level", "class_label")}
    return LineOut(number=number, **named, **{name: change[name] for name in LineOut.model_fields if name in change})


@router.put("/{import_id}/lines/{number}", response_model=RosterOut, operation_id="decide_roster_line")
def decide(import_id: UUID, number: int, body: Decision, work: WorkDep, actor: ActorDep) -> object:
    """Say whom an ambiguous or double line speaks of."""
    return deciding.decide(work, actor, import_id, number, body.target_id)


@router.get("/{import_id}/report.{form}", operation_id="download_roster_report", response_class=Response)
def download(import_id: UUID, form: ReportFormat, request: Request, work: WorkDep, actor: ActorDep) -> Response:
    """The report as a file; cells that a spreadsheet would run are made harmless."""
    changes, language = service.lines(work, actor, import_id), preferred_language(request.headers.get("accept-language"))
    content = report.as_csv(changes, language) if form is ReportFormat.CSV else report.as_xlsx(changes, language)
    return attachment(content, f"import-{import_id}.{form.value}", TYPES[form.value])


def attachment(content: bytes, name: str, media_type: str) -> Response:
    """A file to be saved."""
    return Response(content, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'})


@router.post("/{import_id}/confirm", response_model=RosterOut, operation_id="confirm_roster")
def confirm(import_id: UUID, work: WorkDep, actor: ActorDep) -> object:
    """Carry the plan out, whole."""
    return service.confirm(work, actor, import_id)


@router.post("/{import_id}/undo", response_model=RosterOut, operation_id="undo_roster")
def undo(import_id: UUID, work: WorkDep, actor: ActorDep) -> object:
    """Put back what the last import of its schools found, within a day."""
    return service.undo(work, actor, import_id)


@router.delete("/{import_id}", status_code=204, operation_id="discard_roster")
def discard(import_id: UUID, work: WorkDep, actor: ActorDep) -> None:
    """Forget a previewed import."""
    service.discard(work, actor, import_id)
