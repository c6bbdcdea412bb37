"""A real browser on the console of a real server. A machine that has no Chromium says so loudly at the end of the run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from sqlalchemy import Engine

from cartable.clock import ManualClock
from cartable.scope import SYSTEM, Role
from mdm.accounts import service as accounts
from tests.conftest import KEYRING
from tests.interop.conftest import require_program
from tests.support import databases
from tests.support.accounts import PASSWORD, make_trusted
from tests.support.server import LiveServer, start_live_server

#: The certificate of a test's server counts as a good one: with a certificate error, no browser offers passkeys.
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update "
    "--disable-sync --ignore-certificate-errors"
)


@pytest.fixture(params=["sqlite"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """One database is enough: what is looked at is the page."""
    made = databases.create_sqlite_engine(tmp_path)
    yield made
    made.dispose()


@pytest.fixture
def server(engine: Engine, tmp_path: Path) -> Iterator[LiveServer]:
    with start_live_server(engine, KEYRING, tmp_path / "data", ManualClock(datetime.now(UTC))) as running:
        yield running


@contextmanager
def launch_browser() -> Iterator[Browser]:
    """Start a browser and close it afterwards. While it runs, its thread runs an event loop, and `asyncio.run` refuses."""
    # The same engine without windows takes half the time of the desktop's program.
    path = require_program("chromium-headless-shell", "chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=FLAGS.split())
        yield started
        started.close()


@pytest.fixture(scope="module")
def started_browser() -> Iterator[Browser]:
    """A browser for the tests of a module, because a start takes half a second. What a person opens belongs to one test: see `browser`."""
    with launch_browser() as started:
        yield started


def create_person(server: LiveServer, town_id: UUID, role: Role, login: str, school_id: UUID | None = None) -> None:
    """Create an account that may sign in by `PASSWORD` and be a second person at once."""
    with server.runtime.open_unit_of_work() as work:
        account = accounts.create_account(
            work, SYSTEM, login=login, display_name=login, password=PASSWORD, role=role, town_id=town_id, school_id=school_id
        )
        account.must_change_password = False
        make_trusted(work, account)


@pytest.fixture
def browser(started_browser: Browser) -> Iterator[Browser]:
    """The browser, without what an earlier test has opened."""
    yield started_browser
    for context in started_browser.contexts:
        context.close()


@pytest.fixture
def sign_in(server: LiveServer, browser: Browser) -> Callable[..., Page]:
    """A page of a person who has signed in by the form, in French."""

    def act(town_id: UUID, role: Role, login: str, school_id: UUID | None = None) -> Page:
        create_person(server, town_id, role, login, school_id)
        page = browser.new_context(ignore_https_errors=True, locale="fr-FR").new_page()
        page.goto(server.url + "/")
        page.fill("#login", login)
        page.fill("#password", PASSWORD)
        page.click("main button")
        return page

    return act
