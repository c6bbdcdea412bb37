"""All SQL of the former contents of categories. Contents are moved within the database: they may have millions of hosts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, delete, insert, literal, select
from sqlalchemy.orm import Session

from cartable.database import UtcDateTime
from profiles.filters.models import FilterBlock, FilterCategory, FormerBlock, FormerCategory

_COLUMNS = ("id", "town_id", "name", "white", "hosts", "urls", "content_sha256", "imported_at")
_BLOCK_COLUMNS = ("category_id", "first", "last", "body")
#: A content has up to some thousand blocks: few end in one run.
_CONTENTS_PER_RUN = 1


class FormerListRepository:
    """Keeps, lists and puts back former contents."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def keep_changed(self, town_id: UUID, new_contents: Mapping[str, str], now: datetime) -> None:
        """Keep the present content of the categories whose new one, by its SHA-256, is another; it replaces what was kept of them."""
        rows = self.session.execute(
            select(FilterCategory.id, FilterCategory.name, FilterCategory.content_sha256).where(
                FilterCategory.town_id == town_id, FilterCategory.name.in_(new_contents)
            )
        ).all()
        changed = [row for row in rows if row.content_sha256 != new_contents[row.name]]
        if changed:
            names = [row.name for row in changed]
            self._delete((FormerCategory.town_id == town_id) & FormerCategory.name.in_(names))
            self._keep([row.id for row in changed], now)

    def list_all(self, town_id: UUID, since: datetime) -> Sequence[FormerCategory]:
        """The former contents of a town that were replaced since an instant, by name."""
        statement = select(FormerCategory).where(FormerCategory.town_id == town_id, FormerCategory.replaced_at >= since)
        return self.session.scalars(statement.order_by(FormerCategory.name)).all()

    def find_current(self, town_id: UUID, name: str) -> FilterCategory | None:
        """The category as it is in force."""
        statement = select(FilterCategory).where(FilterCategory.town_id == town_id, FilterCategory.name == name)
        return self.session.scalar(statement)

    def put_back(self, former: FormerCategory, now: datetime) -> None:
        """Exchange the former content of a category with the one in force."""
        former_id, current = former.id, self.find_current(former.town_id, former.name)
        if current is not None:
            current_id = current.id
            self._keep([current_id], now)
            self.session.execute(delete(FilterBlock).where(FilterBlock.category_id == current_id))
            self.session.execute(delete(FilterCategory).where(FilterCategory.id == current_id))
        columns = [getattr(FormerCategory, name) for name in _COLUMNS]
        self.session.execute(insert(FilterCategory).from_select(_COLUMNS, select(*columns).where(FormerCategory.id == former_id)))
        blocks = select(*(getattr(FormerBlock, name) for name in _BLOCK_COLUMNS)).where(FormerBlock.category_id == former_id)
        self.session.execute(insert(FilterBlock).from_select(_BLOCK_COLUMNS, blocks.order_by(FormerBlock.id)))
        self._delete(FormerCategory.id == former_id)

    def delete_old(self, before: datetime) -> int:
        """Delete a content that was replaced before an instant, and return how many were."""
        statement = select(FormerCategory.id).where(FormerCategory.replaced_at < before).limit(_CONTENTS_PER_RUN)
        ids = list(self.session.scalars(statement))
        if ids:
            self._delete(FormerCategory.id.in_(ids))
        return len(ids)

    def list_bodies(
        self, table: type[FilterBlock | FormerBlock], category_id: UUID, after: int, limit: int
    ) -> list[tuple[int, bytes]]:
        """Id and compressed hosts of the next blocks of a content."""
        statement = select(table.id, table.body).where(table.category_id == category_id, table.id > after)
        return [(row.id, row.body) for row in self.session.execute(statement.order_by(table.id).limit(limit))]

    def list_overlapping(
        self, table: type[FilterBlock | FormerBlock], category_id: UUID, first: bytes, last: bytes
    ) -> list[bytes]:
        """The compressed hosts of the blocks of a content that may have a host between two."""
        statement = select(table.body).where(table.category_id == category_id, table.first <= last, table.last >= first)
        return list(self.session.scalars(statement))

    def _keep(self, ids: Sequence[UUID], now: datetime) -> None:
        columns = [getattr(FilterCategory, name) for name in _COLUMNS]
        rows = select(*columns, literal(now, UtcDateTime)).where(FilterCategory.id.in_(ids))
        self.session.execute(insert(FormerCategory).from_select((*_COLUMNS, "replaced_at"), rows))
        blocks = select(*(getattr(FilterBlock, name) for name in _BLOCK_COLUMNS)).where(FilterBlock.category_id.in_(ids))
        self.session.execute(insert(FormerBlock).from_select(_BLOCK_COLUMNS, blocks.order_by(FilterBlock.id)))

    def _delete(self, is_meant: ColumnElement[bool]) -> None:
        ids = select(FormerCategory.id).where(is_meant)
        self.session.execute(delete(FormerBlock).where(FormerBlock.category_id.in_(ids)))
        self.session.execute(delete(FormerCategory).where(is_meant).execution_options(synchronize_session=False))
