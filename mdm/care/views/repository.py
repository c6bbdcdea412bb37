"""All SQL of saved views and chosen columns."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from mdm.care.views.models import ChosenColumns, SavedView


class SavedViewRepository:
    """Reads and writes the views of one person."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def list_views(self, account_id: UUID) -> Sequence[SavedView]:
        """List the views of an account by name."""
        statement = select(SavedView).where(SavedView.account_id == account_id)
        return self.session.scalars(statement.order_by(SavedView.name, SavedView.id)).all()

    def delete_view(self, account_id: UUID, view_id: UUID) -> bool:
        """Delete a view of an account. Returns whether there was one."""
        statement = delete(SavedView).where(SavedView.id == view_id, SavedView.account_id == account_id).returning(SavedView.id)
        return self.session.scalar(statement) is not None

    def get_columns(self, account_id: UUID) -> ChosenColumns | None:
        """Return the columns that an account has chosen; None for one that has chosen none."""
        return self.session.get(ChosenColumns, account_id)
