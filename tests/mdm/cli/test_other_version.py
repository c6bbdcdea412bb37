"""A database that another version has made: `make run` and `cartable migrate` say so in a sentence, and change nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from cartable.clock import ManualClock
from cartable.migrate import list_foreign_columns
from cartable.settings import Settings
from cartable.unit_of_work import Runtime
from mdm.cli import preflight
from mdm.cli.preflight import CannotStart
from mdm.tables import metadata
from tests.conftest import KEYRING
from tests.support.databases import create_sqlite_engine

_TABLES = text("SELECT name, sql FROM sqlite_master ORDER BY name")


def test_the_tables_of_this_version_are_accepted(runtime: Runtime) -> None:
    assert list_foreign_columns(runtime.engine, metadata) == []
    preflight.upgrade_database(runtime)


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ("ALTER TABLE app_request DROP COLUMN answer", "its column app_request.answer is the first"),
        ("ALTER TABLE webhook ADD COLUMN former VARCHAR", "its column webhook.former is the first"),
        ("DROP TABLE webhook", "its column webhook.added_at is the first"),
        ("UPDATE alembic_version SET version_num = '0999'", "0999"),
    ],
)
def test_other_tables_are_named_and_left_as_they_are(
    tmp_path: Path, clock: ManualClock, settings: Settings, change: str, difference: str
) -> None:
    engine = create_sqlite_engine(tmp_path)
    with engine.begin() as connection:
        connection.execute(text(change))
        before = connection.execute(_TABLES).all()
    runtime = Runtime(settings=settings, engine=engine, clock=clock, keyring=KEYRING)
    preflight.wait_for_database(runtime, seconds=0)
    with pytest.raises(CannotStart) as refused:
        preflight.upgrade_database(runtime)
    assert difference in str(refused.value)
    assert f"mv '{settings.data_dir}' '{settings.data_dir}.old'" in str(refused.value)
    with engine.connect() as connection:
        assert connection.execute(_TABLES).all() == before
    engine.dispose()
