"""Endpoints of roster exports: Cartable's own format, OneRoster 1.2, the set for Apple School Manager."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, File, Form, UploadFile
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from cartable.paging import paginate
from cartable.uploads import read_upload
from enrollment.rosters.exports import service
from enrollment.rosters.exports.apple import PasswordPolicy
from enrollment.rosters.exports.service import SheetFormat, TemplatePart
from enrollment.rosters.files.tables import MAX_BYTES
from mdm.api.attachments import MEDIA_TYPES, build_attachment
from mdm.api.deps import ActorDep, EarlyActorDep, RuntimeDep, WorkDep
from mdm.api.paging import PageOut, PageParams

router = APIRouter(prefix="/rosters/exports", tags=["rosters"])
ZIP = "application/zip"


class ExportProblemOut(BaseModel):
    """A reason why a set cannot be exported."""

    model_config = ConfigDict(from_attributes=True)
    code: str = Field(examples=["class_missing"])
    count: int
    ids: list[str] = Field(description="The ids of the first fifty rows that are concerned.")


class TownExportIn(BaseModel):
    """The town to export."""

    town_id: UUID


@router.get("/template.{file_format}", response_class=Response)
def export_roster_template(
    file_format: SheetFormat,
    town_id: UUID,
    work: WorkDep,
    actor: ActorDep,
    school_id: UUID | None = None,
    part: TemplatePart = TemplatePart.PUPILS,
) -> Response:
    """Export the pupils, guardians or staff of a town as a file of Cartable's own format.

    Importing the file again changes nothing. The export is audited.
    """
    content = service.export_own_template(work, actor, town_id, school_id, part, file_format)
    return build_attachment(content, f"cartable-{part.value}.{file_format.value}", MEDIA_TYPES[file_format.value])


@router.post("/oneroster", response_class=Response)
def export_oneroster(body: TownExportIn, work: WorkDep, actor: ActorDep) -> Response:
    """Export a town as a set of OneRoster 1.2 files, zipped."""
    return build_attachment(service.export_oneroster(work, actor, body.town_id), "oneroster.zip", ZIP)


@router.get("/apple-school-manager/problems")
def list_apple_export_problems(town_id: UUID, work: WorkDep, actor: ActorDep, page: PageParams) -> PageOut[ExportProblemOut]:
    """List the reasons why the set for Apple School Manager cannot be exported now.

    The list is empty when it can.
    """
    problems = paginate(service.check_apple_export(work, actor, town_id), page, lambda problem: (problem.code,))
    return PageOut.of(problems, ExportProblemOut.model_validate)


@router.post("/apple-school-manager", response_class=Response)
def export_apple_school_manager(
    runtime: RuntimeDep,
    actor: EarlyActorDep,
    town_id: Annotated[UUID, Form()],
    password_policy: Annotated[PasswordPolicy, Form()] = PasswordPolicy.DEFAULT,
    accept: Annotated[
        list[str] | None, Form(description="Codes of the problems that a person has looked at and accepts.")
    ] = None,
    template: Annotated[UploadFile | None, File(description="Apple's own template, zipped; the export gets its columns.")] = None,
) -> Response:
    """Export a town as the set of files for Apple School Manager, zipped.

    A set that would be incomplete is refused with the reasons.
    """
    columns = read_upload(service.read_template, template.file.read(MAX_BYTES + 1)) if template is not None else None
    with runtime.open_unit_of_work() as work:
        content = service.export_apple(work, actor, town_id, password_policy, accepted=accept or (), template=columns)
    return build_attachment(content, "apple-school-manager.zip", ZIP)
