"""All SQL of the export of a town: which tables have rows of it, and these rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Row, Select, Table, or_, select
from sqlalchemy.orm import Session

from cartable.database import Base

_TOWN = "town"


def stream_rows(session: Session, statement: Select[Any], columns: Sequence[Column[Any]], batch: int) -> Iterator[Row[Any]]:
    """Yield the rows of a statement with these columns, fetched in batches."""
    yield from session.execute(statement.with_only_columns(*columns), execution_options={"yield_per": batch})


def list_town_tables(town_id: UUID) -> dict[Table, Select[Any]]:
    """Return the statement that selects the rows of a town, for each table that has such rows, parents before children."""
    statements: dict[Table, Select[Any]] = {}
    for table in Base.metadata.sorted_tables:
        if table.name == _TOWN:
            statements[table] = select(table).where(table.c.id == town_id)
        elif "town_id" in table.c:
            statements[table] = select(table).where(table.c.town_id == town_id)
        else:
            conditions = [
                column.in_(statements[key.column.table].with_only_columns(key.column))
                for column, key in _list_references(table)
                if key.column.table in statements and key.column.table.name != _TOWN
            ]
            if conditions:
                statements[table] = select(table).where(or_(*conditions))
    return {table: statement.order_by(*table.primary_key.columns) for table, statement in statements.items()}


def _list_references(table: Table) -> Iterator[tuple[Column[Any], Any]]:
    for column in table.columns:
        for key in column.foreign_keys:
            if key.column.table is not table:
                yield column, key
