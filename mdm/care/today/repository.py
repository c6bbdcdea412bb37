"""All SQL of what waits in a town: one statement for all counts, one for each list of a card."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, delete, exists, func, literal, or_, select, union_all
from sqlalchemy.orm import Session

from cartable.database import get_insert
from cartable.scope import Actor, Permission
from enrollment.joining.ade.models import AdeServer
from enrollment.people.models import Pupil
from enrollment.places.models import School, SchoolClass
from enrollment.tablets.models import Loan, Tablet, TabletState
from mdm.care.overview_repository import is_unproved
from mdm.care.today.kinds import PERMISSIONS, TodayScope, WaitingKind
from mdm.care.today.models import FleetDay
from mdm.care.today.waiting_conditions import build_waiting_conditions
from mdm.devices.repository import select_last_contact
from mdm.reconcile.models import AppReason, AppState, TabletApp
from profiles.apps.models import LicenceToken
from profiles.schedule.models import TabletMode
from profiles.schedule.modes import Mode

#: The states in which somebody has the tablet and it should be heard of.
WITH_HOLDER = (TabletState.IN_USE, TabletState.HANDED_OVER, TabletState.ABSENT)
_LACKING = TabletApp.state.not_in((AppState.INSTALLED, AppState.REMOVING))


class TodayRepository:
    """Counts and lists what waits in a place, within what the actor may see."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def count_waiting(
        self, actor: Actor, scope: TodayScope, kinds: Collection[WaitingKind], now: datetime
    ) -> dict[WaitingKind, int]:
        """Return how many of each kind wait, in one statement. What the actor has asked for waits for somebody else."""
        if not kinds:
            return {}
        conditions = build_waiting_conditions(actor.account_id, now)
        statements = []
        for kind in kinds:
            model, is_waiting = conditions[kind]
            in_place = [model.town_id == scope.town_id]
            if scope.school_id is not None and hasattr(model, "school_id"):
                in_place.append(model.school_id == scope.school_id)
            statement = select(literal(kind.value), func.count()).select_from(model).where(*in_place, *is_waiting)
            statements.append(actor.restrict(statement, model, PERMISSIONS[kind]))
        rows = self.session.execute(union_all(*statements)).all()
        return {WaitingKind(row[0]): row[1] for row in rows if row[1]}

    def count_missing_apps(self, actor: Actor, scope: TodayScope) -> Sequence[Row[AppReason, int]]:
        """Return for each reason how many apps are missing on tablets with a holder."""
        number = func.count()
        statement = select(TabletApp.reason, number).join(Tablet, Tablet.id == TabletApp.tablet_id)
        statement = statement.where(*_is_in_place(scope), Tablet.state.in_(WITH_HOLDER), _LACKING).group_by(TabletApp.reason)
        return self.session.execute(actor.restrict(statement, Tablet, Permission.CARE).order_by(number.desc())).all()

    def count_silent(
        self, actor: Actor, scope: TodayScope, since: datetime
    ) -> Sequence[Row[School | None, SchoolClass | None, int]]:
        """Return for each class how many tablets with a holder had no contact since an instant, the most first."""
        contact = select_last_contact()
        statement = (
            select(School, SchoolClass, func.count())
            .select_from(Tablet)
            .outerjoin(Loan, (Loan.tablet_id == Tablet.id) & Loan.closed_at.is_(None))
            .outerjoin(Pupil, Pupil.id == Loan.pupil_id)
            .outerjoin(School, School.id == Tablet.school_id)
            .outerjoin(SchoolClass, SchoolClass.id == func.coalesce(Pupil.class_id, Tablet.class_id))
            .where(*_is_in_place(scope), Tablet.state.in_(WITH_HOLDER), or_(contact.is_(None), contact < since))
            .group_by(School.id, SchoolClass.id)
            .order_by(func.count().desc(), School.name, School.id, SchoolClass.label_order, SchoolClass.id)
        )
        return self.session.execute(actor.restrict(statement, Tablet, Permission.CARE)).all()

    def count_unproved_modes(self, actor: Actor, scope: TodayScope, before: datetime) -> Sequence[Row[Mode, int]]:
        """Return for each mode how many tablets with a holder should be in it since before an instant and have not proved it."""
        number = func.count()
        statement = (
            select(TabletMode.mode, number)
            .select_from(Tablet)
            .join(TabletMode, TabletMode.tablet_id == Tablet.id)
            .where(*_is_in_place(scope), Tablet.state.in_(WITH_HOLDER), TabletMode.since < before, is_unproved())
            .group_by(TabletMode.mode)
            .order_by(number.desc(), TabletMode.mode)
        )
        return self.session.execute(actor.restrict(statement, Tablet, Permission.CARE)).all()

    def list_token_ends(self, town_id: UUID) -> list[tuple[bool, str, datetime]]:
        """Return the tokens of a town: whether it is one of Apps and Books, its name, its end."""
        books = select(literal(True), LicenceToken.location, LicenceToken.expires).where(LicenceToken.town_id == town_id)
        servers = select(literal(False), AdeServer.name, AdeServer.token_expires_at)
        servers = servers.where(AdeServer.town_id == town_id, AdeServer.token_expires_at.is_not(None))
        rows: Sequence[Any] = self.session.execute(union_all(books, servers)).all()
        return [(bool(row[0]), row[1], row[2]) for row in rows]

    def list_days(self, town_id: UUID, since: date) -> Sequence[FleetDay]:
        """Return the figures of a town since a day, oldest first."""
        statement = select(FleetDay).where(FleetDay.town_id == town_id, FleetDay.day >= since).order_by(FleetDay.day)
        return self.session.scalars(statement).all()

    def save_day(self, day: date, contact_since: datetime) -> int:
        """Count the tablets of every town and save them as the figures of a day. Returns the number of towns."""
        contact = select_last_contact()
        lacks = exists().where(TabletApp.tablet_id == Tablet.id, _LACKING)
        rows: Sequence[Any] = self.session.execute(
            select(
                Tablet.town_id,
                func.count().label("in_use"),
                func.count().filter(contact >= contact_since).label("seen"),
                func.count().filter(~lacks).label("complete"),
            )
            .where(Tablet.state.in_(WITH_HOLDER))
            .group_by(Tablet.town_id)
            .order_by(Tablet.town_id)
        ).all()
        if not rows:
            return 0
        insert = get_insert(self.session.get_bind().dialect.name)
        days: list[dict[str, Any]] = [
            {"town_id": row[0], "day": day, "in_use": row[1], "seen": row[2], "complete": row[3]} for row in rows
        ]
        statement = insert(FleetDay).values(days)
        counted = {name: statement.excluded[name] for name in ("in_use", "seen", "complete")}
        self.session.execute(statement.on_conflict_do_update(index_elements=["town_id", "day"], set_=counted))
        return len(rows)

    def delete_days(self, before: date) -> None:
        self.session.execute(delete(FleetDay).where(FleetDay.day < before))


def _is_in_place(scope: TodayScope) -> list[ColumnElement[bool]]:
    """Return the conditions for the tablets of a place."""
    conditions: list[ColumnElement[bool]] = [Tablet.town_id == scope.town_id]
    if scope.school_id is not None:
        conditions.append(Tablet.school_id == scope.school_id)
    if scope.class_id is not None:
        conditions.append(Tablet.is_of_class(scope.class_id))
    return conditions
