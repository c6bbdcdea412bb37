"""All SQL of the overview: lists of tablets, their circumstances, their audit events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, exists, func, literal, or_, select
from sqlalchemy.orm import Session

from cartable.audit import AuditEvent
from cartable.keyset import fetch_keyed_rows, fetch_page
from cartable.paging import KeyPart, Page, PageRequest
from cartable.scope import Actor
from enrollment.people.models import Pupil, StaffMember
from enrollment.places.models import Grade, School, SchoolClass
from enrollment.tablets.models import Loan, Tablet, TabletState
from mdm.devices.repository import select_last_contact
from mdm.reconcile.models import AppState, TabletApp
from profiles.schedule.models import TabletMode


@dataclass(frozen=True, slots=True)
class TabletFilter:
    """Which tablets to list. `lacks_apps`: those that lack an app they should have; `silent_since`: without contact since then."""

    town_id: UUID | None = None
    school_id: UUID | None = None
    state: TabletState | None = None
    level: Grade | None = None
    text: str | None = None
    tablet_id: UUID | None = None
    lacks_apps: bool = False
    silent_since: datetime | None = None


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


class OverviewRepository:
    """Reads tablets for lists and pages."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def list_rows(self, actor: Actor, filters: TabletFilter, pupil_ids: Sequence[UUID], page: PageRequest) -> Page[TabletRow]:
        statement = (
            select(Tablet, Pupil, School, SchoolClass, select_last_contact(), StaffMember)
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
        if filters.lacks_apps:
            lacking = TabletApp.state.not_in((AppState.INSTALLED, AppState.REMOVING))
            statement = statement.where(exists().where(TabletApp.tablet_id == Tablet.id, lacking))
        if filters.silent_since is not None:
            contact = select_last_contact()
            statement = statement.where(or_(contact.is_(None), contact < filters.silent_since))
        if filters.text:
            pattern = filters.text.upper()
            matches = [
                func.upper(Tablet.tag).contains(pattern, autoescape=True),
                func.upper(Tablet.serial).contains(pattern, autoescape=True),
                Pupil.id.in_(pupil_ids),
            ]
            statement = statement.where(or_(*matches))
        rows = fetch_page(self.session, actor.restrict(statement, Tablet), page, Tablet.tag, Tablet.id)
        counts = self._count_apps([row[0].id for row in rows.items])
        return rows.map(lambda row: TabletRow(*row[:5], *counts.get(row[0].id, (0, 0)), staff_member=row[5]))

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

    def count_by_state(self, actor: Actor) -> dict[TabletState, int]:
        statement = select(Tablet.state, func.count()).group_by(Tablet.state)
        return {row[0]: row[1] for row in self.session.execute(actor.restrict(statement, Tablet))}

    @staticmethod
    def select_holder_ids() -> Select[UUID | None]:
        """Return the statement that selects the ids of pupils who have an open loan."""
        return select(Loan.pupil_id).where(Loan.pupil_id.is_not(None), Loan.closed_at.is_(None))

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
