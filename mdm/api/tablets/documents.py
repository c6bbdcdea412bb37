"""Endpoints of printed documents: labels, handover sheets, return slips, the list of a delivery."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field, model_validator

from cartable.i18n import Language, choose_language
from enrollment.tablets import printing
from enrollment.tablets.documents import MAX_LABELS
from mdm.api.deps import ActorDep, WorkDep

router = APIRouter(tags=["documents"])
_PDF: dict[int | str, dict[str, Any]] = {200: {"content": {"application/pdf": {}}, "description": "The document."}}
OrderReference = Annotated[str, Query(min_length=1, max_length=60)]


class PdfResponse(Response):
    """A PDF file."""

    media_type = "application/pdf"


def build_pdf_response(content: bytes, name: str) -> PdfResponse:
    """Return a PDF that the browser opens under a file name; no cache keeps it."""
    return PdfResponse(content, headers={"Content-Disposition": f'inline; filename="{name}.pdf"', "Cache-Control": "no-store"})


class LabelsIn(BaseModel):
    """The tablets whose labels are printed: those of an order, or chosen ones."""

    reference: str | None = Field(None, min_length=1, max_length=60)
    tablet_ids: list[UUID] | None = Field(None, min_length=1, max_length=MAX_LABELS)

    @model_validator(mode="after")
    def _check_one_choice(self) -> LabelsIn:
        if (self.reference is None) == (self.tablet_ids is None):
            raise ValueError("give a reference or tablet_ids")
        return self


@router.post("/towns/{town_id}/labels", response_class=PdfResponse, responses=_PDF)
def print_labels(town_id: UUID, body: LabelsIn, work: WorkDep, actor: ActorDep) -> Response:
    """Print labels with QR code and tag, 24 a page.

    They never show a child's name.
    """
    if body.reference is not None:
        return build_pdf_response(printing.print_order_labels(work, actor, town_id, body.reference), "etiquettes")
    return build_pdf_response(printing.print_labels(work, actor, town_id, body.tablet_ids or []), "etiquettes")


@router.get("/classes/{class_id}/labels", response_class=PdfResponse, responses=_PDF)
def print_class_labels(class_id: UUID, work: WorkDep, actor: ActorDep) -> Response:
    """Print the labels of the tablets of a class."""
    return build_pdf_response(printing.print_class_labels(work, actor, class_id), "etiquettes")


@router.get("/classes/{class_id}/handover-sheets", response_class=PdfResponse, responses=_PDF)
def print_handover_sheets(class_id: UUID, request: Request, work: WorkDep, actor: ActorDep) -> Response:
    """Print the list of a class and a handover sheet for each pupil.

    The reading of each name is audited.
    """
    return build_pdf_response(printing.print_handover_sheets(work, actor, class_id, _language(request)), "remise")


@router.get("/classes/{class_id}/return-slips", response_class=PdfResponse, responses=_PDF)
def print_return_slips(class_id: UUID, request: Request, work: WorkDep, actor: ActorDep) -> Response:
    """Print a return slip for each pupil of a class who has a tablet.

    The reading of each name is audited.
    """
    return build_pdf_response(printing.print_return_slips(work, actor, class_id, _language(request)), "retour")


@router.get("/towns/{town_id}/delivery-list", response_class=PdfResponse, responses=_PDF)
def print_delivery_list(town_id: UUID, reference: OrderReference, request: Request, work: WorkDep, actor: ActorDep) -> Response:
    """Print the list of the tablets of an order, to check off while they are unpacked."""
    return build_pdf_response(printing.print_delivery_list(work, actor, town_id, reference, _language(request)), "livraison")


def _language(request: Request) -> Language:
    return choose_language(request.headers.get("accept-language"))
