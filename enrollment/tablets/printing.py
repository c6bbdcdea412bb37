"""Printing labels, handover sheets, return slips and delivery lists: what is on them, audit, record of access. Never commits.

The layout is in `documents`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Row, Select

from cartable import audit
from cartable.errors import Invalid, NotFound
from cartable.i18n import Language
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.people import access, naming
from enrollment.people.models import AccessKind, Pupil
from enrollment.places.hosts import build_town_url
from enrollment.places.models import School, Town
from enrollment.tablets import desk, documents
from enrollment.tablets.documents import DeliveryLine, Heading, Label, PupilSheet
from enrollment.tablets.labels import STATES
from enrollment.tablets.models import AgreementState, Loan, Tablet
from enrollment.tablets.repository import TabletRepository

#: Prefix of the QR code on a pupil's sheet; the pupil's id follows. The code alone gives access to nothing.
SHEET_CODE_PREFIX = "CARTABLE-P-"
PupilRow = tuple[Pupil, Loan | None, Tablet | None]


def print_class_labels(work: UnitOfWork, actor: Actor, class_id: UUID) -> bytes:
    """Return the labels (PDF) of the tablets of a class. Raises `NotFound`, `Forbidden`, `Invalid` (none)."""
    school_class = desk.get_class(work, actor, class_id)
    return _print_labels(work, actor, school_class.town_id, TabletRepository(work.session).select_by_class(class_id))


def print_order_labels(work: UnitOfWork, actor: Actor, town_id: UUID, reference: str) -> bytes:
    """Return the labels (PDF) of a purchase order. Raises `NotFound`, `Invalid` (none, or too many)."""
    return _print_labels(work, actor, town_id, TabletRepository(work.session).select_by_purchase_order(town_id, reference))


def print_labels(work: UnitOfWork, actor: Actor, town_id: UUID, tablet_ids: Sequence[UUID]) -> bytes:
    """Return the labels (PDF) of these tablets, without those that are not in the town or that the actor may not handle.

    Raises `NotFound`, `Invalid` (none, or too many).
    """
    if len(tablet_ids) > documents.MAX_LABELS:
        raise Invalid(field="tablet_ids", maximum=documents.MAX_LABELS)
    return _print_labels(work, actor, town_id, TabletRepository(work.session).select_by_ids(tablet_ids))


def print_handover_sheets(work: UnitOfWork, actor: Actor, class_id: UUID, language: Language) -> bytes:
    """Return the class list and one sheet per pupil (PDF). Raises `NotFound`, `Forbidden`, `Invalid` (no pupil)."""
    heading, rows = _load_class(work, actor, class_id, "handover_sheets")
    return documents.render_handover_sheets(heading, _build_sheets(rows), language)


def print_return_slips(work: UnitOfWork, actor: Actor, class_id: UUID, language: Language) -> bytes:
    """Return one return slip per pupil with a tablet (PDF). Raises `NotFound`, `Forbidden`, `Invalid` (no pupil)."""
    heading, rows = _load_class(work, actor, class_id, "return_slips")
    return documents.render_return_slips(heading, [s for s in _build_sheets(rows) if s.tag], language)


def print_delivery_list(work: UnitOfWork, actor: Actor, town_id: UUID, reference: str, language: Language) -> bytes:
    """Return the list of the tablets of a purchase order, to tick off (PDF). Raises `NotFound`, `Forbidden`, `Invalid` (none)."""
    town = _get_town(work, actor, town_id)
    repository = TabletRepository(work.session)
    tablets = repository.list_selected(
        actor, town_id, repository.select_by_purchase_order(town_id, reference), documents.MAX_LINES
    )
    audit.record_event(
        work, actor, "paper.delivery", "town", town_id, town_id=town_id, reference=reference[:60], count=len(tablets)
    )
    lines = [DeliveryLine(row.tag, row.serial, STATES[row.state].translate(language)) for row in tablets]
    return documents.render_delivery_list(town.name, reference, lines, _get_local_date(work, town), language)


def list_purchase_orders(work: UnitOfWork, actor: Actor, town_id: UUID) -> Sequence[Row[str, int, int]]:
    """Return the town's newest purchase orders: reference, number of tablets, number not received yet."""
    return TabletRepository(work.session).list_purchase_orders(actor, town_id)


def _print_labels(work: UnitOfWork, actor: Actor, town_id: UUID, selection: Select[UUID]) -> bytes:
    town = _get_town(work, actor, town_id, all_schools=False)
    tablets = TabletRepository(work.session).list_selected(actor, town_id, selection, documents.MAX_LABELS + 1)
    audit.record_event(work, actor, "paper.labels", "town", town_id, town_id=town_id, count=len(tablets))
    address = build_town_url(work.settings.public_url, town.host)
    labels = [Label(row.tag, row.serial, f"{address}/t/{row.tag}") for row in tablets]
    return documents.render_labels(town.name, town.support_phone or "", labels, _get_local_date(work, town))


def _load_class(work: UnitOfWork, actor: Actor, class_id: UUID, paper: str) -> tuple[Heading, list[PupilRow]]:
    school_class, rows = desk.list_class_loans(work, actor, class_id)
    town = work.session.get_one(Town, school_class.town_id)
    audit.record_event(
        work, actor, f"paper.{paper}", "school_class", class_id, town_id=town.id, count=len(rows)
    )  # fmt: skip
    access.record_access(work, actor, (pupil for pupil, _, _ in rows), AccessKind.EXPORT)
    school = work.session.get_one(School, school_class.school_id)
    heading = Heading(town.name, town.support_phone or "", school.name, school_class.label, _get_local_date(work, town))
    return heading, rows


def _build_sheets(rows: Sequence[PupilRow]) -> list[PupilSheet]:
    names = naming.build_full_names([pupil for pupil, _, _ in rows])
    return [
        PupilSheet(
            names[pupil.id], tablet.tag if tablet else "", pupil.take_home,
            loan is not None and loan.agreement is AgreementState.SIGNED, SHEET_CODE_PREFIX + str(pupil.id),
        )
        for pupil, loan, tablet in rows
    ]  # fmt: skip


def _get_town(work: UnitOfWork, actor: Actor, town_id: UUID, *, all_schools: bool = True) -> Town:
    """Return a town where the actor handles tablets: in all its schools, or in some of them. Raises `NotFound`, `Forbidden`."""
    if all_schools:
        actor.require_permission(Permission.HANDLE, town_id)
    town = work.session.get(Town, town_id)
    if town is None or not actor.has_permission_somewhere(Permission.HANDLE, town_id):
        raise NotFound
    return town


def _get_local_date(work: UnitOfWork, town: Town) -> date:
    return work.now.astimezone(ZoneInfo(town.time_zone)).date()
