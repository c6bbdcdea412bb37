"""All SQL of imported filter lists: categories, and their hosts in compressed blocks."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, and_, exists, false, or_, select, union_all
from sqlalchemy.orm import Session

from cartable.keyset import fetch_scalar_page
from cartable.paging import Page, PageRequest
from profiles.filters.blocks import read_block
from profiles.filters.models import (
    FilterBlock,
    FilterCategory,
    FilterOptions,
    ListRelease,
    ListUpdates,
    ReleaseStatus,
    StagedCategory,
)  # fmt: skip
from profiles.filters.rules import list_domains


class FilterRepository:
    """Reads and writes imported lists."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def list_categories(self, town_id: UUID, page: PageRequest) -> Page[FilterCategory]:
        """Return one page of the categories of a town, by name."""
        statement = select(FilterCategory).where(FilterCategory.town_id == town_id)
        return fetch_scalar_page(self.session, statement, page, FilterCategory.name)

    def list_all_categories(self, town_id: UUID) -> Sequence[FilterCategory]:
        statement = select(FilterCategory).where(FilterCategory.town_id == town_id)
        return self.session.scalars(statement.order_by(FilterCategory.name)).all()

    def count_hosts(self, town_id: UUID) -> dict[str, int]:
        """Return the number of hosts of each category of a town."""
        rows = self.session.execute(select(FilterCategory.name, FilterCategory.hosts).where(FilterCategory.town_id == town_id))
        return {row.name: row.hosts for row in rows}

    def get_updates(self, town_id: UUID) -> ListUpdates | None:
        """Return whether a town's lists come by themselves, and how the last attempt went."""
        return self.session.scalar(select(ListUpdates).where(ListUpdates.town_id == town_id))

    def save_updates(self, row: ListUpdates) -> None:
        """Store a town's wish."""
        self.session.add(row)
        self.session.flush()

    def list_towns_to_update(self, checked_before: datetime) -> list[UUID]:
        """Return the towns whose lists come by themselves and were not looked at since an instant."""
        is_due = or_(ListUpdates.checked_at.is_(None), ListUpdates.checked_at < checked_before)
        return list(self.session.scalars(select(ListUpdates.town_id).where(ListUpdates.is_wanted, is_due)))

    def list_options(self, town_ids: Collection[UUID]) -> list[FilterOptions]:
        """Return what towns chose for their filters beside the rules of places."""
        return list(self.session.scalars(select(FilterOptions).where(FilterOptions.town_id.in_(town_ids))))

    def save_options(self, row: FilterOptions) -> None:
        """Store what a town chose."""
        self.session.add(row)
        self.session.flush()

    def list_contents(self, town_id: UUID) -> dict[str, str]:
        """Return the hash of the content of each category of a town."""
        statement = select(FilterCategory.name, FilterCategory.content_sha256).where(FilterCategory.town_id == town_id)
        return {row.name: row.content_sha256 for row in self.session.execute(statement)}

    def find_categories_of_hosts(self, town_id: UUID, hosts: Collection[str], *, is_trial: bool = False) -> dict[str, list[str]]:
        """Return the categories that list each host or a domain above it, in one query; `is_trial`: with the lists that are on trial."""
        serving = select_serving(is_trial=is_trial).subquery()
        return self._find_categories(select(serving).where(serving.c.town_id == town_id), hosts)

    def find_staged_categories(self, release_id: UUID, hosts: Collection[str]) -> dict[str, list[str]]:
        """Return the categories of a release that waits or is on trial that list each host or a domain above it, in one query."""
        staged = select(StagedCategory.town_id, StagedCategory.name, StagedCategory.content_sha256)
        return self._find_categories(staged.where(StagedCategory.release_id == release_id), hosts)

    def _find_categories(self, listing: Select[UUID, str, str], hosts: Collection[str]) -> dict[str, list[str]]:
        """Return which of the categories that a statement selects list each host or a domain above it."""
        names: dict[str, set[str]] = {name: set() for host in hosts for name in list_domains(host)}
        ranges = [and_(FilterBlock.first <= name.encode(), FilterBlock.last >= name.encode()) for name in names]
        listed = listing.subquery()
        statement = (
            select(listed.c.name, FilterBlock.body)
            .join(FilterBlock, FilterBlock.content_sha256 == listed.c.content_sha256)
            .where(or_(false(), *ranges))
        )
        for category, body in self.session.execute(statement):
            for name in names.keys() & {line.decode() for line in read_block(body)}:
                names[name].add(category)
        return {host: sorted(set().union(*(names[name] for name in list_domains(host)))) for host in hosts}

    def find_categories(self, town_id: UUID, host: str, *, is_trial: bool = False) -> list[str]:
        """Return the categories that list a host or a domain above it; `is_trial`: with the lists that are on trial."""
        return self.find_categories_of_hosts(town_id, [host], is_trial=is_trial)[host]


def select_serving(*, is_trial: bool) -> Select[UUID, str, str]:
    """Return a statement that selects town, name and content of the categories as they are served, everywhere or in schools on trial."""
    in_force = select(FilterCategory.town_id, FilterCategory.name, FilterCategory.content_sha256)
    if not is_trial:
        return in_force
    on_trial = (
        select(StagedCategory.town_id, StagedCategory.name, StagedCategory.content_sha256)
        .join(ListRelease, ListRelease.id == StagedCategory.release_id)
        .where(ListRelease.status == ReleaseStatus.TRIAL)
    )
    staged = on_trial.subquery()
    is_staged = exists().where(staged.c.town_id == FilterCategory.town_id, staged.c.name == FilterCategory.name)
    both = union_all(in_force.where(~is_staged), on_trial).subquery()
    return select(both.c.town_id, both.c.name, both.c.content_sha256)
