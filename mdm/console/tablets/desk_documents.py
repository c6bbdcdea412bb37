"""The papers of the desk, opened from its pages."""

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
from mdm.console.frame import language_of, person, show

router = APIRouter(include_in_schema=False)


class ClassPaper(StrEnum):
    """What is printed for a class."""

    LABELS = "labels"
    SHEETS = "sheets"
    SLIPS = "slips"


class OrderPaper(StrEnum):
    """What is printed for an order."""

    LABELS = "labels"
    DELIVERY = "delivery"


@router.get("/desk/papers/class/{class_id}/{paper}")
def of_class(request: Request, class_id: UUID, paper: ClassPaper, work: WorkDep) -> Response:
    """A paper of a class."""
    try:
        actor, _ = person(request, work)
    except (NotSignedIn, MustChangePassword):
        return RedirectResponse("/desk", status_code=303)
    made: dict[ClassPaper, tuple[Callable[[], bytes], str]] = {
        ClassPaper.LABELS: (lambda: printing.print_class_labels(work, actor, class_id), "etiquettes"),
        ClassPaper.SHEETS: (lambda: printing.print_handover_sheets(work, actor, class_id, language_of(request)), "remise"),
        ClassPaper.SLIPS: (lambda: printing.print_return_slips(work, actor, class_id, language_of(request)), "retour"),
    }
    make, name = made[paper]
    try:
        return build_pdf_response(make(), name)
    except DomainError as refusal:
        return _nothing(request, refusal)


@router.get("/desk/papers/order/{town_id}/{paper}")
def of_order(request: Request, town_id: UUID, paper: OrderPaper, work: WorkDep, reference: str = "") -> Response:
    """A paper of an order."""
    try:
        actor, _ = person(request, work)
    except (NotSignedIn, MustChangePassword):
        return RedirectResponse("/desk", status_code=303)
    try:
        if paper is OrderPaper.LABELS:
            return build_pdf_response(printing.print_order_labels(work, actor, town_id, reference[:60]), "etiquettes")
        return build_pdf_response(
            printing.print_delivery_list(work, actor, town_id, reference[:60], language_of(request)), "livraison"
        )
    except DomainError as refusal:
        return _nothing(request, refusal)


def _nothing(request: Request, refusal: DomainError) -> Response:
    """Nothing to print, or not for this person: a page that says so."""
    language = language_of(request)
    problem = (
        language.gettext("There is nothing to print, or too much at once (504 labels at most).")
        if isinstance(refusal, Invalid)
        else refusal.translate(language)
    )
    return show(request, "tablets/desk_towns.html", status=refusal.status, person=request.state.actor.name, towns=None, problem=problem)  # fmt: skip
