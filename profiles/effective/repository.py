"""All SQL of what was compiled: rendered profiles and sets of declarations; and of the systems that it is compiled for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, func, select, update
from sqlalchemy.orm import Session

from cartable.database import get_insert
from enrollment.tablets.models import Tablet
from profiles.effective.models import DeclarationSet, RenderedProfile

_USE_INTERVAL = timedelta(days=1)


class CompiledRepository:
    """Reads and writes what was compiled, under its hash."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def list_known_profiles(self, hashes: Sequence[str], now: datetime) -> set[str]:
        """Return those of the hashes under which a profile is stored already; it is kept for the next weeks."""
        return self._list_known(RenderedProfile, hashes, now)

    def list_known_sets(self, hashes: Sequence[str], now: datetime) -> set[str]:
        """Return those of the hashes under which a set of declarations is stored already; it is kept for the next weeks."""
        return self._list_known(DeclarationSet, hashes, now)

    def _list_known(self, model: Any, hashes: Sequence[str], now: datetime) -> set[str]:
        """Return the stored ones. The use is written once a day, and only what is still there afterwards counts as stored."""
        rows = self.session.execute(select(model.sha256, model.last_used_at).where(model.sha256.in_(hashes)))
        used_at: dict[str, datetime] = {row[0]: row[1] for row in rows}
        fresh = {sha256 for sha256, at in used_at.items() if at > now - _USE_INTERVAL}
        stale = sorted(used_at.keys() - fresh)
        if not stale:
            return fresh
        statement = update(model).where(model.sha256.in_(stale)).values(last_used_at=now).returning(model.sha256)
        return fresh | set(self.session.scalars(statement.execution_options(synchronize_session=False)))

    def count_systems(self, tablets: Select[UUID]) -> Sequence[Row[str | None, bool | None, int]]:
        """Return how many of these tablets have which system: its version, whether it is supervised, and the number."""
        statement = select(Tablet.os_version, Tablet.supervised, func.count()).where(Tablet.id.in_(tablets))
        return self.session.execute(statement.group_by(Tablet.os_version, Tablet.supervised)).all()

    def add_profile(self, row: RenderedProfile) -> None:
        """Store a profile; another worker may have been faster with the very same."""
        self._add_once(RenderedProfile, row)

    def add_set(self, row: DeclarationSet) -> None:
        """Store a set of declarations; another worker may have been faster with the very same."""
        self._add_once(DeclarationSet, row)

    def _add_once(self, model: Any, row: Any) -> None:
        insert = get_insert(self.session.get_bind().dialect.name)
        values = {column.key: getattr(row, column.key) for column in model.__table__.columns}
        self.session.execute(insert(model).values(values).on_conflict_do_nothing())
