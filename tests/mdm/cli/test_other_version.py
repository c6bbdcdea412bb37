"""A database that another version has made: `make run`, `cartable migrate` and `serve` say so in a sentence, and change nothing of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

import cartable.migrate
from cartable.clock import ManualClock
from cartable.database import make_engine
from cartable.migrate import list_foreign_columns, list_missing_migrations, upgrade
from cartable.settings import Settings
from cartable.unit_of_work import Runtime
from mdm.cli import preflight
from mdm.cli.preflight import CannotStart
from mdm.tables import metadata
from tests.conftest import KEYRING
from tests.support.databases import create_empty_database, create_sqlite_engine

_TABLES = {
    "sqlite": text("SELECT name, sql FROM sqlite_master ORDER BY name"),
    "postgresql": text(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public' ORDER BY table_name, column_name"
    ),
}
#: A change of the tables, and how the refusal names it.
CHANGES = [
    ("ALTER TABLE app_request DROP COLUMN answer", "its column app_request.answer is the first"),
    ("ALTER TABLE webhook ADD COLUMN former VARCHAR", "its column webhook.former is the first"),
    ("DROP TABLE webhook", "its column webhook.added_at is the first"),
    ("UPDATE alembic_version SET version_num = '0999'", "0999"),
    ("DELETE FROM alembic_version", "its column account.active is the first"),
]
_NEXT_MIGRATION = '''"""A migration after the newest one."""

import sqlalchemy as sa
from alembic import op

revision = "9000"
down_revision = "{newest}"


def upgrade() -> None:
    op.add_column("webhook", sa.Column("next", sa.String()))
'''


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Engine]:
    engine = create_sqlite_engine(tmp_path)
    yield engine
    engine.dispose()


@pytest.fixture
def next_version(sqlite: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this version have one migration more than those of the test's database, which is made before."""
    folder = tmp_path / "migrations"
    shutil.copytree(cartable.migrate.MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / "next.py").write_text(_NEXT_MIGRATION.format(newest=cartable.migrate.get_newest_revision()))
    monkeypatch.setattr(cartable.migrate, "MIGRATIONS", folder)


def _refuse(engine: Engine, settings: Settings, clock: ManualClock) -> str:
    """Return the reason why the database is not upgraded, which leaves it as it was."""
    runtime = Runtime(settings=settings, engine=engine, clock=clock, keyring=KEYRING)
    preflight.wait_for_database(runtime, seconds=0)
    before = _read_tables(engine)
    with pytest.raises(CannotStart) as refused:
        preflight.upgrade_database(runtime)
    assert _read_tables(engine) == before
    with pytest.raises(CannotStart):
        preflight.check_database(runtime)
    return str(refused.value)


def _read_tables(engine: Engine) -> object:
    with engine.connect() as connection:
        revision = connection.scalars(text("SELECT version_num FROM alembic_version")).all()
        return revision, connection.execute(_TABLES[engine.dialect.name]).all()


def _execute(engine: Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement))


def test_the_tables_of_this_version_are_accepted(runtime: Runtime) -> None:
    assert list_foreign_columns(runtime.engine, metadata) == []
    preflight.upgrade_database(runtime)
    preflight.check_database(runtime)


@pytest.mark.parametrize(("change", "difference"), CHANGES)
def test_other_tables_are_named_and_left_as_they_are(
    sqlite: Engine, clock: ManualClock, settings: Settings, change: str, difference: str
) -> None:
    _execute(sqlite, change)
    reason = _refuse(sqlite, settings, clock)
    assert difference in reason
    assert f"mv '{settings.data_dir}' '{settings.data_dir}.old'" in reason


@pytest.mark.usefixtures("next_version")
@pytest.mark.parametrize(("change", "difference"), [CHANGES[0], CHANGES[3]])
def test_the_difference_is_seen_before_a_missing_migration_is_applied(
    sqlite: Engine, clock: ManualClock, settings: Settings, change: str, difference: str
) -> None:
    _execute(sqlite, change)
    assert difference in _refuse(sqlite, settings, clock)


@pytest.mark.usefixtures("next_version")
def test_a_database_of_the_version_before_is_upgraded(sqlite: Engine, clock: ManualClock, settings: Settings) -> None:
    preflight.upgrade_database(Runtime(settings=settings, engine=sqlite, clock=clock, keyring=KEYRING))
    assert list_missing_migrations(sqlite) == []


def test_postgresql_is_refused_and_upgraded_alike(clock: ManualClock, settings: Settings, request: pytest.FixtureRequest) -> None:
    name, folder = create_empty_database()
    engine = make_engine(f"postgresql+psycopg://cartable@/{name}?host={folder}")
    upgrade(engine)
    request.getfixturevalue("next_version")
    _execute(engine, "UPDATE alembic_version SET version_num = '0999'")
    assert "0999" in _refuse(engine, settings, clock), "ahead of us"
    _execute(engine, "UPDATE alembic_version SET version_num = '0001'")
    _execute(engine, "ALTER TABLE webhook RENAME COLUMN secret TO key")
    assert "set CARTABLE_DATABASE_URL to an empty database" in (reason := _refuse(engine, settings, clock)), "of another chain"
    assert "its column webhook.key is the first" in reason
    _execute(engine, "ALTER TABLE webhook RENAME COLUMN key TO secret")
    preflight.upgrade_database(Runtime(settings=settings, engine=engine, clock=clock, keyring=KEYRING))
    assert list_missing_migrations(engine) == []
    engine.dispose()
