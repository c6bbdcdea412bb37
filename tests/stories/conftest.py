"""A second, empty database for stories in which a backup is restored."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine

from cartable.database import make_engine
from tests.support.databases import POSTGRES_FOLDER_VARIABLE, make_unique_name


@pytest.fixture
def empty_engine(engine: Engine, tmp_path: Path) -> Iterator[Engine]:
    """An empty database without tables, of the kind of `engine`: where a backup is restored."""
    if engine.dialect.name == "sqlite":
        made = make_engine(f"sqlite:///{tmp_path / 'elsewhere' / 'cartable.db'}")
        (tmp_path / "elsewhere").mkdir()
        yield made
        made.dispose()
        return
    folder, name = os.environ[POSTGRES_FOLDER_VARIABLE], make_unique_name("restored")
    with psycopg.connect(f"host={folder} user=cartable dbname=postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    made = make_engine(f"postgresql+psycopg://cartable@/{name}?host={folder}")
    yield made
    made.dispose()
    with psycopg.connect(f"host={folder} user=cartable dbname=postgres", autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


def render_url(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=False)
