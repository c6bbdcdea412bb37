"""Finds rows to which other rows refer, by the foreign keys of the metadata, so that nothing in use is deleted. Knows no table."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any
from uuid import UUID

from sqlalchemy import Column, ColumnElement, and_, exists, select
from sqlalchemy.orm import Session

from cartable.database import Base

_BATCH_SIZE = 1000


def list_referencing_columns(model: type[Base], besides: Collection[str] = ()) -> Iterator[Column[Any]]:
    """Yield the columns that refer to `model`, except those of the tables named in `besides`."""
    table = model.__table__
    for other in Base.metadata.sorted_tables:
        if other.name in besides:
            continue
        for key in other.foreign_keys:
            if key.column.table is table:
                yield other.columns[key.parent.name]


def build_unreferenced_condition(model: Any, besides: Collection[str] = ()) -> ColumnElement[bool]:
    """Return the SQL condition that no row refers to a row of `model`."""
    return and_(True, *(~exists().where(column == model.id) for column in list_referencing_columns(model, besides)))


def find_referenced_ids(session: Session, model: type[Base], ids: Collection[UUID], besides: Collection[str] = ()) -> set[UUID]:
    """Return those of `ids` to which a row refers."""
    sorted_ids = sorted(ids)
    referenced: set[UUID] = set()
    for column in list_referencing_columns(model, besides):
        for start in range(0, len(sorted_ids), _BATCH_SIZE):
            batch = sorted_ids[start : start + _BATCH_SIZE]
            referenced.update(session.scalars(select(column).where(column.in_(batch)).distinct()))
    return referenced
