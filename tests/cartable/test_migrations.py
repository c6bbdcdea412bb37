"""Migrations with rows in every table: down to the oldest supported one step by step and up again, without losing rows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Column, Connection, Engine, Table, func, insert, select

from cartable.database import EnumText, SealedBytes, SealedText, make_engine
from cartable.migrate import check, downgrade, make_config, upgrade
from mdm.tables import metadata
from tests.support.databases import POSTGRES_FOLDER_VARIABLE, make_unique_name

#: The oldest migration to which a downgrade must be possible without losing rows of the tables below.
OLDEST = "0001"
#: Tables of the oldest migration whose rows must survive.
KEPT = ("town", "school", "school_class", "pupil", "tablet", "loan", "device_enrollment", "command", "incident", "audit_event")


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An engine of a database without tables."""
    if request.param == "sqlite":
        engine = make_engine(f"sqlite:///{tmp_path}/stairs.db")
    else:
        name, folder = make_unique_name("stairs"), os.environ[POSTGRES_FOLDER_VARIABLE]
        with psycopg.connect(f"host={folder} user=cartable dbname=postgres", autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        engine = make_engine(f"postgresql+psycopg://cartable@/{name}?host={folder}")
    yield engine
    engine.dispose()


#: Columns that stay empty, because a check lets only one of them and a sibling be set.
_EMPTY = {("policy_version", "preset_id"), ("loan", "staff_id")}


def _make_value(column: Column[Any], rows: dict[Table, dict[str, Any]]) -> Any:
    if (column.table.name, column.name) in _EMPTY:
        return None
    for key in column.foreign_keys:
        referenced = rows.get(key.column.table)
        return referenced[key.column.name] if referenced is not None else None  # None: the same table, or one that comes later
    kind = column.type
    if isinstance(kind, EnumText):
        kinds: Any = kind.kind  # an enumeration
        return next(iter(kinds))
    if isinstance(kind, SealedText | SealedBytes):
        return "sealed" if isinstance(kind, SealedText) else b"sealed"
    python = getattr(kind, "impl_instance", kind).python_type
    values = {
        UUID: uuid4(), str: "x", int: 1, bool: False, float: 1.0, bytes: b"x", object: {}, date: date(2026, 9, 1),
        datetime: datetime(2026, 9, 1, tzinfo=UTC),
    }  # fmt: skip
    if column.name.endswith("_year"):
        return "2026-2027"
    return values[python]  # JSON is an object


def _fill_all_tables(connection: Connection) -> None:
    """Insert one row into every table; rows refer to one another."""
    rows: dict[Table, dict[str, Any]] = {}
    for table in metadata.sorted_tables:
        rows[table] = {column.name: _make_value(column, rows) for column in table.columns}
        connection.execute(insert(table).values(**rows[table]))


def _get_revision(engine: Engine) -> str | None:
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def test_there_is_exactly_one_head() -> None:
    assert len(ScriptDirectory.from_config(make_config()).get_heads()) == 1


def test_downgrade_and_upgrade_keep_the_rows(empty: Engine) -> None:
    upgrade(empty)
    with empty.begin() as connection:
        _fill_all_tables(connection)
    while _get_revision(empty) != OLDEST:
        downgrade(empty, "-1")
    upgrade(empty)
    check(empty)
    with empty.connect() as connection:
        for name in KEPT:
            assert connection.scalar(select(func.count()).select_from(metadata.tables[name])) == 1, name


def test_downgrade_to_an_empty_database_and_upgrade(empty: Engine) -> None:
    upgrade(empty)
    downgrade(empty, "base")
    assert _get_revision(empty) is None
    upgrade(empty)
    check(empty)
