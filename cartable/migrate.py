"""Applies migrations to a database from inside the program. The migrations are in `migrations/versions`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.script.revision import RevisionError
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, MetaData, StaticPool, create_engine, inspect

#: The folder `migrations`, beside this package in a checkout and in an installed wheel alike.
MIGRATIONS = Path(__file__).resolve().parents[1] / "migrations"
#: What is raised for a database that has a migration which is not among ours.
UNKNOWN_MIGRATION = (CommandError, RevisionError)


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Apply all migrations up to `revision`."""
    _run(engine, lambda config: command.upgrade(config, revision))


def downgrade(engine: Engine, revision: str) -> None:
    """Revert migrations down to `revision`."""
    _run(engine, lambda config: command.downgrade(config, revision))


def check(engine: Engine) -> None:
    """Raise when the tables in the code differ from the newest migration."""
    _run(engine, command.check)


def list_missing_migrations(engine: Engine) -> list[str]:
    """Return the revisions that the database has not got yet, the next one first."""
    script = ScriptDirectory.from_config(make_config())
    with engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_heads()
    return [step.revision for step in reversed(list(script.iterate_revisions("heads", current or "base")))]


def list_foreign_columns(engine: Engine, metadata: MetaData) -> list[str]:
    """Return the columns by which a database differs from our tables as of the migration that it has, as `table.column`.

    Our tables are those of `metadata`, and those of the migration. The database is only read, so whatever is returned is known before
    a migration changes anything. Raises one of `UNKNOWN_MIGRATION` for a migration that is not among ours.
    """
    revision, present = _read_revision_and_columns(engine)
    ours = {table.name: {column.name for column in table.columns} for table in metadata.tables.values()}
    expected = ours if revision == get_newest_revision() else _build_columns(revision)
    return sorted(
        f"{table}.{column}"
        for table in expected.keys() | ours.keys()
        for column in present.get(table, set()) ^ expected.get(table, set())
    )


def _read_revision_and_columns(engine: Engine) -> tuple[str | None, dict[str, set[str]]]:
    """Return the migration of a database and its columns by table. Another process may migrate meanwhile: then both are read again."""
    while True:
        revision, columns = _get_revision(engine), _read_columns(engine)
        if _get_revision(engine) == revision:
            return revision, columns


def _get_revision(engine: Engine) -> str | None:
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def _read_columns(engine: Engine) -> dict[str, set[str]]:
    return {name: {column["name"] for column in columns} for (_, name), columns in inspect(engine).get_multi_columns().items()}


def _build_columns(revision: str | None) -> dict[str, set[str]]:
    """Return the columns that our migrations up to `revision` make, by applying them to a database in memory."""
    if revision is None:
        return {}
    engine = create_engine("sqlite://", poolclass=StaticPool)
    try:
        upgrade(engine, revision)
        return _read_columns(engine)
    finally:
        engine.dispose()


def get_newest_revision() -> str:
    """Return the revision of this version: two servers with the same one have the same tables."""
    return ScriptDirectory.from_config(make_config()).get_current_head() or ""


def make_config() -> Config:
    """Return Alembic's configuration without `alembic.ini`, which a wheel does not carry and the program does not need."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def _run(engine: Engine, act: Callable[[Config], object]) -> None:
    config = make_config()
    with engine.connect() as connection, _suspend_foreign_keys(connection):
        config.attributes["connection"] = connection
        act(config)


@contextmanager
def _suspend_foreign_keys(connection: Connection) -> Iterator[None]:
    """Commit what is done inside, on SQLite with foreign keys off until they are checked before the commit.

    SQLite changes a table by creating a new one and dropping the old one. With foreign keys on, this fails where a row refers
    to the table, or deletes that row (sqlite.org, "Making Other Kinds Of Table Schema Changes").
    """
    if connection.dialect.name != "sqlite":
        yield
        connection.commit()
        return
    driver: Any = connection.connection.driver_connection  # not through SQLAlchemy: inside a transaction the PRAGMA has no effect
    driver.execute("PRAGMA foreign_keys=OFF")
    before = driver.execute("PRAGMA schema_version").fetchone()
    try:
        yield
        if connection.exec_driver_sql("PRAGMA schema_version").fetchone() != before:
            broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchone()
            if broken is not None:
                raise RuntimeError(f"the migration would leave a row of {broken[0]} that refers to a missing row")
        connection.commit()
    finally:
        connection.rollback()
        driver.execute("PRAGMA foreign_keys=ON")
