"""One migrated database per test and dialect: a copied file on SQLite, an emptied database on PostgreSQL."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

from sqlalchemy import Engine, text

from cartable.database import make_engine
from cartable.embedded_postgres import PostgresServer, find_binaries, make_unique_name
from cartable.migrate import upgrade
from mdm.tables import metadata

POSTGRES_FOLDER_VARIABLE = "CARTABLE_TEST_POSTGRES"


def start_postgres() -> PostgresServer | None:
    """Start the session's cluster and publish its socket folder to the xdist workers."""
    binaries = find_binaries()
    if binaries is None:
        return None
    server = PostgresServer(binaries)
    os.environ[POSTGRES_FOLDER_VARIABLE] = str(server.folder)
    return server


@cache
def sqlite_template() -> Path:
    """A migrated SQLite file, made once per process."""
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


@cache
def postgres_engine() -> Engine:
    """A migrated PostgreSQL database, made once per process."""
    import psycopg

    folder = os.environ[POSTGRES_FOLDER_VARIABLE]
    name = make_unique_name("test")
    with psycopg.connect(f"host={folder} user=cartable dbname=postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    engine = make_engine(f"postgresql+psycopg://cartable@/{name}?host={folder}")
    upgrade(engine)
    return engine


def create_sqlite_engine(folder: Path) -> Engine:
    """A new SQLite database with all tables."""
    path = folder / "cartable.db"
    shutil.copy(sqlite_template(), path)
    return make_engine(f"sqlite:///{path}")


def empty_postgres_engine() -> Engine:
    """The process's PostgreSQL database, emptied."""
    engine = postgres_engine()
    names = ", ".join(f'"{table.name}"' for table in metadata.sorted_tables)
    with engine.begin() as connection:
        connection.execute(text(f"TRUNCATE {names} RESTART IDENTITY CASCADE"))
    return engine


def dispose_postgres_engine() -> None:
    """Close the process's connections to PostgreSQL."""
    if postgres_engine.cache_info().currsize:
        postgres_engine().dispose()
