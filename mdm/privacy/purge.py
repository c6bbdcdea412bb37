"""What a purge is: how the rows of one rule of the retention table are counted and removed. The rules' purges are in `purges`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select

from cartable.unit_of_work import UnitOfWork
from mdm.privacy.retention_repository import RetentionRepository


@dataclass(frozen=True, slots=True)
class DueCount:
    """How many rows of one rule are due now, and how many of these must wait."""

    total: int
    deferred: int = 0


@dataclass(slots=True)
class PurgeContext:
    """What a purge needs: the unit of work, the town (None for rows of no town) and the period of the rule."""

    work: UnitOfWork
    town_id: UUID | None
    days: int

    @property
    def cutoff(self) -> datetime:
        """Return the instant before which rows are due."""
        return self.work.now - timedelta(days=self.days)

    @property
    def repository(self) -> RetentionRepository:
        """Return the repository of the unit of work."""
        return RetentionRepository(self.work.session)

    @property
    def required_town_id(self) -> UUID:
        """Return the town, for rules that apply to towns only."""
        assert self.town_id is not None
        return self.town_id


@dataclass(frozen=True, slots=True)
class Purge:
    """How a rule is counted and applied: `count_due` reads only, `apply` removes and returns how many rows.

    With `includes_global` it also applies to rows of no town. `count_all` counts the rows of the rule, due or not. None: rows that live for days only, so that all may be due at once after
    the holidays; or that end by the month, so that many are due at once.
    """

    count_due: Callable[[PurgeContext], DueCount]
    apply: Callable[[PurgeContext], int]
    count_all: Callable[[PurgeContext], int] | None = None
    includes_global: bool = False


def count_selected(select: Callable[[PurgeContext], Select[Any]]) -> Callable[[PurgeContext], DueCount]:
    """Return a function that counts the rows that a statement selects."""
    return lambda context: DueCount(context.repository.count_rows(select(context)))


def count_table(model: Any) -> Callable[[PurgeContext], int]:
    """Return a function that counts the rows of a table in the town."""
    return lambda context: context.repository.count_town_rows(model, context.town_id)


def delete_selected(model: Any, select: Callable[[PurgeContext], Select[Any]], **options: Any) -> Purge:
    """Return the purge that deletes the rows whose ids a statement selects. `options` are the other fields of `Purge`."""

    def apply(context: PurgeContext) -> int:
        return context.repository.delete_rows(model, context.repository.list_first_ids(select(context)))

    return Purge(count_selected(select), apply, **options)


def clear_selected(model: Any, select: Callable[[PurgeContext], Select[Any]], values: dict[str, Any], **options: Any) -> Purge:
    """Return the purge that sets columns of the rows whose ids a statement selects, and keeps the rows."""

    def apply(context: PurgeContext) -> int:
        return context.repository.set_columns(model, context.repository.list_first_ids(select(context)), values)

    return Purge(count_selected(select), apply, **options)
