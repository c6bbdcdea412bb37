"""All SQL of web filters: what places say, the delivery, and imported categories in compressed blocks."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from profiles.filters.models import FilterBlock, FilterCategory, FilterDelivery, FilterPolicy
from profiles.filters.rules import Words, domains_of
from profiles.policy.kinds import LayerKind

BLOCK = 4096
#: Hosts that are sorted in memory at once; sorted lists of any length pass without it.
CHUNK = 200_000


class FilterRepository:
    """Reads and writes filters."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def words(self, town_ids: Sequence[UUID]) -> list[Words]:
        """What every place of these towns says."""
        rows = self.session.scalars(select(FilterPolicy).where(FilterPolicy.town_id.in_(town_ids)))
        return [
            Words(
                row.town_id, row.kind, row.target, row.mode, frozenset(row.denied), frozenset(row.permitted),
                frozenset(row.openable), row.categories, row.only_permitted,
            )
            for row in rows
        ]  # fmt: skip

    def policy(self, town_id: UUID, kind: LayerKind, target: str, mode: str) -> FilterPolicy | None:
        return self.session.scalar(
            select(FilterPolicy).where(
                FilterPolicy.town_id == town_id,
                FilterPolicy.kind == kind,
                FilterPolicy.target == target,
                FilterPolicy.mode == mode,
            )
        )

    def policies(self, town_id: UUID) -> Sequence[FilterPolicy]:
        order = (FilterPolicy.kind, FilterPolicy.target, FilterPolicy.mode)
        return self.session.scalars(select(FilterPolicy).where(FilterPolicy.town_id == town_id).order_by(*order)).all()

    def deliveries(self, town_ids: Sequence[UUID]) -> dict[UUID, FilterDelivery]:
        rows = self.session.scalars(select(FilterDelivery).where(FilterDelivery.town_id.in_(town_ids)))
        return {row.town_id: row for row in rows}

    def categories(self, town_id: UUID) -> Sequence[FilterCategory]:
        return self.session.scalars(
            select(FilterCategory).where(FilterCategory.town_id == town_id).order_by(FilterCategory.name)
        ).all()

    def forget_categories(self, town_id: UUID) -> None:
        ids = select(FilterCategory.id).where(FilterCategory.town_id == town_id)
        self.session.execute(delete(FilterBlock).where(FilterBlock.category_id.in_(ids)))
        self.session.execute(delete(FilterCategory).where(FilterCategory.town_id == town_id))

    def add_hosts(self, town_id: UUID, name: str, white: bool, hosts: Iterable[str], now: datetime) -> int:
        """Add a file of hosts to a category, in blocks; memory is bounded whatever its length. Returns how many."""
        row = self.session.scalar(select(FilterCategory).where(FilterCategory.town_id == town_id, FilterCategory.name == name))
        if row is None:
            row = FilterCategory(town_id=town_id, name=name, white=white, hosts=0, urls=0, imported_at=now)
            self.session.add(row)
            self.session.flush()
        added = 0
        for block in _blocks(hosts):
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

    def categories_of(self, town_id: UUID, host: str) -> list[str]:
        """The categories that list a host or a domain above it."""
        found: set[str] = set()
        for name in domains_of(host):
            key = name.encode()
            rows = self.session.execute(
                select(FilterCategory.name, FilterBlock.body)
                .join(FilterBlock, FilterBlock.category_id == FilterCategory.id)
                .where(FilterCategory.town_id == town_id, FilterBlock.first <= key, FilterBlock.last >= key)
            )
            found |= {row[0] for row in rows if key in zlib.decompress(row[1]).split(b"\n")}
        return sorted(found)


def _blocks(hosts: Iterable[str]) -> Iterator[list[str]]:
    """Sorted blocks that do not overlap where the list is sorted, and hardly where it is not."""
    chunk: list[str] = []
    for host in hosts:
        chunk.append(host)
        if len(chunk) >= CHUNK:
            yield from _cut(chunk)
            chunk = []
    if chunk:
        yield from _cut(chunk)


def _cut(chunk: list[str]) -> Iterator[list[str]]:
    ordered = [host for host, _ in groupby(sorted(chunk, key=str.encode))]
    for start in range(0, len(ordered), BLOCK):
        yield ordered[start : start + BLOCK]
