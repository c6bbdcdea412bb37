"""The composition root: the one place where settings become a runtime. Every process begins here."""

from __future__ import annotations

import os
from pathlib import Path

from cartable.clock import Clock, SystemClock
from cartable.crypto import Keyring
from cartable.database import make_engine, use_keyring
from cartable.settings import Settings
from cartable.unit_of_work import Runtime


class MasterKeyMissing(RuntimeError):
    """The database holds sealed values, and the key that opens them is not there."""


def compose(settings: Settings, *, clock: Clock | None = None) -> Runtime:
    """Plug everything together. Raises `MasterKeyMissing`."""
    keyring = Keyring(_master_key(settings))
    use_keyring(keyring)
    engine = make_engine(settings.effective_database_url)
    return Runtime(settings=settings, engine=engine, clock=clock or SystemClock(), keyring=keyring)


def _master_key(settings: Settings) -> bytes:
    path = settings.master_key_file or settings.secrets_dir / "master.key"
    if path.exists():
        return path.read_bytes()
    if settings.master_key_file is not None or _has_data(settings):
        raise MasterKeyMissing(f"{path} is missing: without it, what is encrypted cannot be read. Restore it from your backup.")
    return _make_key(path)


def _has_data(settings: Settings) -> bool:
    """Whether an embedded database is already there: then a new key would lose what it holds."""
    return not settings.database_url and (settings.data_dir / "cartable.db").exists()


def _make_key(path: Path) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = os.urandom(32)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key)
    return key
