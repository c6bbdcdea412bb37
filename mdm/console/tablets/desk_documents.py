"""The printed documents of the desk, opened from its pages."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from cartable.errors import DomainError, Invalid
from enrollment.tablets import printing
from mdm.accounts.errors import MustChangePassword, NotSignedIn
from mdm.api.deps import WorkDep
from mdm.api.tablets.documents import build_pdf_response
from mdm.console.frame import get_language, render_page, require_sign_in

router = APIRouter(include_in_schema=False)


class ClassDocument(StrEnum):
    """What can be printed for a class."""

    LABELS = "labels"
    SHEETS = "sheets"
    SLIPS = "slips"


class OrderDocument(StrEnum):
    """What can be printed for a purchase order."""

    LABELS = "labels"
    DELIVERY = "delivery"


@router.get("/desk/papers/class/{class_id}/{paper}")
def print_class_document(request: Request, class_id: UUID, paper: ClassDocument, work: WorkDep) -> Response:
    """Return a document of a class."""
    try:
        actor, _ = require_sign_in(request, work)
    except (NotSignedIn, MustChangePassword):
        return RedirectResponse("/desk", status_code=303)
    documents: dict[ClassDocument, tuple[Callable[[], bytes], str]] = {
        ClassDocument.LABELS: (lambda: printing.print_class_labels(work, actor, class_id), "etiquettes"),
        ClassDocument.SHEETS: (lambda: printing.print_handover_sheets(work, actor, class_id, get_language(request)), "remise"),
        ClassDocument.SLIPS: (lambda: printing.print_return_slips(work, actor, class_id, get_language(request)), "retour"),
    }
    make, name = documents[paper]
    try:
        return build_pdf_response(make(), name)
    except DomainError as refusal:
        return _render_problem(request, refusal)


@router.get("/desk/papers/order/{town_id}/{paper}")
def print_order_document(request: Request, town_id: UUID, paper: OrderDocument, work: WorkDep, reference: str = "") -> Response:
    """Return a document of a purchase order."""
    try:
        actor, _ = require_sign_in(request, work)
    except (NotSignedIn, MustChangePassword):
        return RedirectResponse("/desk", status_code=303)
    try:
        if paper is OrderDocument.LABELS:
            return build_pdf_response(printing.print_order_labels(work, actor, town_id, reference[:60]), "etiquettes")
        return build_pdf_response(
            printing.print_delivery_list(work, actor, town_id, reference[:60], get_language(request)), "livraison"
        )
    except DomainError as refusal:
        return _render_problem(request, refusal)


def _render_problem(request: Request, refusal: DomainError) -> Response:
    """Return the page that says there is nothing to print, or not for this person."""
    language = get_language(request)
    problem = (
        language.gettext("There is nothing to print, or too much at once (504 labels at most).")
        if isinstance(refusal, Invalid)
        else refusal.translate(language)
    )
    return render_page(request, "tablets/desk_towns.html", status=refusal.status, person=request.state.actor.name, towns=None, problem=problem)  # fmt: skip
