"""Roster exports: the own template, OneRoster 1.2, the set for Apple School Manager."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, File, Form, UploadFile
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from enrollment.people.exports import service
from enrollment.people.exports.apple import PasswordPolicy
from enrollment.people.exports.service import OwnPart, SheetForm
from enrollment.people.files.tables import MAX_BYTES
from mdm.api.deps import ActorDep, WorkDep
from mdm.api.people.rosters import TYPES, attachment

router = APIRouter(prefix="/rosters/exports", tags=["rosters"])
ZIP = "application/zip"


class ReasonOut(BaseModel):
    """Why a set cannot be handed out."""

    model_config = ConfigDict(from_attributes=True)
    code: str = Field(examples=["class_missing"])
    count: int
    ids: list[str] = Field(description="The first fifty of what it is about.")


class TownIn(BaseModel):
    """The town to export."""

    town_id: UUID


@router.get("/own.{form}", operation_id="export_own_template", response_class=Response)
def own(
    form: SheetForm, town_id: UUID, work: WorkDep, actor: ActorDep, school_id: UUID | None = None, part: OwnPart = OwnPart.PUPILS
) -> Response:
    """The own template, filled in; read again it changes nothing. The export is audited."""
    content = service.export_own(work, actor, town_id, school_id, part, form)
    return attachment(content, f"cartable-{part.value}.{form.value}", TYPES[form.value])


@router.post("/oneroster", operation_id="export_oneroster", response_class=Response)
def oneroster(body: TownIn, work: WorkDep, actor: ActorDep) -> Response:
    """A bulk set of OneRoster 1.2 CSV files of the town, zipped."""
    return attachment(service.export_oneroster(work, actor, body.town_id), "oneroster.zip", ZIP)


@router.get("/apple/check", response_model=list[ReasonOut], operation_id="check_apple_export")
def check_apple(town_id: UUID, work: WorkDep, actor: ActorDep) -> object:
    """Why the set for Apple School Manager could not be handed out now; empty when it could."""
    return service.check_apple(work, actor, town_id)


@router.post("/apple", operation_id="export_apple", response_class=Response)
def apple(
    work: WorkDep,
    actor: ActorDep,
    town_id: Annotated[UUID, Form()],
    password_policy: Annotated[PasswordPolicy, Form()] = PasswordPolicy.DEFAULT,
    accept: Annotated[list[str] | None, Form(description="Codes of reasons that were looked at and are accepted.")] = None,
    template: Annotated[UploadFile | None, File(description="Apple's own template, zipped: its columns are followed.")] = None,
) -> Response:
    """The whole set for Apple School Manager, zipped; refused with the reasons when it would be partial."""
    columns = template.file.read(MAX_BYTES + 1) if template is not None else None
    content = service.export_apple(work, actor, town_id, password_policy, accepted=accept or (), template=columns)
    return attachment(content, "apple-school-manager.zip", ZIP)
