"""All SQL of what was compiled: rendered profiles and sets of declarations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from profiles.effective.models import DeclarationSet, RenderedProfile


class CompiledRepository:
    """Reads and writes what was compiled, under its hash."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def list_known_profiles(self, hashes: Sequence[str]) -> set[str]:
        """Those of the hashes under which a profile is stored already."""
        return set(self.session.scalars(select(RenderedProfile.sha256).where(RenderedProfile.sha256.in_(hashes))))

    def list_known_sets(self, hashes: Sequence[str]) -> set[str]:
        """Those of the hashes under which a set of declarations is stored already."""
        return set(self.session.scalars(select(DeclarationSet.sha256).where(DeclarationSet.sha256.in_(hashes))))

    def add_profile(self, row: RenderedProfile) -> None:
        """Store a profile; another worker may have been faster with the very same."""
        self._add_once(RenderedProfile, row)

    def add_set(self, row: DeclarationSet) -> None:
        """Store a set of declarations; another worker may have been faster with the very same."""
        self._add_once(DeclarationSet, row)

    def _add_once(self, model: Any, row: Any) -> None:
        insert: Any = postgresql.insert if self.session.get_bind().dialect.name == "postgresql" else sqlite.insert
        values = {column.key: getattr(row, column.key) for column in model.__table__.columns}
        self.session.execute(insert(model).values(values).on_conflict_do_nothing())
