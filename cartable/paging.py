"""Paging of lists: what a caller asks for, what a page holds, and the opaque cursor between two pages. No SQL, no web framework.

A list has a total order that ends in something unique (its keyset). The cursor is the keyset of the last row of a page; the next
page begins behind it. Rows that are added or removed meanwhile neither shift nor repeat others, as an offset would.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from cartable.errors import Invalid
from cartable.i18n import Message

T = TypeVar("T")
S = TypeVar("S")
#: One column of a keyset.
KeyPart = str | int | UUID | datetime | date

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
#: Longer cursors were not made here: a keyset has a few short columns.
MAX_CURSOR_LENGTH = 1000


class InvalidCursor(Invalid):
    """The cursor was not given out by this list."""

    code = "invalid_cursor"
    message = Message("This cursor is not valid: read the list from its start.")


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which page a caller wants: at most `limit` items, behind the item that `cursor` names."""

    limit: int = DEFAULT_LIMIT
    cursor: str | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= MAX_LIMIT:
            raise Invalid(field="limit", least=1, most=MAX_LIMIT)

    def decode(self, types: Sequence[type[KeyPart]]) -> tuple[KeyPart, ...] | None:
        """Return the keyset behind which the page begins, none for the first page. Raises `InvalidCursor`."""
        return None if self.cursor is None else decode_cursor(self.cursor, types)


#: The first page of a list, of the usual length.
FIRST_PAGE = PageRequest()


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items of a list, and the cursor of the next page; none on the last page."""

    items: Sequence[T]
    next_cursor: str | None = None

    def map(self, convert: Callable[[T], S]) -> Page[S]:
        """Return the page with every item converted."""
        return Page([convert(item) for item in self.items], self.next_cursor)


def encode_cursor(key: Iterable[KeyPart]) -> str:
    """Return the cursor of a keyset, as text that is safe in a URL."""
    parts = [part if isinstance(part, str | int) else str(part) for part in key]
    text = json.dumps(parts, ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(cursor: str, types: Sequence[type[KeyPart]]) -> tuple[KeyPart, ...]:
    """Return the keyset of a cursor, its columns being of these types. Raises `InvalidCursor`."""
    if len(cursor) > MAX_CURSOR_LENGTH:
        raise InvalidCursor(field="cursor")
    try:
        parts = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        if not isinstance(parts, list) or len(parts) != len(types):
            raise InvalidCursor(field="cursor")
        return tuple(_parse(part, of_type) for part, of_type in zip(parts, types, strict=True))
    except (ValueError, OverflowError, RecursionError) as error:
        raise InvalidCursor(field="cursor") from error


def paginate(items: Sequence[T], request: PageRequest, identify: Callable[[T], tuple[KeyPart, ...]]) -> Page[T]:
    """Return one page of a list that is complete in memory, because it is short or was computed, and keeps its order.

    `identify` returns what is unique of an item. Raises `InvalidCursor`, also when the last item of the page before is gone.
    """
    keyed = [(identify(item), item) for item in items]
    if request.cursor is None:
        return cut_page(keyed, request)
    for index, (key, _) in enumerate(keyed):
        if encode_cursor(key) == request.cursor:
            return cut_page(keyed[index + 1 :], request)
    raise InvalidCursor(field="cursor")


def cut_page(keyed: Sequence[tuple[tuple[KeyPart, ...], T]], request: PageRequest) -> Page[T]:
    """Return a page of rows with their keysets, of which one more than `limit` was read if there is one more."""
    shown = keyed[: request.limit]
    next_cursor = encode_cursor(shown[-1][0]) if len(keyed) > len(shown) else None
    return Page([item for _, item in shown], next_cursor)


def _parse(part: Any, of_type: type[KeyPart]) -> KeyPart:
    if of_type is int:
        if isinstance(part, int) and not isinstance(part, bool) and -(2**63) <= part < 2**63:
            return part
        raise ValueError
    if not isinstance(part, str) or "\0" in part:
        raise ValueError
    if issubclass(of_type, UUID):
        return UUID(part)
    if issubclass(of_type, datetime):
        instant = datetime.fromisoformat(part)
        if instant.tzinfo is None:
            raise ValueError
        return instant.astimezone(UTC)
    if issubclass(of_type, date):
        return date.fromisoformat(part)
    part.encode()  # a lone surrogate is no text that a database takes
    return part
