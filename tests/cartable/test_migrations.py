"""Migrations with rows in every table: down to the oldest supported one step at a time, up again, and no row of before is lost."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Column, Connection, Engine, Table, func, insert, select

from cartable.database import EnumText, SealedBytes, SealedText, make_engine
from cartable.embedded_postgres import unique_name
from cartable.migrate import ROOT, check, downgrade, upgrade
from mdm.tables import metadata
from tests.support.databases import SOCKET

#: The oldest migration that a step down must reach without losing a row of the tables below.
OLDEST = "0001"
#: Tables of the oldest migration that an operator could not bear to lose a row of.
KEPT = ("town", "school", "school_class", "pupil", "tablet", "loan", "device_enrollment", "command", "incident", "audit_event")


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """A database without any table."""
    if request.param == "sqlite":
        engine = make_engine(f"sqlite:///{tmp_path}/stairs.db")
    else:
        name, folder = unique_name("stairs"), os.environ[SOCKET]
        with psycopg.connect(f"host={folder} user=cartable dbname=postgres", autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        engine = make_engine(f"postgresql+psycopg://cartable@/{name}?host={folder}")
    yield engine
    engine.dispose()


def _value(column: Column[Any], rows: dict[Table, dict[str, Any]]) -> Any:
    for key in column.foreign_keys:
        there = rows.get(key.column.table)
        return there[key.column.name] if there is not None else None  # a row of its own table, or of one that comes later
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


def _fill(connection: Connection) -> None:
    """One row in every table, each pointing at the others."""
    rows: dict[Table, dict[str, Any]] = {}
    for table in metadata.sorted_tables:
        rows[table] = {column.name: _value(column, rows) for column in table.columns}
        connection.execute(insert(table).values(**rows[table]))


def _steps(engine: Engine) -> str | None:
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def test_there_is_one_newest_migration() -> None:
    assert len(ScriptDirectory.from_config(Config(str(ROOT / "alembic.ini"))).get_heads()) == 1


def test_down_and_up_again_with_rows_in_every_table(empty: Engine) -> None:
    upgrade(empty)
    with empty.begin() as connection:
        _fill(connection)
    while _steps(empty) != OLDEST:
        downgrade(empty, "-1")
    upgrade(empty)
    check(empty)
    with empty.connect() as connection:
        for name in KEPT:
            assert connection.scalar(select(func.count()).select_from(metadata.tables[name])) == 1, name


def test_down_to_nothing_and_up_again(empty: Engine) -> None:
    upgrade(empty)
    downgrade(empty, "base")
    assert _steps(empty) is None
    upgrade(empty)
    check(empty)
