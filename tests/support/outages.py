"""Makes a database read-only or full for a while, as an operator, a hosting service or a disk does it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import Engine, event, text


@contextmanager
def make_read_only(engine: Engine) -> Iterator[None]:
    """Refuse every write. On PostgreSQL connections that are opened meanwhile keep the setting, as with a real outage."""
    if engine.dialect.name == "sqlite":
        with _set_pragma(engine, "query_only=ON", "query_only=OFF"):
            yield
        return
    _alter_database(engine, "SET default_transaction_read_only = on")
    engine.dispose()
    try:
        yield
    finally:
        _alter_database(engine, "RESET default_transaction_read_only")


@contextmanager
def fill_disk(engine: Engine, table: str) -> Iterator[None]:
    """Let no row be added. SQLite gets no further page; on PostgreSQL a trigger of `table` fails as a full disk does."""
    if engine.dialect.name == "sqlite":
        with _set_pragma(engine, "max_page_count=1", "max_page_count=1000000"):  # never below what the file has
            yield
        return
    with engine.begin() as connection:
        connection.execute(
            text(
                "CREATE FUNCTION test_full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                "RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$"
            )
        )
        connection.execute(text(f'CREATE TRIGGER test_full BEFORE INSERT OR UPDATE ON "{table}" EXECUTE FUNCTION test_full()'))
    try:
        yield
    finally:
        with engine.begin() as connection:
            connection.execute(text("DROP FUNCTION test_full CASCADE"))


def _alter_database(engine: Engine, change: str) -> None:
    url = engine.url
    with psycopg.connect(f"host={url.query['host']} user={url.username} dbname=postgres", autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{url.database}" {change}'.encode())


@contextmanager
def _set_pragma(engine: Engine, during: str, after: str) -> Iterator[None]:
    def set_it(connection: Any, _record: object, _proxy: object) -> None:
        connection.execute(f"PRAGMA {during}")

    event.listen(engine, "checkout", set_it)
    try:
        yield
    finally:
        event.remove(engine, "checkout", set_it)
        event.listen(engine, "checkout", lambda connection, _record, _proxy: connection.execute(f"PRAGMA {after}"))
