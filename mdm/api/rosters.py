"""Roster imports: preview, read line by line, confirm or discard."""

from __future__ import annotations

import csv
import io
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, File, Form, UploadFile
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from enrollment.people.files.tables import MAX_BYTES
from enrollment.people.imports import service
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
    counts: dict[str, Any] = Field(description="Lines by kind of change; `ignored` names the columns that were dropped.")
    needs_second: bool = Field(description="So many pupils would leave that another person must confirm.")
    uploaded_at: datetime
    confirmed_at: datetime | None


class LineOut(BaseModel):
    """One line of the report; line 0: a pupil that the file no longer names."""

    line: int
    kind: str
    school_id: UUID
    pupil_id: UUID | None
    why: list[str]


@router.post("", response_model=RosterOut, status_code=201, operation_id="preview_roster")
def preview(
    work: WorkDep,
    actor: ActorDep,
    file: Annotated[UploadFile, File(description="ONDE extraction or own template; CSV or XLSX, 5 MB at most.")],
    town_id: Annotated[UUID, Form()],
    school_uai: Annotated[
        str | None, Form(max_length=20, description="Needed for ONDE files: they do not name their school.")
    ] = None,
) -> object:
    """Read a roster and say what it would change. Nothing is written to the pupils before it is confirmed."""
    return service.preview(work, actor, town_id, file.file.read(MAX_BYTES + 1), school_uai)


@router.get("/{import_id}", response_model=RosterOut, operation_id="get_roster")
def get(import_id: UUID, work: WorkDep, actor: ActorDep) -> object:
    """One import."""
    return service.get_import(work, actor, import_id)


@router.get("/{import_id}/lines", response_model=list[LineOut], operation_id="list_roster_lines")
def lines(import_id: UUID, work: WorkDep, actor: ActorDep, offset: int = 0, limit: int = 200) -> list[dict[str, Any]]:
    """The plan line by line, until it is confirmed, discarded or a day old."""
    start = max(0, offset)
    return service.lines(work, actor, import_id)[start : start + min(max(1, limit), 1000)]


@router.get("/{import_id}/report.csv", operation_id="download_roster_report", response_class=Response)
def report(import_id: UUID, work: WorkDep, actor: ActorDep) -> Response:
    """The plan as a CSV file; cells that a spreadsheet would run are made harmless."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";")
    writer.writerow(["line", "kind", "last_name", "first_name", "level", "class", "why"])
    for entry in service.lines(work, actor, import_id):
        row = entry["row"] or {}
        cells = [row.get(name, "") for name in ("last_name", "first_name", "level", "class_label")]
        writer.writerow([entry["line"], entry["kind"], *(harmless(str(cell or "")) for cell in cells), " ".join(entry["why"])])
    return Response(
        "\ufeff" + out.getvalue(), media_type="text/csv", headers={"Content-Disposition": "attachment; filename=report.csv"}
    )


def harmless(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return "'" + cell if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell


@router.post("/{import_id}/confirm", response_model=RosterOut, operation_id="confirm_roster")
def confirm(import_id: UUID, work: WorkDep, actor: ActorDep) -> object:
    """Carry the plan out, whole."""
    return service.confirm(work, actor, import_id)


@router.delete("/{import_id}", status_code=204, operation_id="discard_roster")
def discard(import_id: UUID, work: WorkDep, actor: ActorDep) -> None:
    """Forget a previewed import."""
    service.discard(work, actor, import_id)
