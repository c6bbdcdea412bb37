"""All SQL of the counts of questions that categories closed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from cartable.database import get_insert
from cartable.ids import new_id
from enrollment.tablets.models import Tablet, TabletState
from mdm.resolver.models import BlockedCount
from profiles.filters.models import FilterOptions


class BlockedCountRepository:
    """Reads and writes counts."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def list_counting_towns(self) -> frozenset[UUID]:
        """Return the towns that ask for counts."""
        return frozenset(self.session.scalars(select(FilterOptions.town_id).where(FilterOptions.counts_questions)))

    def count_tablets(self, town_ids: Collection[UUID]) -> dict[UUID, int]:
        """Return how many tablets of each town are in use."""
        is_counted = Tablet.town_id.in_(town_ids) & (Tablet.state == TabletState.IN_USE)
        statement = select(Tablet.town_id, func.count().label("tablets")).where(is_counted).group_by(Tablet.town_id)
        return {row.town_id: row.tablets for row in self.session.execute(statement)}

    def add(self, day_by_town: Mapping[UUID, date], counts: Mapping[tuple[UUID, str], int]) -> None:
        """Add counts to those of the day; two resolvers may do so at once."""
        statement = get_insert(self.session.get_bind().dialect.name)(BlockedCount)
        rows = [
            {"id": new_id(), "town_id": town_id, "day": day_by_town[town_id], "category": category, "questions": questions}
            for (town_id, category), questions in sorted(counts.items(), key=str)
        ]
        total = BlockedCount.questions + statement.excluded.questions
        statement = statement.on_conflict_do_update(index_elements=["town_id", "day", "category"], set_={"questions": total})
        if rows:
            self.session.execute(statement, rows)

    def list_since(self, town_id: UUID, first: date) -> Sequence[BlockedCount]:
        """Return the counts of a town from a day on, the newest first."""
        statement = select(BlockedCount).where(BlockedCount.town_id == town_id, BlockedCount.day >= first)
        return self.session.scalars(statement.order_by(BlockedCount.day.desc(), BlockedCount.category)).all()

    def count_before(self, town_id: UUID, day: date) -> int:
        """Return how many rows of a town are of days before this one."""
        statement = select(func.count()).where(BlockedCount.town_id == town_id, BlockedCount.day < day)
        return self.session.scalar(statement) or 0

    def delete_before(self, town_id: UUID, day: date) -> None:
        """Delete the counts of days before this one."""
        self.session.execute(delete(BlockedCount).where(BlockedCount.town_id == town_id, BlockedCount.day < day))
