"""Paging at the edge: the two query parameters of every list, and the page that every list answers with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Generic, TypeVar

from fastapi import Depends, Query
from pydantic import BaseModel, Field

from cartable.paging import DEFAULT_LIMIT, MAX_CURSOR_LENGTH, MAX_LIMIT, Page, PageRequest

T = TypeVar("T")
S = TypeVar("S")


class PageOut(BaseModel, Generic[T]):
    """One page of a list."""

    items: list[T]
    next_cursor: str | None = Field(description="Give it as `cursor` to read the next page; null on the last page.")

    @classmethod
    def of(cls, page: Page[S], convert: Callable[[S], T]) -> PageOut[T]:
        """Return the page with every item converted to its schema."""
        return cls(items=[convert(item) for item in page.items], next_cursor=page.next_cursor)


def _page_request(
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="How many items a page has at most.")] = DEFAULT_LIMIT,
    cursor: Annotated[
        str | None, Query(max_length=MAX_CURSOR_LENGTH, description="The `next_cursor` of the page before; opaque.")
    ] = None,
) -> PageRequest:
    return PageRequest(limit=limit, cursor=cursor)


#: `limit` and `cursor` of a list endpoint.
PageParams = Annotated[PageRequest, Depends(_page_request)]
