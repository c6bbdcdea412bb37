"""Seals every sealed column anew with the current master key, in small batches, while the server works. Knows no table by name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, LargeBinary, MetaData, Table, and_, bindparam, func, literal, select, tuple_, type_coerce, update

from cartable.crypto import PREFIX_BYTES, DecryptionError
from cartable.database import SealedBytes, SealedText
from cartable.unit_of_work import Runtime, UnitOfWork

BATCH_SIZE = 200


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """A column of sealed values, with its table and its purpose."""

    table: Table
    column: Column[Any]
    purpose: str


@dataclass(frozen=True, slots=True)
class SealedCount:
    """How many values of a column are sealed with the current key, and how many with another one."""

    name: str
    current: int
    other: int


@dataclass(slots=True)
class ResealProgress:
    """What a run has done: values sealed anew, and values that no key opens."""

    resealed: int = 0
    unreadable: int = 0


def list_sealed_columns(metadata: MetaData) -> list[SealedColumn]:
    """Return the sealed columns of all tables."""
    return [
        SealedColumn(table, column, column.type.purpose)
        for table in metadata.sorted_tables
        for column in table.columns
        if isinstance(column.type, SealedBytes | SealedText)
    ]


def count_sealed(work: UnitOfWork, sealed: SealedColumn) -> SealedCount:
    """Return how many values of a column are sealed with the current key, and how many with another one."""
    current = _begins_with(sealed, work.keyring.current_prefix)
    total, with_current = work.session.execute(
        select(func.count(), func.count().filter(current)).select_from(sealed.table).where(sealed.column.is_not(None))
    ).one()
    return SealedCount(f"{sealed.table.name}.{sealed.column.name}", with_current, total - with_current)


def reseal(runtime: Runtime, metadata: MetaData) -> Iterator[ResealProgress]:
    """Seal every value anew that another key has sealed. Yields the progress after each batch, which is one unit of work.

    It can be stopped at any time and begun again. A value that somebody changes meanwhile is left to that writer.
    """
    progress = ResealProgress()
    for sealed in list_sealed_columns(metadata):
        position: tuple[Any, ...] | None = None
        while True:
            with runtime.open_unit_of_work() as work:
                position = _reseal_batch(work, sealed, position, progress)
            if position is None:
                break
            yield progress


def _reseal_batch(
    work: UnitOfWork, sealed: SealedColumn, after: tuple[Any, ...] | None, progress: ResealProgress
) -> tuple[Any, ...] | None:
    """Seal the next rows after a primary key anew. Returns the last primary key; None when there was no such row."""
    keys = list(sealed.table.primary_key.columns)
    raw = type_coerce(sealed.column, LargeBinary)
    statement = select(*keys, raw.label("sealed_value")).where(
        sealed.column.is_not(None), ~_begins_with(sealed, work.keyring.current_prefix)
    )
    if after is not None:
        statement = statement.where(
            tuple_(*keys) > tuple_(*(literal(part, key.type) for part, key in zip(after, keys, strict=True)))
        )
    rows = work.session.execute(statement.order_by(*keys).limit(BATCH_SIZE)).all()
    changes = []
    for *key, value in rows:
        try:
            plain = work.keyring.open(bytes(value), sealed.purpose)
        except DecryptionError:
            progress.unreadable += 1
            continue
        parts = {f"key_{index}": part for index, part in enumerate(key)}
        changes.append({**parts, "former": bytes(value), "renewed": work.keyring.seal(plain, sealed.purpose)})
    if changes:
        is_row = and_(*(key == bindparam(f"key_{index}", type_=key.type) for index, key in enumerate(keys)))
        unchanged = raw == bindparam("former", type_=LargeBinary)
        renewed = type_coerce(bindparam("renewed", type_=LargeBinary), LargeBinary)
        work.session.connection().execute(update(sealed.table).where(is_row, unchanged).values({sealed.column: renewed}), changes)
        progress.resealed += len(changes)
    return tuple(rows[-1][:-1]) if rows else None


def _begins_with(sealed: SealedColumn, prefix: bytes) -> Any:
    raw = type_coerce(sealed.column, LargeBinary)
    return func.substr(raw, 1, PREFIX_BYTES, type_=LargeBinary) == literal(prefix, LargeBinary)
