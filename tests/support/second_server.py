"""A second server beside the one of a test: a database of the other kind, another master key, another data folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine

from cartable.clock import Clock
from cartable.crypto import Keyring
from cartable.database import use_keyring
from cartable.settings import Settings
from cartable.unit_of_work import Runtime
from tests.conftest import KEYRING

SECOND_KEYRING = Keyring(b"the second server has its own key")


def create_second_runtime(engine: Engine, settings: Settings, clock: Clock) -> Runtime:
    """Return the runtime of the second server on an empty, migrated database."""
    elsewhere = settings.model_copy(update={"data_dir": settings.data_dir.parent / "second", "public_url": "https://second.test"})
    return Runtime(settings=elsewhere, engine=engine, clock=clock, keyring=SECOND_KEYRING)


@contextmanager
def as_second_server() -> Iterator[None]:
    """Let encrypted columns be those of the second server: a process has one keyring."""
    use_keyring(SECOND_KEYRING)
    try:
        yield
    finally:
        use_keyring(KEYRING)
