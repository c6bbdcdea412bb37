"""All SQL of the overview: lists of tablets, their circumstances, their audit events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, String, and_, cast, exists, func, literal, or_, select
from sqlalchemy.orm import Session

from cartable.audit import AuditEvent
from cartable.keyset import KeyColumn, fetch_keyed_rows, fetch_page
from cartable.paging import KeyPart, Page, PageRequest, paginate
from cartable.scope import Actor
from enrollment.people.models import Pupil, StaffMember
from enrollment.people.text import compute_name_order
from enrollment.places.models import Grade, School, SchoolClass
from enrollment.tablets.models import AgreementState, Loan, Tablet, TabletState
from mdm.care.tablet_columns import BY_TAG, TabletColumn, TabletOrder
from mdm.care.tablet_order_repository import build_sort_key
from mdm.devices.models import DeclarativeState, DeviceEnrollment
from mdm.devices.repository import select_erased_at, select_last_contact
from mdm.reconcile.models import AppState, ProfileState, TabletApp, TabletProfile
from profiles.schedule.models import TabletMode


@dataclass(frozen=True, slots=True)
class TabletFilter:
    """Which tablets to list. `lacks_apps`: those that lack an app they should have; `silent_since`: without contact since then.

    `lacks_agreement`: those whose family has not signed. `unproved`: those that have not proved the mode they should be in. `system`: the first number of the version. `battery_below` is a
    share of one, `storage_below` gigabytes; a tablet that has not reported them is none of those.
    """

    town_id: UUID | None = None
    school_id: UUID | None = None
    state: TabletState | None = None
    level: Grade | None = None
    text: str | None = None
    tablet_id: UUID | None = None
    lacks_apps: bool = False
    silent_since: datetime | None = None
    unproved: bool = False
    erased: bool = False
    system: int | None = None
    battery_below: float | None = None
    storage_below: float | None = None
    class_id: UUID | None = None
    lacks_agreement: bool = False


@dataclass(frozen=True, slots=True)
class TabletRow:
    """One tablet in a list."""

    tablet: Tablet
    pupil: Pupil | None
    school: School | None
    school_class: SchoolClass | None
    last_seen_at: datetime | None
    apps_wanted: int
    apps_installed: int
    staff_member: StaffMember | None = None
    erased_at: datetime | None = None


#: What is selected for a row, in this order.
_RowColumns = tuple[Tablet, Pupil | None, School | None, SchoolClass | None, datetime | None, StaffMember | None, datetime | None]


class OverviewRepository:
    """Reads tablets for lists and pages."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def list_rows(
        self, actor: Actor, filters: TabletFilter, pupil_ids: Sequence[UUID], page: PageRequest, order: TabletOrder = BY_TAG
    ) -> Page[TabletRow]:
        """Return one page of the visible tablets of a filter; `pupil_ids` are those whose name has its text. Raises `InvalidCursor`."""
        if order.column is TabletColumn.HOLDER:
            return self._list_rows_by_holder(actor, filters, pupil_ids, page, descending=order.descending)
        keys: list[KeyColumn] = [Tablet.tag, Tablet.id]
        if order.column is not TabletColumn.TAG:
            keys.insert(0, build_sort_key(self.session, actor, order.column))
        statement = _select_rows(actor, filters, pupil_ids)
        return self._complete_rows(fetch_page(self.session, statement, page, *keys, descending=order.descending))

    def _list_rows_by_holder(
        self, actor: Actor, filters: TabletFilter, pupil_ids: Sequence[UUID], page: PageRequest, *, descending: bool
    ) -> Page[TabletRow]:
        """Return one page ordered by the names of people, which are sealed: they are opened and ordered here. Raises `InvalidCursor`."""
        statement = _select_rows(actor, filters, pupil_ids)
        holders = self.session.execute(
            statement.with_only_columns(
                Tablet.id, Tablet.tag, Pupil.last_name, Pupil.first_name, StaffMember.last_name, StaffMember.first_name
            )
        ).all()
        ordered = sorted(
            holders,
            key=lambda row: (compute_name_order(row[2] or row[4] or "", row[3] or row[5] or ""), row[1]),
            reverse=descending,
        )
        ids = paginate([row[0] for row in ordered], page, lambda tablet_id: (tablet_id,))
        found = {row[0].id: row for row in self.session.execute(statement.where(Tablet.id.in_(ids.items)))}
        return self._complete_rows(Page([found[tablet_id] for tablet_id in ids.items], ids.next_cursor))

    def _complete_rows(self, rows: Page[tuple[*_RowColumns]]) -> Page[TabletRow]:
        counts = self._count_apps([row[0].id for row in rows.items])
        return rows.map(lambda row: TabletRow(*row[:5], *counts.get(row[0].id, (0, 0)), staff_member=row[5], erased_at=row[6]))

    def _count_apps(self, tablet_ids: Sequence[UUID]) -> dict[UUID, tuple[int, int]]:
        rows = self.session.execute(
            select(TabletApp.tablet_id, TabletApp.state, func.count())
            .where(TabletApp.tablet_id.in_(tablet_ids), TabletApp.state != AppState.REMOVING)
            .group_by(TabletApp.tablet_id, TabletApp.state)
        )
        counts: dict[UUID, tuple[int, int]] = {}
        for tablet_id, state, number in rows:
            desired, installed = counts.get(tablet_id, (0, 0))
            counts[tablet_id] = (desired + number, installed + (number if state is AppState.INSTALLED else 0))
        return counts

    def count_by_state(self, actor: Actor, town_id: UUID | None = None) -> dict[TabletState, int]:
        statement = select(Tablet.state, func.count()).group_by(Tablet.state)
        if town_id is not None:
            statement = statement.where(Tablet.town_id == town_id)
        return {row[0]: row[1] for row in self.session.execute(actor.restrict(statement, Tablet))}

    @staticmethod
    def select_holder_ids() -> Select[UUID | None]:
        """Return the statement that selects the ids of pupils who have an open loan."""
        return select(Loan.pupil_id).where(Loan.pupil_id.is_not(None), Loan.closed_at.is_(None))

    def list_systems(self, actor: Actor) -> list[int]:
        """Return the first numbers of the versions that the visible tablets have reported, the newest first."""
        versions = self.session.scalars(actor.restrict(select(Tablet.os_version).distinct(), Tablet))
        numbers = {(version or "").partition(".")[0] for version in versions}
        return sorted((int(number) for number in numbers if number.isdecimal()), reverse=True)

    def list_events(
        self, tablet_id: UUID, page: PageRequest, source: int, without: str | None = None
    ) -> list[tuple[tuple[KeyPart, ...], tuple[AuditEvent]]]:
        """Return the acts on a tablet with their keysets (instant, source, id), newest first; not those of an actor `without`."""
        statement = select(AuditEvent).where(AuditEvent.subject_kind == "tablet", AuditEvent.subject_id == str(tablet_id))
        if without is not None:
            statement = statement.where(AuditEvent.actor_name != without)
        return fetch_keyed_rows(self.session, statement, page, AuditEvent.at, literal(source), AuditEvent.id, descending=True)

    def get_mode(self, tablet_id: UUID) -> TabletMode | None:
        return self.session.get(TabletMode, tablet_id)


def _select_rows(actor: Actor, filters: TabletFilter, pupil_ids: Sequence[UUID]) -> Select[*_RowColumns]:
    """Return the statement that selects what a row shows of the visible tablets of a filter."""
    statement = (
        select(Tablet, Pupil, School, SchoolClass, select_last_contact(), StaffMember, select_erased_at())
        .outerjoin(Loan, (Loan.tablet_id == Tablet.id) & Loan.closed_at.is_(None))
        .outerjoin(Pupil, Pupil.id == Loan.pupil_id)
        .outerjoin(StaffMember, StaffMember.id == Loan.staff_id)
        .outerjoin(School, School.id == Tablet.school_id)
        .outerjoin(SchoolClass, SchoolClass.id == func.coalesce(Pupil.class_id, Tablet.class_id))
    )
    for column, value in (
        (Tablet.town_id, filters.town_id),
        (Tablet.school_id, filters.school_id),
        (Tablet.state, filters.state),
        (Pupil.grade, filters.level),
        (Tablet.id, filters.tablet_id),
    ):
        if value is not None:
            statement = statement.where(column == value)
    statement = statement.where(*_list_conditions(filters))
    if filters.text:
        pattern = filters.text.upper()
        matches = [
            func.upper(Tablet.tag).contains(pattern, autoescape=True),
            func.upper(Tablet.serial).contains(pattern, autoescape=True),
            Pupil.id.in_(pupil_ids),
        ]
        statement = statement.where(or_(*matches))
    return actor.restrict(statement, Tablet)


def _list_conditions(filters: TabletFilter) -> list[ColumnElement[bool]]:
    """Return the conditions of a filter on a class and on what tablets report."""
    conditions: list[ColumnElement[bool]] = []
    if filters.class_id is not None:
        conditions.append(Tablet.is_of_class(filters.class_id))
    if filters.lacks_apps:
        lacking = TabletApp.state.not_in((AppState.INSTALLED, AppState.REMOVING))
        conditions.append(exists().where(TabletApp.tablet_id == Tablet.id, lacking))
    if filters.silent_since is not None:
        contact = select_last_contact()
        conditions.append(or_(contact.is_(None), contact < filters.silent_since))
    if filters.unproved:
        conditions.append(is_unproved())
    if filters.lacks_agreement:
        conditions.append(lacks_agreement())
    if filters.erased:
        conditions.append(select_erased_at().is_not(None))
    if filters.system is not None:
        conditions.append(or_(Tablet.os_version == str(filters.system), Tablet.os_version.startswith(f"{filters.system}.")))
    if filters.battery_below is not None:
        conditions.append(Tablet.battery_level < filters.battery_below)
    if filters.storage_below is not None:
        conditions.append(Tablet.available_gigabytes < filters.storage_below)
    return conditions


def lacks_agreement() -> ColumnElement[bool]:
    """Return the condition for tablets that a pupil has on loan while the family has not signed the agreement, nor refused it."""
    lent = (Loan.tablet_id == Tablet.id, Loan.closed_at.is_(None), Loan.pupil_id.is_not(None))
    return exists().where(*lent, Loan.agreement == AgreementState.PENDING).correlate(Tablet)


def is_unproved() -> ColumnElement[bool]:
    """Return the condition for tablets whose proved mode is not the one they should be in: by declarations, or by their profile."""
    declares = exists().where(
        DeviceEnrollment.tablet_id == Tablet.id, DeviceEnrollment.parent_id.is_(None),
        DeclarativeState.enrollment_id == DeviceEnrollment.id, DeclarativeState.set_sha256.is_not(None),
        DeclarativeState.fallback_reason.is_(None),
    ).correlate(Tablet)  # fmt: skip
    proves = exists().where(
        DeviceEnrollment.tablet_id == Tablet.id, DeviceEnrollment.parent_id.is_(None),
        DeclarativeState.enrollment_id == DeviceEnrollment.id, TabletMode.tablet_id == Tablet.id,
        DeclarativeState.confirmed_mode == cast(TabletMode.mode, String),
    ).correlate(Tablet)  # fmt: skip
    has_profile = (
        exists().where(TabletProfile.tablet_id == Tablet.id, TabletProfile.state == ProfileState.VERIFIED).correlate(Tablet)
    )
    is_wanted = exists().where(TabletMode.tablet_id == Tablet.id).correlate(Tablet)
    return and_(is_wanted, or_(and_(declares, ~proves), and_(~declares, ~has_profile)))
