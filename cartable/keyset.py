"""Keyset paging in SQL: adds order, position and bound to a SELECT and reads one page of it."""

from __future__ import annotations

from typing import Any, TypeVar, TypeVarTuple, cast

from sqlalchemy import ColumnElement, Select, TypeDecorator, literal, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from cartable.paging import KeyPart, Page, PageRequest, cut_page

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
#: A column of the order. Never null; the last one of an order is unique.
KeyColumn = ColumnElement[Any] | InstrumentedAttribute[Any]


def fetch_page(
    session: Session, statement: Select[*Ts], request: PageRequest, *keys: KeyColumn, descending: bool = False
) -> Page[tuple[*Ts]]:
    """Return one page of the rows of a statement, ordered by `keys` (all in one direction). Raises `InvalidCursor`."""
    return cut_page(fetch_keyed_rows(session, statement, request, *keys, descending=descending), request)


def fetch_keyed_rows(
    session: Session, statement: Select[*Ts], request: PageRequest, *keys: KeyColumn, descending: bool = False
) -> list[tuple[tuple[KeyPart, ...], tuple[*Ts]]]:
    """Return the rows of a page with their keysets, and one row more if there is one: to merge several statements into one list.

    Raises `InvalidCursor`.
    """
    after = request.decode([_get_python_type(key) for key in keys])
    if after is not None:
        position = tuple_(*keys)
        values = tuple_(*(literal(part, key.type) for part, key in zip(after, keys, strict=True)))
        statement = statement.where(position < values if descending else position > values)
    ordered = statement.order_by(*(key.desc() if descending else key.asc() for key in keys)).limit(request.limit + 1)
    labelled = ordered.add_columns(*(key.label(f"keyset_{index}") for index, key in enumerate(keys)))
    return [(tuple(row[-len(keys) :]), cast("tuple[*Ts]", tuple(row[: -len(keys)]))) for row in session.execute(labelled)]


def fetch_scalar_page(
    session: Session, statement: Select[T], request: PageRequest, *keys: KeyColumn, descending: bool = False
) -> Page[T]:
    """Return one page of a statement that selects one entity or column. Raises `InvalidCursor`."""
    return fetch_page(session, statement, request, *keys, descending=descending).map(lambda row: row[0])


def _get_python_type(key: KeyColumn) -> type[KeyPart]:
    column_type = key.type
    if isinstance(column_type, TypeDecorator):  # it does not know its own
        column_type = column_type.impl_instance
    return cast("type[KeyPart]", column_type.python_type)
