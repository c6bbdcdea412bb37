"""Papers of the desk as PDF: labels, hand-over sheets, return slips, the list of a delivery."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field, model_validator

from cartable.i18n import Language, preferred_language
from enrollment.tablets import printing
from enrollment.tablets.documents import MOST_LABELS
from mdm.api.deps import ActorDep, WorkDep

router = APIRouter(tags=["papers"])
_PDF: dict[int | str, dict[str, Any]] = {200: {"content": {"application/pdf": {}}, "description": "The paper."}}
Reference = Annotated[str, Query(min_length=1, max_length=60)]


class Pdf(Response):
    """The type of a paper."""

    media_type = "application/pdf"


def shown(content: bytes, name: str) -> Pdf:
    """A paper that the browser opens, under a name that tells what it is; nothing on the way keeps it."""
    return Pdf(content, headers={"Content-Disposition": f'inline; filename="{name}.pdf"', "Cache-Control": "no-store"})


class LabelsIn(BaseModel):
    """Whose labels: those of an order, or of chosen tablets."""

    reference: str | None = Field(None, min_length=1, max_length=60)
    tablet_ids: list[UUID] | None = Field(None, min_length=1, max_length=MOST_LABELS)

    @model_validator(mode="after")
    def _one(self) -> LabelsIn:
        if (self.reference is None) == (self.tablet_ids is None):
            raise ValueError("give a reference or tablet_ids")
        return self


@router.post("/towns/{town_id}/labels", operation_id="print_labels", response_class=Pdf, responses=_PDF)
def labels(town_id: UUID, body: LabelsIn, work: WorkDep, actor: ActorDep) -> Response:
    """Labels with QR code and tag, 24 a page. No child's name has a place on them."""
    if body.reference is not None:
        return shown(printing.labels_of_order(work, actor, town_id, body.reference), "etiquettes")
    return shown(printing.labels_of(work, actor, town_id, body.tablet_ids or []), "etiquettes")


@router.get("/classes/{class_id}/labels", operation_id="print_labels_of_class", response_class=Pdf, responses=_PDF)
def labels_of_class(class_id: UUID, work: WorkDep, actor: ActorDep) -> Response:
    """The labels of the tablets that a class holds."""
    return shown(printing.labels_of_class(work, actor, class_id), "etiquettes")


@router.get("/classes/{class_id}/handover-sheets", operation_id="print_handover_sheets", response_class=Pdf, responses=_PDF)
def sheets(class_id: UUID, request: Request, work: WorkDep, actor: ActorDep) -> Response:
    """The class list and a sheet for each pupil. The reading of each name is noted."""
    return shown(printing.handover_sheets(work, actor, class_id, _language(request)), "remise")


@router.get("/classes/{class_id}/return-slips", operation_id="print_return_slips", response_class=Pdf, responses=_PDF)
def slips(class_id: UUID, request: Request, work: WorkDep, actor: ActorDep) -> Response:
    """A slip for each pupil of a class who has a tablet. The reading of each name is noted."""
    return shown(printing.return_slips(work, actor, class_id, _language(request)), "retour")


@router.get("/towns/{town_id}/delivery-list", operation_id="print_delivery_list", response_class=Pdf, responses=_PDF)
def delivery(town_id: UUID, reference: Reference, request: Request, work: WorkDep, actor: ActorDep) -> Response:
    """The tablets of an order, to tick off while they are unpacked."""
    return shown(printing.delivery_list(work, actor, town_id, reference, _language(request)), "livraison")


def _language(request: Request) -> Language:
    return preferred_language(request.headers.get("accept-language"))
