"""Provides a migrated database per test and dialect: a copied file on SQLite, an emptied database on PostgreSQL."""

from __future__ import annotations

import atexit
import os
import secrets
import shutil
import tempfile
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.util import LRUCache

from cartable.database import make_engine
from cartable.embedded_postgres import PostgresServer, find_binaries
from cartable.migrate import upgrade
from mdm.tables import metadata
from tests.support import sampling

DIALECTS = ("sqlite", "postgresql")
POSTGRES_FOLDER_VARIABLE = "CARTABLE_TEST_POSTGRES"
#: So many texts of statements a process keeps; the whole suite sends about as many.
COMPILED_STATEMENTS = 2000


def choose_database(metafunc: pytest.Metafunc) -> None:
    """Let a test with the fixture `engine` run on one database today and on the other one tomorrow; on both when every case is tried.

    This is for what goes through pages, the API or the wire and has no SQL of its own. Half of the tests are on each database. Nothing is
    chosen for a test that is marked `each_database`.
    """
    if "engine" in metafunc.fixturenames and not metafunc.definition.get_closest_marker("each_database"):
        number = zlib.crc32(metafunc.definition.nodeid.encode())
        chosen = [dialect for place, dialect in enumerate(DIALECTS) if sampling.is_turn(number + place, len(DIALECTS))]
        metafunc.definition.add_marker(pytest.mark.parametrize("engine", chosen, indirect=True))


def start_postgres() -> PostgresServer | None:
    """Start the test session's cluster and pass its socket folder to the xdist workers by the environment."""
    binaries = find_binaries()
    if binaries is None:
        return None
    server = PostgresServer(binaries)
    os.environ[POSTGRES_FOLDER_VARIABLE] = str(server.folder)
    return server


@cache
def sqlite_template() -> Path:
    """Create a migrated SQLite file, once per process."""
    folder = Path(tempfile.mkdtemp(prefix="cartable-tpl-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / "template.db"
    engine = make_engine(f"sqlite:///{path}")
    upgrade(engine)
    with engine.connect() as connection:
        connection.commit()
        connection.connection.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # type: ignore[union-attr]
    engine.dispose()
    return path


def create_empty_database() -> tuple[str, Path]:
    """Create a PostgreSQL database without tables. Return its name and the folder of the cluster's socket."""
    import psycopg

    folder = Path(os.environ[POSTGRES_FOLDER_VARIABLE])
    name = make_unique_name("test")
    with psycopg.connect(f"host={folder} user=cartable dbname=postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    return name, folder


@cache
def postgres_engine() -> Engine:
    """Create a migrated PostgreSQL database, once per process."""
    name, folder = create_empty_database()
    engine = make_engine(f"postgresql+psycopg://cartable@/{name}?host={folder}")
    upgrade(engine)
    engine._compiled_cache = LRUCache(COMPILED_STATEMENTS)
    return engine


def create_sqlite_engine(folder: Path) -> Engine:
    """Return the engine of a new SQLite database with all tables."""
    path = folder / "cartable.db"
    shutil.copy(sqlite_template(), path)
    engine = make_engine(f"sqlite:///{path}")
    event.listen(engine, "connect", _write_without_waiting)
    _share_compiled_statements(engine)
    return engine


def _write_without_waiting(connection: Any, _record: object) -> None:
    """Let commits not wait for the disk: a database of a test need not outlive a loss of power."""
    connection.execute("PRAGMA synchronous=OFF")


def _share_compiled_statements(engine: Engine) -> None:
    """Let engines of one database have the texts of statements in common: compiling them anew is a tenth of the time of a test."""
    shared = _get_shared_engine()
    engine.dialect, engine._compiled_cache = shared.dialect, shared._compiled_cache


@cache
def _get_shared_engine() -> Engine:
    """Return an engine that no test uses, from which others have dialect and compiled statements."""
    engine = make_engine(f"sqlite:///{sqlite_template()}")
    with engine.connect():  # the dialect learns what the database can do
        pass
    engine.dispose()
    engine._compiled_cache = LRUCache(COMPILED_STATEMENTS)
    return engine


def empty_postgres_engine() -> Engine:
    """Return the engine of the process's PostgreSQL database, with all tables empty.

    Only the tables that hold a row are emptied: truncating all of them costs half a second, because each is a file that is made
    anew. Foreign keys are off meanwhile (the role that owns the cluster may do so), so the order does not matter.
    """
    engine = postgres_engine()
    with engine.begin() as connection:
        filled = connection.scalars(text(_select_filled_tables())).all()
        if filled:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            for name in filled:
                connection.execute(text(f'DELETE FROM "{name}"'))
        connection.execute(text(_RESTART_SEQUENCES))
    return engine


#: Sequences that have given a number begin again at one, so that a test sees the same numbers in any order of tests.
_RESTART_SEQUENCES = """
SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, 1, false)
FROM pg_sequences WHERE schemaname = 'public' AND last_value IS NOT NULL
"""


@cache
def _select_filled_tables() -> str:
    """The statement that names each table with a row in it."""
    return " UNION ALL ".join(
        f"SELECT '{table.name}' WHERE EXISTS (SELECT 1 FROM \"{table.name}\")" for table in metadata.sorted_tables
    )


def dispose_postgres_engine() -> None:
    """Close the connections of this process to PostgreSQL."""
    if postgres_engine.cache_info().currsize:
        postgres_engine().dispose()


def make_unique_name(prefix: str) -> str:
    """Return a database name that no other process uses."""
    return f"{prefix}_{secrets.token_hex(4)}"
