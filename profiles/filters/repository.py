"""All SQL of imported filter lists: categories, and their hosts in compressed blocks."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from cartable.keyset import fetch_scalar_page
from cartable.paging import Page, PageRequest
from profiles.filters.models import FilterBlock, FilterCategory
from profiles.filters.rules import list_domains

BLOCK = 4096
#: Hosts that are sorted in memory at once; sorted lists of any length pass without it.
CHUNK = 200_000


class FilterRepository:
    """Reads and writes imported lists."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def list_categories(self, town_id: UUID, page: PageRequest) -> Page[FilterCategory]:
        """One page of the categories of a town, by name."""
        statement = select(FilterCategory).where(FilterCategory.town_id == town_id)
        return fetch_scalar_page(self.session, statement, page, FilterCategory.name)

    def count_hosts(self, town_id: UUID) -> dict[str, int]:
        """The number of hosts of each category of a town."""
        rows = self.session.execute(select(FilterCategory.name, FilterCategory.hosts).where(FilterCategory.town_id == town_id))
        return {row.name: row.hosts for row in rows}

    def delete_categories(self, town_id: UUID, names: Sequence[str]) -> None:
        """Delete some categories of a town with their hosts."""
        is_named = (FilterCategory.town_id == town_id) & FilterCategory.name.in_(names)
        ids = select(FilterCategory.id).where(is_named)
        self.session.execute(delete(FilterBlock).where(FilterBlock.category_id.in_(ids)))
        self.session.execute(delete(FilterCategory).where(is_named))

    def add_hosts(self, town_id: UUID, name: str, white: bool, hosts: Iterable[str], now: datetime) -> int:
        """Add a file of hosts to a category, in blocks, so that memory is bounded whatever its length. Return how many."""
        row = self.session.scalar(select(FilterCategory).where(FilterCategory.town_id == town_id, FilterCategory.name == name))
        if row is None:
            row = FilterCategory(town_id=town_id, name=name, white=white, hosts=0, urls=0, imported_at=now)
            self.session.add(row)
            self.session.flush()
        added = 0
        for block in _split_into_blocks(hosts):
            added += len(block)
            self.session.add(
                FilterBlock(
                    category_id=row.id,
                    first=block[0].encode(),
                    last=block[-1].encode(),
                    body=zlib.compress("\n".join(block).encode(), 6),
                )
            )
            if added % (BLOCK * 50) < BLOCK:
                self.session.flush()
                self.session.expunge_all()
                self.session.add(row)
        row.hosts += added
        self.session.flush()
        return added

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
            names |= {row[0] for row in rows if key in zlib.decompress(row[1]).split(b"\n")}
        return sorted(names)


def _split_into_blocks(hosts: Iterable[str]) -> Iterator[list[str]]:
    """Sorted blocks that do not overlap where the list is sorted, and hardly where it is not."""
    chunk: list[str] = []
    for host in hosts:
        chunk.append(host)
        if len(chunk) >= CHUNK:
            yield from _split_chunk(chunk)
            chunk = []
    if chunk:
        yield from _split_chunk(chunk)


def _split_chunk(chunk: list[str]) -> Iterator[list[str]]:
    ordered = [host for host, _ in groupby(sorted(chunk, key=str.encode))]
    for start in range(0, len(ordered), BLOCK):
        yield ordered[start : start + BLOCK]
