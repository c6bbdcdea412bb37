"""All SQL of the overview: lists of tablets, their circumstances, their acts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Row, ScalarSelect, func, or_, select
from sqlalchemy.orm import Session

from cartable.audit import AuditEvent
from cartable.errors import Invalid
from cartable.scope import Actor
from enrollment.people.models import Pupil
from enrollment.places.models import Level, School, SchoolClass
from enrollment.tablets.models import Loan, Tablet, TabletState
from mdm.devices.models import DeclarativeState, DeviceEnrollment, Heartbeat, PushTarget
from mdm.reconcile.models import AppState, TabletApp
from profiles.schedule.models import TabletMode


@dataclass(frozen=True, slots=True)
class Filter:
    """Which tablets to list."""

    town_id: UUID | None = None
    school_id: UUID | None = None
    state: TabletState | None = None
    level: Level | None = None
    text: str | None = None
    after: str | None = None  # the `cursor` of the last row of the page before
    limit: int = 50
    tablet_id: UUID | None = None


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

    @property
    def cursor(self) -> str:
        """Where the next page begins. Tags may repeat between towns, so the id stands behind."""
        return f"{self.tablet.tag}~{self.tablet.id}"


class OverviewRepository:
    """Reads what people look at."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def rows(self, actor: Actor, wanted: Filter, pupil_ids: Sequence[UUID]) -> list[TabletRow]:
        statement = (
            select(Tablet, Pupil, School, SchoolClass, _last_seen())
            .outerjoin(Loan, (Loan.tablet_id == Tablet.id) & Loan.closed_at.is_(None))
            .outerjoin(Pupil, Pupil.id == Loan.pupil_id)
            .outerjoin(School, School.id == Tablet.school_id)
            .outerjoin(SchoolClass, SchoolClass.id == func.coalesce(Pupil.class_id, Tablet.class_id))
            .order_by(Tablet.tag, Tablet.id)
            .limit(wanted.limit)
        )
        for column, value in (
            (Tablet.town_id, wanted.town_id),
            (Tablet.school_id, wanted.school_id),
            (Tablet.state, wanted.state),
            (Pupil.level, wanted.level),
            (Tablet.id, wanted.tablet_id),
        ):
            if value is not None:
                statement = statement.where(column == value)
        if wanted.after:
            statement = statement.where(_behind(wanted.after))
        if wanted.text:
            like = wanted.text.upper()
            hits = [
                func.upper(Tablet.tag).contains(like, autoescape=True),
                func.upper(Tablet.serial).contains(like, autoescape=True),
                Pupil.id.in_(pupil_ids),
            ]
            statement = statement.where(or_(*hits))
        found = self.session.execute(actor.restrict(statement, Tablet)).all()
        counts = self._app_counts([row[0].id for row in found])
        return [TabletRow(*row, *counts.get(row[0].id, (0, 0))) for row in found]

    def _app_counts(self, tablet_ids: Sequence[UUID]) -> dict[UUID, tuple[int, int]]:
        rows = self.session.execute(
            select(TabletApp.tablet_id, TabletApp.state, func.count())
            .where(TabletApp.tablet_id.in_(tablet_ids), TabletApp.state != AppState.REMOVING)
            .group_by(TabletApp.tablet_id, TabletApp.state)
        )
        counts: dict[UUID, tuple[int, int]] = {}
        for tablet_id, state, number in rows:
            wanted, installed = counts.get(tablet_id, (0, 0))
            counts[tablet_id] = (wanted + number, installed + (number if state is AppState.INSTALLED else 0))
        return counts

    def by_state(self, actor: Actor) -> dict[TabletState, int]:
        statement = select(Tablet.state, func.count()).group_by(Tablet.state)
        return {row[0]: row[1] for row in self.session.execute(actor.restrict(statement, Tablet))}

    def holders(self, town_id: UUID) -> set[UUID]:
        """The pupils of a town who hold a tablet."""
        return set(self.session.scalars(select(Loan.pupil_id).where(Loan.town_id == town_id, Loan.closed_at.is_(None))))

    def events(self, tablet_id: UUID, limit: int) -> Sequence[AuditEvent]:
        return self.session.scalars(
            select(AuditEvent)
            .where(AuditEvent.subject_kind == "tablet", AuditEvent.subject_id == str(tablet_id))
            .order_by(AuditEvent.id.desc())
            .limit(limit)
        ).all()

    def mode(self, tablet_id: UUID) -> TabletMode | None:
        return self.session.get(TabletMode, tablet_id)

    def declarative(self, enrollment_id: int) -> DeclarativeState | None:
        return self.session.get(DeclarativeState, enrollment_id)

    def enrollment(self, tablet_id: UUID) -> Row[DeviceEnrollment, PushTarget | None, datetime | None] | None:
        return self.session.execute(
            select(DeviceEnrollment, PushTarget, Heartbeat.last_seen_at)
            .outerjoin(PushTarget, PushTarget.enrollment_id == DeviceEnrollment.id)
            .outerjoin(Heartbeat, Heartbeat.enrollment_id == DeviceEnrollment.id)
            .where(DeviceEnrollment.tablet_id == tablet_id, DeviceEnrollment.parent_id.is_(None))
            .order_by(DeviceEnrollment.authenticated_at.desc())
            .limit(1)
        ).one_or_none()


def _last_seen() -> ScalarSelect[datetime]:
    """When a tablet was last heard, on any of its device channels."""
    return (
        select(func.max(Heartbeat.last_seen_at))
        .join(DeviceEnrollment, DeviceEnrollment.id == Heartbeat.enrollment_id)
        .where(DeviceEnrollment.tablet_id == Tablet.id, DeviceEnrollment.parent_id.is_(None))
        .correlate(Tablet)
        .scalar_subquery()
    )


def _behind(cursor: str) -> ColumnElement[bool]:
    """Rows after a cursor. Raises `Invalid`."""
    tag, separator, last = cursor.rpartition("~")
    try:
        return or_(Tablet.tag > tag, (Tablet.tag == tag) & (Tablet.id > UUID(last))) if separator else Tablet.tag > cursor
    except ValueError as error:
        raise Invalid(field="after") from error
