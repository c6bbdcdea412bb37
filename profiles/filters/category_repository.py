"""All SQL that changes what the categories of a town contain: kept before a change, replaced, put back. Contents stay where they are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from cartable.ids import new_id
from profiles.filters.blocks import CategoryContent
from profiles.filters.models import FilterCategory, FormerCategory

#: Rows of former categories that one run deletes.
_ROWS_PER_RUN = 1000


class CategoryRepository:
    """Changes the categories of a town."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def replace(self, town_id: UUID, contents: Collection[CategoryContent], now: datetime) -> None:
        """Give categories their new contents, and keep the former ones of those that change."""
        hashes = {each.name: each.content_sha256 for each in contents}
        present = self._list(town_id, hashes)
        self._keep([row for row in present if row.content_sha256 != hashes[row.name]], now)
        self._delete(present)
        values = [
            {"id": new_id(), "town_id": town_id, "name": each.name, "white": each.white, "hosts": each.hosts,
             "content_sha256": each.content_sha256, "imported_at": now}
            for each in contents
        ]  # fmt: skip
        if values:
            self.session.execute(insert(FilterCategory), values)

    def remove(self, town_id: UUID, names: Collection[str], now: datetime) -> None:
        """Remove categories, and keep what they were."""
        present = self._list(town_id, names)
        self._keep(present, now)
        self._delete(present)

    def list_former(self, town_id: UUID, since: datetime) -> Sequence[FormerCategory]:
        """Return the former contents of a town's categories that were replaced since an instant, by name."""
        statement = select(FormerCategory).where(FormerCategory.town_id == town_id, FormerCategory.replaced_at >= since)
        return self.session.scalars(statement.order_by(FormerCategory.name)).all()

    def find_current(self, town_id: UUID, name: str) -> FilterCategory | None:
        """Return the category as it is in force."""
        return next(iter(self._list(town_id, [name])), None)

    def put_back(self, former: FormerCategory, now: datetime) -> None:
        """Exchange the former content of a category with the one in force."""
        current = self._list(former.town_id, [former.name])
        back = FilterCategory(
            town_id=former.town_id, name=former.name, white=former.white, hosts=former.hosts,
            content_sha256=former.content_sha256, imported_at=former.imported_at,
        )  # fmt: skip
        self.session.delete(former)
        self.session.flush()
        self._keep(current, now)
        self._delete(current)
        self.session.add(back)
        self.session.flush()

    def delete_old(self, before: datetime) -> int:
        """Delete former contents that were replaced before an instant, and return how many."""
        due = select(FormerCategory.id).where(FormerCategory.replaced_at < before).limit(_ROWS_PER_RUN)
        ids = list(self.session.scalars(due))
        self.session.execute(delete(FormerCategory).where(FormerCategory.id.in_(ids)))
        return len(ids)

    def _list(self, town_id: UUID, names: Iterable[str]) -> list[FilterCategory]:
        statement = select(FilterCategory).where(FilterCategory.town_id == town_id, FilterCategory.name.in_(list(names)))
        return list(self.session.scalars(statement))

    def _keep(self, categories: Sequence[FilterCategory], now: datetime) -> None:
        """Keep what categories are as their former content; it replaces what was kept of them."""
        for town_id in {each.town_id for each in categories}:
            names = [each.name for each in categories]
            self.session.execute(delete(FormerCategory).where(FormerCategory.town_id == town_id, FormerCategory.name.in_(names)))
        values = [
            {"id": new_id(), "town_id": each.town_id, "name": each.name, "white": each.white, "hosts": each.hosts,
             "content_sha256": each.content_sha256, "imported_at": each.imported_at, "replaced_at": now}
            for each in categories
        ]  # fmt: skip
        if values:
            self.session.execute(insert(FormerCategory), values)

    def _delete(self, categories: Sequence[FilterCategory]) -> None:
        self.session.execute(delete(FilterCategory).where(FilterCategory.id.in_([each.id for each in categories])))
