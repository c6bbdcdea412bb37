"""Verbs of the desk's papers: whose labels and sheets are printed; every print is audited, names that go out are noted. Never commits."""

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
from enrollment.places.models import School, Town
from enrollment.tablets import desk, documents
from enrollment.tablets.documents import Heading, Label, Line, Sheet
from enrollment.tablets.models import AgreementState, Loan, Tablet
from enrollment.tablets.repository import TabletRepository
from enrollment.tablets.words import STATES

#: What a scanner reads from a child's sheet at the table, before the child's number. Opens nothing by itself.
SHEET_CODE = "CARTABLE-P-"
TableRow = tuple[Pupil, Loan | None, Tablet | None]


def labels_of_class(work: UnitOfWork, actor: Actor, class_id: UUID) -> bytes:
    """The labels of the tablets that a class holds. Raises `NotFound`, `Invalid` (none)."""
    school_class = desk.class_of(work, actor, class_id)
    return _labels(work, actor, school_class.town_id, TabletRepository(work.session).select_by_class(class_id))


def labels_of_order(work: UnitOfWork, actor: Actor, town_id: UUID, reference: str) -> bytes:
    """The labels of an order, before or after it is unpacked. Raises `Invalid` (none, or more than are printed at once)."""
    return _labels(work, actor, town_id, TabletRepository(work.session).select_by_purchase_order(town_id, reference))


def labels_of(work: UnitOfWork, actor: Actor, town_id: UUID, tablet_ids: Sequence[UUID]) -> bytes:
    """The labels of chosen tablets. What is not in the town or not in reach has none. Raises `Invalid`."""
    if len(tablet_ids) > documents.MOST_LABELS:
        raise Invalid(field="tablet_ids", maximum=documents.MOST_LABELS)
    return _labels(work, actor, town_id, TabletRepository(work.session).select_by_ids(tablet_ids))


def handover_sheets(work: UnitOfWork, actor: Actor, class_id: UUID, language: Language) -> bytes:
    """The class list and a sheet for each pupil. Raises `NotFound`, `Forbidden`, `Invalid` (nobody)."""
    heading, rows = _table(work, actor, class_id, "handover_sheets")
    return documents.handover_sheets(heading, _sheets(rows), language)


def return_slips(work: UnitOfWork, actor: Actor, class_id: UUID, language: Language) -> bytes:
    """A slip for each pupil of a class who has a tablet. Raises `NotFound`, `Forbidden`, `Invalid` (nobody)."""
    heading, rows = _table(work, actor, class_id, "return_slips")
    return documents.return_slips(heading, [s for s in _sheets(rows) if s.tag], language)


def delivery_list(work: UnitOfWork, actor: Actor, town_id: UUID, reference: str, language: Language) -> bytes:
    """The tablets of an order, to tick off. Raises `Invalid` (none)."""
    town = _town(work, actor, town_id)
    repository = TabletRepository(work.session)
    found = repository.list_selected(actor, town_id, repository.select_by_purchase_order(town_id, reference), documents.MOST_LINES)
    audit.record_event(
        work, actor, "paper.delivery", "town", town_id, town_id=town_id, reference=reference[:60], count=len(found)
    )
    lines = [Line(row.tag, row.serial, STATES[row.state].translate(language)) for row in found]
    return documents.delivery_list(town.name, reference, lines, _today(work, town), language)


def orders(work: UnitOfWork, actor: Actor, town_id: UUID) -> Sequence[Row[str, int, int]]:
    """The town's last orders: reference, tablets, and how many wait to be unpacked."""
    return TabletRepository(work.session).list_purchase_orders(actor, town_id)


def _labels(work: UnitOfWork, actor: Actor, town_id: UUID, chosen: Select[UUID]) -> bytes:
    town = _town(work, actor, town_id, whole=False)
    found = TabletRepository(work.session).list_selected(actor, town_id, chosen, documents.MOST_LABELS + 1)
    audit.record_event(work, actor, "paper.labels", "town", town_id, town_id=town_id, count=len(found))
    address = work.settings.public_url
    wanted = [Label(row.tag, row.serial, f"{address}/t/{row.tag}") for row in found]
    return documents.labels(town.name, town.support_phone or "", wanted, _today(work, town))


def _table(work: UnitOfWork, actor: Actor, class_id: UUID, paper: str) -> tuple[Heading, list[TableRow]]:
    school_class, rows = desk.table_of(work, actor, class_id)
    town = work.session.get_one(Town, school_class.town_id)
    audit.record_event(
        work, actor, f"paper.{paper}", "school_class", class_id, town_id=town.id, count=len(rows)
    )  # fmt: skip
    access.note(work, actor, (pupil for pupil, _, _ in rows), AccessKind.EXPORT)
    school = work.session.get_one(School, school_class.school_id)
    heading = Heading(town.name, town.support_phone or "", school.name, school_class.label, _today(work, town))
    return heading, rows


def _sheets(rows: Sequence[TableRow]) -> list[Sheet]:
    names = naming.full_names([pupil for pupil, _, _ in rows])
    return [
        Sheet(
            names[pupil.id], tablet.tag if tablet else "", pupil.take_home,
            loan is not None and loan.agreement is AgreementState.SIGNED, SHEET_CODE + str(pupil.id),
        )
        for pupil, loan, tablet in rows
    ]  # fmt: skip


def _town(work: UnitOfWork, actor: Actor, town_id: UUID, *, whole: bool = True) -> Town:
    """`whole`: the paper is about the whole town; else what the actor handles there is chosen by the query."""
    if whole:
        actor.require_permission(Permission.HANDLE, town_id)
    town = work.session.get(Town, town_id)
    if town is None or not actor.has_permission_somewhere(Permission.HANDLE, town_id):
        raise NotFound
    return town


def _today(work: UnitOfWork, town: Town) -> date:
    return work.now.astimezone(ZoneInfo(town.time_zone)).date()
