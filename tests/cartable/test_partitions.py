"""Monthly partitions on PostgreSQL: made once, also by two transactions; filled from the default one; dropped when all of it is over."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import Engine, Table, text
from sqlalchemy.exc import OperationalError

from cartable import partitions
from cartable.backups.database_copy import copy_database, load_database
from cartable.database import make_engine
from cartable.migrate import check, upgrade
from cartable.partitions import Month, drop_oldest_month, ensure_months, list_months, list_partitioned_tables
from cartable.settings import Settings
from cartable.unit_of_work import Runtime
from mdm.tables import metadata
from tests.support.concurrency import run_overlapping
from tests.support.databases import create_empty_database, empty_postgres_engine

[ARCHIVE] = list_partitioned_tables(metadata)
JANUARY, FEBRUARY, MARCH = (Month(1999, number) for number in (1, 2, 3))


@pytest.fixture(params=["postgresql"])
def engine() -> Iterator[Engine]:
    """The emptied database, and without the months of 1999 afterwards."""
    made = empty_postgres_engine()
    yield made
    with made.begin() as connection:
        while drop_oldest_month(connection, ARCHIVE, MARCH.following.start) is not None:
            pass


def insert_row(engine: Engine, number: int, created_at: datetime, table: Table = ARCHIVE) -> None:
    values = {"id": number, "created_at": created_at, "town_id": uuid4(), "enrollment_id": 1, "generation": 1}
    values |= {"request_type": "DeviceInformation", "state": "acknowledged", "requested_by_name": ""}
    with engine.begin() as connection:
        connection.execute(table.insert().values(values))


def load_partitions(engine: Engine) -> dict[int, str]:
    """Return the partition of each row."""
    with engine.begin() as connection:
        rows = connection.execute(text("SELECT id, tableoid::regclass::text FROM archived_command ORDER BY id"))
        return {row[0]: row[1] for row in rows}


def test_months_follow_one_another_over_the_year() -> None:
    assert Month(2026, 12).following == Month(2027, 1)
    assert Month.of(datetime.fromisoformat("2027-01-01T00:30:00+01:00")) == Month(2026, 12), "a month is one of UTC"


def test_a_month_takes_its_rows_from_the_default_partition(engine: Engine) -> None:
    for number, day in enumerate((datetime(1999, 1, 31, 23, 59, 59, 999999, UTC), datetime(1999, 2, 1, tzinfo=UTC)), 1):
        insert_row(engine, number, day)
    assert set(load_partitions(engine).values()) == {"archived_command_default"}
    with engine.begin() as connection:
        ensure_months(connection, ARCHIVE, [JANUARY, JANUARY])
        ensure_months(connection, ARCHIVE, [JANUARY])
    assert load_partitions(engine) == {1: "archived_command_y1999m01", 2: "archived_command_default"}


def test_two_transactions_make_the_same_months_once(runtime: Runtime, engine: Engine) -> None:
    insert_row(engine, 1, FEBRUARY.start)
    outcomes = run_overlapping(
        runtime,
        lambda work: ensure_months(work.session.connection(), ARCHIVE, [JANUARY, FEBRUARY]),
        lambda work: ensure_months(work.session.connection(), ARCHIVE, [FEBRUARY, MARCH]),
    )
    assert outcomes == (None, None)
    with engine.begin() as connection:
        assert list_months(connection, ARCHIVE)[:3] == [JANUARY, FEBRUARY, MARCH]
    assert load_partitions(engine) == {1: "archived_command_y1999m02"}


def test_the_oldest_month_is_dropped_when_all_of_it_is_over(engine: Engine) -> None:
    with engine.begin() as connection:
        ensure_months(connection, ARCHIVE, [JANUARY, FEBRUARY])
    insert_row(engine, 1, JANUARY.start)
    insert_row(engine, 2, FEBRUARY.start)
    with engine.begin() as connection:
        assert drop_oldest_month(connection, ARCHIVE, datetime(1999, 1, 31, tzinfo=UTC)) is None
        assert drop_oldest_month(connection, ARCHIVE, datetime(1999, 2, 27, tzinfo=UTC)) == JANUARY
        assert drop_oldest_month(connection, ARCHIVE, datetime(1999, 2, 27, tzinfo=UTC)) is None
    assert list(load_partitions(engine)) == [2]


def test_a_month_that_somebody_reads_is_dropped_later(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitions, "_LOCK_TIMEOUT", "50ms")
    with engine.begin() as connection:
        ensure_months(connection, ARCHIVE, [JANUARY])
    with engine.begin() as reader:
        reader.execute(text("SELECT count(*) FROM archived_command"))
        with pytest.raises(OperationalError, match="lock timeout"), engine.begin() as connection:
            drop_oldest_month(connection, ARCHIVE, FEBRUARY.start)
    with engine.begin() as connection:
        assert drop_oldest_month(connection, ARCHIVE, FEBRUARY.start) == JANUARY


def test_a_restored_copy_has_the_same_partitions(engine: Engine, tmp_path: Path) -> None:
    with engine.begin() as connection:
        ensure_months(connection, ARCHIVE, [JANUARY])
    insert_row(engine, 1, JANUARY.start)
    copy_database(Settings(_env_file=None, database_url=engine.url.render_as_string(hide_password=False)), tmp_path / "copy")
    name, folder = create_empty_database()
    target = Settings(_env_file=None, database_url=f"postgresql+psycopg://cartable@/{name}?host={folder}")
    load_database(target, tmp_path / "copy")
    restored = make_engine(target.effective_database_url)
    assert load_partitions(restored) == {1: "archived_command_y1999m01"}
    check(restored)
    with restored.begin() as connection:
        assert drop_oldest_month(connection, ARCHIVE, FEBRUARY.start) == JANUARY
    restored.dispose()


def test_migrations_take_partitions_for_part_of_their_table(engine: Engine) -> None:
    with engine.begin() as connection:
        ensure_months(connection, ARCHIVE, [JANUARY])
    check(engine)
    upgrade(engine)
