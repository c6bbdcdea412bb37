"""All SQL of the state of resolvers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from cartable.database import get_insert
from mdm.resolver.models import ResolverProcess


class ResolverRepository:
    """Reads and writes the rows of resolvers."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def save(self, state: ResolverProcess) -> None:
        """Insert or replace the row of a resolver."""
        insert = get_insert(self.session.get_bind().dialect.name)
        names = [column.name for column in ResolverProcess.__table__.columns]
        statement = insert(ResolverProcess).values({name: getattr(state, name) for name in names})
        changed = {name: getattr(statement.excluded, name) for name in names if name != "id"}
        self.session.execute(statement.on_conflict_do_update(index_elements=["id"], set_=changed))

    def remove(self, resolver_id: str) -> None:
        """Remove a resolver that has ended in good order."""
        self.session.execute(delete(ResolverProcess).where(ResolverProcess.id == resolver_id))

    def delete_unseen(self, before: datetime) -> None:
        """Remove the resolvers that died long ago."""
        self.session.execute(delete(ResolverProcess).where(ResolverProcess.seen_at < before))

    def list_all(self) -> Sequence[ResolverProcess]:
        """Return every resolver, by name."""
        return self.session.scalars(select(ResolverProcess).order_by(ResolverProcess.id)).all()
