"""All SQL of the addresses at which a resolver serves filters."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, delete, literal, select, union_all, update
from sqlalchemy.orm import Session

from cartable.database import get_insert
from cartable.ids import new_id
from profiles.filters.models import FilterAddress
from profiles.filters.repository import select_serving
from profiles.filters.resolver_filter import ResolverFilter

#: How often the use of an address is written.
USE_INTERVAL = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class AddressContent:
    """What is served at an address of a town, and the token in its path."""

    town_id: UUID
    token: str
    served: ResolverFilter
    is_trial: bool = False


@dataclass(frozen=True, slots=True)
class ServedFilter:
    """What a resolver must know of an address."""

    town_id: UUID
    token: str
    content_sha256: str
    is_trial: bool = False


@dataclass(frozen=True, slots=True)
class ListContent:
    """The content of one category of a town's lists, as it is served at addresses on trial or at all others."""

    town_id: UUID
    name: str
    content_sha256: str
    is_trial: bool = False


class FilterAddressRepository:
    """Reads and writes addresses of filters."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def find_by_tokens(self, town_id: UUID, tokens: Collection[str]) -> dict[str, FilterAddress]:
        """Return those of the addresses that are the town's, by their token."""
        rows = self.session.scalars(
            select(FilterAddress).where(FilterAddress.town_id == town_id, FilterAddress.token.in_(tokens))
        )
        return {row.token: row for row in rows}

    def save_contents(
        self, contents: Mapping[str, AddressContent], now: datetime, unused: Mapping[str, AddressContent] | None = None
    ) -> set[str]:
        """Store what is served at addresses, by what they stand for, in a constant number of statements.

        An address without changes keeps its time of change; its use is written once a day. Two workers may store the same at once.
        Returns which of the `unused` addresses are stored with other contents than these: they are left as they are.
        """
        unused = unused or {}
        rows = self.session.execute(
            select(FilterAddress.key_sha256, FilterAddress.content_sha256, FilterAddress.last_used_at).where(
                FilterAddress.key_sha256.in_([*contents, *unused])
            )
        )
        known = {row.key_sha256: (row.content_sha256, row.last_used_at) for row in rows}
        stored = {key: known[key] for key in contents.keys() & known.keys()}
        hashes = {key: each.served.hash_content() for key, each in contents.items()}
        changed = [
            self._build_row(key, contents[key], now)
            for key in sorted(contents)
            if key not in stored or stored[key][0] != hashes[key]
        ]
        if changed:
            self._merge(changed)
        stale = [key for key, (sha256, used_at) in stored.items() if sha256 == hashes[key] and used_at <= now - USE_INTERVAL]
        if stale:
            self.session.execute(
                update(FilterAddress).where(FilterAddress.key_sha256.in_(sorted(stale))).values(last_used_at=now)
            )
        return {key for key in unused.keys() & known.keys() if known[key][0] != unused[key].served.hash_content()}

    def _build_row(self, key: str, content: AddressContent, now: datetime) -> dict[str, Any]:
        return {
            "id": new_id(),
            "town_id": content.town_id,
            "token": content.token,
            "key_sha256": key,
            "filter": content.served.to_json(),
            "content_sha256": content.served.hash_content(),
            "is_trial": content.is_trial,
            "changed_at": now,
            "last_used_at": now,
        }

    def _merge(self, rows: list[dict[str, Any]]) -> None:
        insert = get_insert(self.session.get_bind().dialect.name)
        statement = insert(FilterAddress)
        columns = ("filter", "content_sha256", "changed_at", "last_used_at")
        statement = statement.on_conflict_do_update(
            index_elements=["town_id", "key_sha256"], set_={name: statement.excluded[name] for name in columns}
        )
        self.session.execute(statement, rows)

    def delete_unused(self, before: datetime, limit: int) -> int:
        """Delete the addresses that no computation has needed since, up to a number. Returns how many."""
        due = (
            select(FilterAddress.id)
            .where(FilterAddress.last_used_at < before)
            .order_by(FilterAddress.last_used_at, FilterAddress.id)
        )
        ids = list(self.session.scalars(due.limit(limit)))
        self.session.execute(delete(FilterAddress).where(FilterAddress.id.in_(ids), FilterAddress.last_used_at < before))
        return len(ids)

    def list_served(self) -> list[ServedFilter]:
        """Return every address of every town with the hash of its filter, by token."""
        rows = self.session.execute(
            select(FilterAddress.town_id, FilterAddress.token, FilterAddress.content_sha256, FilterAddress.is_trial).order_by(
                FilterAddress.token
            )
        )
        return [ServedFilter(*row) for row in rows]

    def load_filters(self, contents: Collection[str]) -> dict[str, ResolverFilter]:
        """Return filters by the hash of their content."""
        rows = self.session.execute(
            select(FilterAddress.content_sha256, FilterAddress.filter).where(FilterAddress.content_sha256.in_(contents))
        )
        return {row.content_sha256: ResolverFilter.from_json(row.filter) for row in rows}

    def list_contents(self) -> list[ListContent]:
        """Return the categories of every town with the hash of their content, everywhere and in schools on trial, by one query."""
        parts = [
            select_serving(is_trial=is_trial).add_columns(literal(is_trial, Boolean).label("is_trial"))
            for is_trial in (False, True)
        ]
        rows = self.session.execute(union_all(*parts).order_by("town_id", "name", "is_trial"))
        return [ListContent(*row) for row in rows]
