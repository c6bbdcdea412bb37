"""All SQL of the safeguards."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from cartable.keyset import fetch_scalar_page
from cartable.paging import Page, PageRequest
from cartable.scope import Actor, Permission
from enrollment.places.models import Town
from enrollment.safeguards.models import BudgetEntry, BudgetExtension, BudgetLimits, StopSwitch
from enrollment.safeguards.rules import DAY, HOUR, Limits, Spending


class SafeguardRepository:
    """Reads the budget of a town, its extensions and its stop switch."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def get_limits(self, town_id: UUID) -> Limits:
        row = self.session.get(BudgetLimits, town_id)
        return Limits(row.person_per_hour, row.person_per_day, row.town_per_day) if row else Limits()

    def load_spending(self, town_id: UUID, account_id: UUID | None, now: datetime) -> Spending:
        """Return what a person has spent in all towns and all people in this one, and the town's extensions that are valid now."""
        is_own, in_hour, in_town = (
            BudgetEntry.account_id == account_id,
            BudgetEntry.at > now - HOUR,
            BudgetEntry.town_id == town_id,
        )
        cost = BudgetEntry.cost
        spent = self.session.execute(
            select(
                func.coalesce(func.sum(cost).filter(is_own, in_hour), 0),
                func.coalesce(func.sum(cost).filter(is_own), 0),
                func.coalesce(func.sum(cost).filter(in_town), 0),
            ).where(or_(is_own, in_town), BudgetEntry.at > now - DAY)
        ).one()
        tablets = BudgetExtension.tablets
        extended = self.session.execute(
            select(
                func.coalesce(func.sum(tablets).filter(BudgetExtension.requested_by == account_id), 0),
                func.coalesce(func.sum(tablets), 0),
            ).where(
                BudgetExtension.town_id == town_id,
                BudgetExtension.cancelled_at.is_(None),
                BudgetExtension.valid_from <= now,
                BudgetExtension.valid_until > now,
            )
        ).one()
        return Spending(int(spent[0]), int(spent[1]), int(spent[2]), int(extended[0]), int(extended[1]))

    def get_visible_extension(self, actor: Actor, extension_id: UUID) -> BudgetExtension | None:
        statement = select(BudgetExtension).where(BudgetExtension.id == extension_id)
        return self.session.scalar(actor.restrict(statement, BudgetExtension, Permission.CARE))

    def list_extensions(self, town_id: UUID, page: PageRequest) -> Page[BudgetExtension]:
        statement = select(BudgetExtension).where(BudgetExtension.town_id == town_id)
        return fetch_scalar_page(self.session, statement, page, BudgetExtension.requested_at, BudgetExtension.id, descending=True)

    def cancel_extensions(self, town_id: UUID, account_id: UUID | None, now: datetime) -> int:
        """Cancel the extensions of a town that are waiting or valid, and return how many."""
        statement = (
            update(BudgetExtension)
            .where(
                BudgetExtension.town_id == town_id,
                BudgetExtension.cancelled_at.is_(None),
                or_(BudgetExtension.valid_until.is_(None), BudgetExtension.valid_until > now),
            )
            .values(cancelled_by=account_id, cancelled_at=now)
            .returning(BudgetExtension.id)
            .execution_options(synchronize_session=False)
        )
        return len(self.session.scalars(statement).all())

    def get_stop_switch(self, town_id: UUID) -> StopSwitch | None:
        return self.session.scalar(select(StopSwitch).where(StopSwitch.town_id == town_id))

    def list_stopped(self, town_ids: Collection[UUID]) -> Sequence[StopSwitch]:
        """List the stop switches that are on in these towns."""
        statement = select(StopSwitch).where(StopSwitch.town_id.in_(town_ids), StopSwitch.stopped_at.is_not(None))
        return self.session.scalars(statement.order_by(StopSwitch.id)).all()

    def list_stopped_names(self, town_ids: Collection[UUID]) -> Sequence[str]:
        """List the names of those of the towns whose stop switch is on."""
        statement = (
            select(Town.name)
            .join(StopSwitch, StopSwitch.town_id == Town.id)
            .where(Town.id.in_(town_ids), StopSwitch.stopped_at.is_not(None))
        )
        return self.session.scalars(statement.order_by(Town.name, Town.id)).all()
