"""Checks the ids that callers give: a row that another row shall refer to must belong to the same town. Knows no table.

A permission for a town says nothing of an id: whoever administers a town could otherwise name a school of another one.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, TypeVar, cast, overload
from uuid import UUID

from sqlalchemy import func, select

from cartable.errors import NotFound
from cartable.unit_of_work import UnitOfWork

T = TypeVar("T")


@overload
def require_in_town(work: UnitOfWork, model: type[T], row_id: UUID, town_id: UUID, *, field: str) -> T: ...


@overload
def require_in_town(work: UnitOfWork, model: type[T], row_id: None, town_id: UUID, *, field: str) -> None: ...


@overload
def require_in_town(work: UnitOfWork, model: type[T], row_id: UUID | None, town_id: UUID, *, field: str) -> T | None: ...


def require_in_town(work: UnitOfWork, model: type[T], row_id: UUID | None, town_id: UUID, *, field: str) -> T | None:
    """Return the row of `model` with this id; None without an id. Raises `NotFound` with the field unless it belongs to the town."""
    if row_id is None:
        return None
    row = work.session.get(model, row_id)
    if row is None or cast("Any", row).town_id != town_id:
        raise NotFound(field=field)
    return row


def require_all_in_town(work: UnitOfWork, model: Any, row_ids: Collection[UUID], town_id: UUID, *, field: str) -> None:
    """Raise `NotFound` with the field unless every id is of a row of `model` that belongs to the town."""
    ids = set(row_ids)
    count = work.session.scalar(select(func.count()).select_from(model).where(model.id.in_(ids), model.town_id == town_id))
    if count != len(ids):
        raise NotFound(field=field)
