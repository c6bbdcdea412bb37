"""All SQL of the addresses at which a resolver serves filters."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from profiles.filters.models import FilterAddress, FilterCategory
from profiles.filters.resolver_filter import ResolverFilter

#: Bytes of randomness of a token: nobody finds the address of another filter by trying.
TOKEN_BYTES = 20


@dataclass(frozen=True, slots=True)
class ServedFilter:
    """What a resolver must know of an address."""

    town_id: UUID
    token: str
    content_sha256: str


@dataclass(frozen=True, slots=True)
class ListContent:
    """The content of one category of a town's lists."""

    town_id: UUID
    category_id: UUID
    name: str
    content_sha256: str


class FilterAddressRepository:
    """Reads and writes addresses of filters."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def list_by_keys(self, town_id: UUID, keys: Collection[str]) -> dict[str, FilterAddress]:
        """Return the addresses of a town by what they stand for."""
        rows = self.session.scalars(
            select(FilterAddress).where(FilterAddress.town_id == town_id, FilterAddress.key_sha256.in_(keys))
        )
        return {row.key_sha256: row for row in rows}

    def save_filters(self, town_id: UUID, filters: Mapping[str, ResolverFilter], now: datetime) -> dict[str, str]:
        """Store the filter of each key and return the tokens by key. An address that exists keeps its token; one without changes keeps
        its time of change. The caller holds the town's lock: two computations at once would both add a new key.
        """
        present = {
            row.key_sha256: row
            for row in self.session.execute(
                select(FilterAddress.key_sha256, FilterAddress.token, FilterAddress.content_sha256).where(
                    FilterAddress.town_id == town_id, FilterAddress.key_sha256.in_(filters)
                )
            )
        }
        contents = {key: each.hash_content() for key, each in filters.items()}
        added, changed = [], []
        for key, each in filters.items():
            values = {"filter": each.to_json(), "content_sha256": contents[key], "changed_at": now}
            if key not in present:
                token = secrets.token_urlsafe(TOKEN_BYTES)
                added.append({"town_id": town_id, "key_sha256": key, "token": token, "last_used_at": now, **values})
            elif present[key].content_sha256 != contents[key]:
                changed.append((key, values))
        if added:
            self.session.execute(insert(FilterAddress), added)
        for key, values in changed:
            self.session.execute(
                update(FilterAddress).where(FilterAddress.town_id == town_id, FilterAddress.key_sha256 == key).values(**values)
            )
        self._touch(town_id, list(present), now)
        return {
            **{key: row.token for key, row in present.items()},
            **{str(row["key_sha256"]): str(row["token"]) for row in added},
        }

    def _touch(self, town_id: UUID, keys: Sequence[str], now: datetime) -> None:
        is_present = (FilterAddress.town_id == town_id) & FilterAddress.key_sha256.in_(keys)
        if keys:
            self.session.execute(update(FilterAddress).where(is_present).values(last_used_at=now))

    def delete_unused(self, before: datetime) -> int:
        """Delete the addresses that no computation has needed since. Returns how many."""
        deleted = self.session.scalars(
            delete(FilterAddress).where(FilterAddress.last_used_at < before).returning(FilterAddress.id)
        )
        return len(deleted.all())

    def list_served(self) -> list[ServedFilter]:
        """Return every address of every town with the hash of its filter, by token."""
        rows = self.session.execute(
            select(FilterAddress.town_id, FilterAddress.token, FilterAddress.content_sha256).order_by(FilterAddress.token)
        )
        return [ServedFilter(*row) for row in rows]

    def load_filters(self, contents: Collection[str]) -> dict[str, ResolverFilter]:
        """Return filters by the hash of their content."""
        rows = self.session.execute(
            select(FilterAddress.content_sha256, FilterAddress.filter).where(FilterAddress.content_sha256.in_(contents))
        )
        return {row.content_sha256: ResolverFilter.from_json(row.filter) for row in rows}

    def list_contents(self) -> list[ListContent]:
        """Return the categories of every town with the hash of their content."""
        rows = self.session.execute(
            select(FilterCategory.town_id, FilterCategory.id, FilterCategory.name, FilterCategory.content_sha256).order_by(
                FilterCategory.town_id, FilterCategory.name
            )
        )
        return [ListContent(*row) for row in rows]
