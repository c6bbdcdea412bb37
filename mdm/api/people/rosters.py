"""Endpoints of roster imports: preview, lines and their decisions, confirm, undo, discard."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from cartable.i18n import choose_language
from cartable.uploads import read_upload
from enrollment.rosters.files.columns import FileKind
from enrollment.rosters.files.tables import MAX_BYTES
from enrollment.rosters.imports import deciding, previewing, report, service
from enrollment.rosters.imports.changes import ChangeKind, Subject
from enrollment.rosters.models import ImportState
from mdm.api.attachments import MEDIA_TYPES, ReportFormat, build_attachment
from mdm.api.deps import ActorDep, EarlyActorDep, RuntimeDep, WorkDep
from mdm.api.paging import PageOut, PageParams
from mdm.api.people.roster_uploads import Uai, Upload

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


class LineDecisionIn(BaseModel):
    """The person whom a line names."""

    target_id: UUID | None = Field(description="One of the line's candidates; null: a new person.")


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
