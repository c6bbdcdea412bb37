"""All SQL of imported filter lists: categories, and their hosts in compressed blocks."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, delete, false, insert, or_, select
from sqlalchemy.orm import Session

from cartable.keyset import fetch_scalar_page
from cartable.paging import Page, PageRequest
from profiles.filters.blocks import HostBlock, hash_blocks, read_block
from profiles.filters.models import FilterBlock, FilterCategory, ListUpdates
from profiles.filters.rules import list_domains

_ROWS_PER_STATEMENT = 50


class FilterRepository:
    """Reads and writes imported lists."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def list_categories(self, town_id: UUID, page: PageRequest) -> Page[FilterCategory]:
        """One page of the categories of a town, by name."""
        statement = select(FilterCategory).where(FilterCategory.town_id == town_id)
        return fetch_scalar_page(self.session, statement, page, FilterCategory.name)

    def list_all_categories(self, town_id: UUID) -> Sequence[FilterCategory]:
        statement = select(FilterCategory).where(FilterCategory.town_id == town_id)
        return self.session.scalars(statement.order_by(FilterCategory.name)).all()

    def count_hosts(self, town_id: UUID) -> dict[str, int]:
        """The number of hosts of each category of a town."""
        rows = self.session.execute(select(FilterCategory.name, FilterCategory.hosts).where(FilterCategory.town_id == town_id))
        return {row.name: row.hosts for row in rows}

    def get_updates(self, town_id: UUID) -> ListUpdates | None:
        """Whether a town's lists come by themselves, and how the last attempt went."""
        return self.session.scalar(select(ListUpdates).where(ListUpdates.town_id == town_id))

    def save_updates(self, row: ListUpdates) -> None:
        """Store a town's wish."""
        self.session.add(row)
        self.session.flush()

    def list_towns_to_update(self, checked_before: datetime) -> list[UUID]:
        """The towns whose lists come by themselves and were not looked at since an instant."""
        is_due = or_(ListUpdates.checked_at.is_(None), ListUpdates.checked_at < checked_before)
        return list(self.session.scalars(select(ListUpdates.town_id).where(ListUpdates.is_wanted, is_due)))

    def delete_categories(self, town_id: UUID, names: Sequence[str]) -> None:
        """Delete some categories of a town with their hosts."""
        is_named = (FilterCategory.town_id == town_id) & FilterCategory.name.in_(names)
        ids = select(FilterCategory.id).where(is_named)
        self.session.execute(delete(FilterBlock).where(FilterBlock.category_id.in_(ids)))
        self.session.execute(delete(FilterCategory).where(is_named))

    def add_category(self, town_id: UUID, name: str, white: bool, blocks: Sequence[HostBlock], now: datetime) -> int:
        """Add a category with its hosts. Return how many hosts it has."""
        count = sum(block.count for block in blocks)
        content_sha256 = hash_blocks(blocks)
        row = FilterCategory(
            town_id=town_id, name=name, white=white, hosts=count, urls=0, content_sha256=content_sha256, imported_at=now
        )
        self.session.add(row)
        self.session.flush()
        rows = [{"category_id": row.id, "first": each.first, "last": each.last, "body": each.body} for each in blocks]
        for start in range(0, len(rows), _ROWS_PER_STATEMENT):
            self.session.execute(insert(FilterBlock), rows[start : start + _ROWS_PER_STATEMENT])
        return count

    def find_categories_of_hosts(self, town_id: UUID, hosts: Collection[str]) -> dict[str, list[str]]:
        """The categories that list each host or a domain above it, in one query."""
        names: dict[str, set[str]] = {name: set() for host in hosts for name in list_domains(host)}
        ranges = [and_(FilterBlock.first <= name.encode(), FilterBlock.last >= name.encode()) for name in names]
        statement = (
            select(FilterCategory.name, FilterBlock.body)
            .join(FilterBlock, FilterBlock.category_id == FilterCategory.id)
            .where(FilterCategory.town_id == town_id, or_(false(), *ranges))
        )
        for category, body in self.session.execute(statement):
            for name in names.keys() & {line.decode() for line in read_block(body)}:
                names[name].add(category)
        return {host: sorted(set().union(*(names[name] for name in list_domains(host)))) for host in hosts}

    def list_bodies(self, category_id: UUID, after_id: int, limit: int) -> list[tuple[int, bytes]]:
        """Return id and compressed hosts of the next blocks of a category, in the order in which they were imported."""
        statement = select(FilterBlock.id, FilterBlock.body).where(
            FilterBlock.category_id == category_id, FilterBlock.id > after_id
        )
        return [(row.id, row.body) for row in self.session.execute(statement.order_by(FilterBlock.id).limit(limit))]

    def find_categories(self, town_id: UUID, host: str) -> list[str]:
        """The categories that list a host or a domain above it."""
        names: set[str] = set()
        for name in list_domains(host):
            key = name.encode()
            rows = self.session.execute(
                select(FilterCategory.name, FilterBlock.body)
                .join(FilterBlock, FilterBlock.category_id == FilterCategory.id)
                .where(FilterCategory.town_id == town_id, FilterBlock.first <= key, FilterBlock.last >= key)
            )
            names |= {row[0] for row in rows if key in read_block(row[1])}
        return sorted(names)
