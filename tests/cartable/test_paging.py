"""Cursors keep keysets and refuse anything else; pages in memory and in SQL cover a list once, in order."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, Engine, MetaData, String, Table, Uuid, insert, select
from sqlalchemy.orm import Session

from cartable.database import UtcDateTime
from cartable.errors import Invalid
from cartable.keyset import fetch_page, fetch_scalar_page
from cartable.paging import InvalidCursor, Page, PageRequest, decode_cursor, encode_cursor, paginate

KEYS = st.tuples(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40),
    st.integers(-(2**63), 2**63 - 1),
    st.uuids(),
    st.datetimes(timezones=st.just(UTC)),
    st.dates(),
)
TYPES = (str, int, UUID, datetime, date)


@given(KEYS)
def test_a_cursor_keeps_its_keyset(key: tuple[str, int, UUID, datetime, date]) -> None:
    assert decode_cursor(encode_cursor(key), TYPES) == key


@given(st.text(max_size=60))
def test_any_other_text_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidCursor):
        decode_cursor(cursor, TYPES)


@pytest.mark.parametrize(
    ("key", "types"),
    [((1, 2), (int,)), (("a",), (int,)), ((True,), (int,)), ((2**63,), (int,)), (("a\0",), (str,)), (("2026-01-01T00:00:00",), (datetime,))],
)  # fmt: skip
def test_a_cursor_of_another_list_is_refused(key: tuple[str | int, ...], types: tuple[type[str | int], ...]) -> None:
    with pytest.raises(InvalidCursor):
        decode_cursor(encode_cursor(key), types)


@pytest.mark.parametrize("limit", [0, 201])
def test_limits_have_bounds(limit: int) -> None:
    with pytest.raises(Invalid):
        PageRequest(limit)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 99)), unique=True, max_size=30), st.integers(1, 7))
def test_pages_in_memory_cover_a_list_once_in_order(rows: list[tuple[str, int]], limit: int) -> None:
    read: list[tuple[str, int]] = []
    request = PageRequest(limit)
    while True:
        page = paginate(rows, request, lambda row: row)
        read += page.items
        assert len(page.items) <= limit
        if page.next_cursor is None:
            break
        request = PageRequest(limit, page.next_cursor)
    assert read == rows


def test_a_list_in_memory_refuses_a_cursor_whose_item_is_gone() -> None:
    cursor = paginate(["a", "b"], PageRequest(1), lambda text: (text,)).next_cursor
    with pytest.raises(InvalidCursor):
        paginate(["b", "c"], PageRequest(1, cursor), lambda text: (text,))


VISITS = Table(
    "paged_visit", MetaData(), Column("id", Uuid, primary_key=True), Column("name", String(20)), Column("at", UtcDateTime())
)


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    """Twenty visits, many of which share their instant and their name."""
    start = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
    rows = [
        {"id": UUID(int=number * 7919 % 101), "name": "abc"[number % 3], "at": start + timedelta(minutes=number // 5)}
        for number in range(20)
    ]
    VISITS.create(engine)
    with Session(engine) as opened:
        opened.execute(insert(VISITS), rows)
        yield opened
    VISITS.drop(engine)


@pytest.mark.parametrize("limit", [1, 3, 19, 20, 21])
@pytest.mark.parametrize("descending", [False, True])
def test_pages_in_sql_cover_a_list_once_in_order(session: Session, limit: int, *, descending: bool) -> None:
    columns = VISITS.c
    read: list[tuple[datetime, UUID]] = []
    request = PageRequest(limit)
    while True:
        page: Page[tuple[datetime, UUID]] = fetch_page(
            session, select(columns.at, columns.id), request, columns.at, columns.id, descending=descending
        )
        read += page.items
        assert len(page.items) <= limit
        if page.next_cursor is None:
            break
        request = PageRequest(limit, page.next_cursor)
    assert len(read) == 20
    assert read == sorted(read, reverse=descending)


def test_a_row_that_is_added_meanwhile_shifts_no_other(session: Session) -> None:
    columns = VISITS.c
    first = fetch_scalar_page(session, select(columns.id), PageRequest(10), columns.name, columns.id)
    session.execute(insert(VISITS), [{"id": UUID(int=1000), "name": "a", "at": datetime(2026, 11, 23, tzinfo=UTC)}])
    second = fetch_scalar_page(session, select(columns.id), PageRequest(100, first.next_cursor), columns.name, columns.id)
    assert not set(first.items) & set(second.items)
    assert len(first.items) + len(second.items) == 20 + (second.items.count(UUID(int=1000)))


def test_sql_refuses_the_cursor_of_another_list(session: Session) -> None:
    with pytest.raises(InvalidCursor):
        fetch_scalar_page(session, select(VISITS.c.id), PageRequest(5, encode_cursor(("a",))), VISITS.c.id)
