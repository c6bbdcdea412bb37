"""All SQL of the contents of lists: stored once, named by their hash, deleted when no category has them any more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, exists, insert, select, update
from sqlalchemy.orm import Session

from cartable.database import get_insert
from profiles.filters.blocks import HostBlock
from profiles.filters.models import FilterBlock, FilterCategory, FilterContent, FormerCategory, StagedCategory

_ROWS_PER_STATEMENT = 50
#: A content has up to some thousand blocks: few end in one run.
_CONTENTS_PER_RUN = 2
#: A content that no category has is kept so long: an update may be about to use it.
_KEPT_FOR = timedelta(days=1)


class ContentRepository:
    """Reads and writes contents."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def add_contents(self, blocks_by_hash: Mapping[str, Sequence[HostBlock]], now: datetime) -> None:
        """Store contents that are not there, and mark all as used. Two transactions may store the same at once."""
        marked = update(FilterContent).where(FilterContent.sha256.in_(blocks_by_hash)).values(used_at=now)
        present = set(self.session.scalars(marked.returning(FilterContent.sha256)))
        put = get_insert(self.session.get_bind().dialect.name)(FilterContent).on_conflict_do_nothing()
        for sha256 in sorted(blocks_by_hash.keys() - present):
            added = self.session.scalar(put.values(sha256=sha256, used_at=now).returning(FilterContent.sha256))
            if added is not None:
                self._add_blocks(sha256, blocks_by_hash[sha256])

    def _add_blocks(self, sha256: str, blocks: Sequence[HostBlock]) -> None:
        rows = [{"content_sha256": sha256, "first": each.first, "last": each.last, "body": each.body} for each in blocks]
        for start in range(0, len(rows), _ROWS_PER_STATEMENT):
            self.session.execute(insert(FilterBlock), rows[start : start + _ROWS_PER_STATEMENT])

    def load_blocks(self, sha256: str | None) -> list[HostBlock]:
        """Return the blocks of a content, still compressed; none for no content. Their numbers of hosts are not read."""
        statement = select(FilterBlock.first, FilterBlock.last, FilterBlock.body).where(FilterBlock.content_sha256 == sha256)
        rows = self.session.execute(statement.order_by(FilterBlock.id))
        return [HostBlock(row.first, row.last, row.body, 0) for row in rows]

    def list_bodies(self, sha256: str, after_id: int, limit: int) -> list[tuple[int, bytes]]:
        """Return id and compressed hosts of the next blocks of a content, in the order in which they were stored."""
        statement = select(FilterBlock.id, FilterBlock.body).where(
            FilterBlock.content_sha256 == sha256, FilterBlock.id > after_id
        )
        return [(row.id, row.body) for row in self.session.execute(statement.order_by(FilterBlock.id).limit(limit))]

    def delete_unused(self, now: datetime) -> int:
        """Delete a few contents that no category has, and return how many."""
        is_unused = FilterContent.used_at < now - _KEPT_FOR
        for table in (FilterCategory, FormerCategory, StagedCategory):
            is_unused &= ~exists().where(table.content_sha256 == FilterContent.sha256)
        due = list(self.session.scalars(select(FilterContent.sha256).where(is_unused).limit(_CONTENTS_PER_RUN)))
        self.session.execute(
            delete(FilterContent).where(FilterContent.sha256.in_(due), is_unused).execution_options(synchronize_session=False)
        )
        return len(due)
