"""A second server for towns that move."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from cartable.backups import sealed_stream
from cartable.clock import ManualClock
from cartable.settings import Settings
from cartable.unit_of_work import Runtime
from tests.support import databases
from tests.support.second_server import create_second_runtime


@pytest.fixture(autouse=True)
def cheap_passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    """Derive the key of an archive at the least cost: what the server uses took a third of the time of these tests."""
    monkeypatch.setattr(sealed_stream, "_SCRYPT", {**sealed_stream._SCRYPT, "n": 2})


@pytest.fixture
def second(engine: Engine, settings: Settings, clock: ManualClock, tmp_path: Path) -> Iterator[Runtime]:
    """The second server; its database is of the other kind than `engine`, so that a town goes both ways."""
    if engine.dialect.name == "sqlite":
        yield create_second_runtime(databases.empty_postgres_engine(), settings, clock)
        return
    folder = tmp_path / "second-database"
    folder.mkdir()
    made = databases.create_sqlite_engine(folder)
    yield create_second_runtime(made, settings, clock)
    made.dispose()
