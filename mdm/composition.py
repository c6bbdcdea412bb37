"""The composition root: creates the runtime of a process from its settings."""

from __future__ import annotations

import os
from pathlib import Path

from cartable.clock import Clock, SystemClock
from cartable.crypto import Keyring
from cartable.database import make_engine, use_keyring
from cartable.private_files import ensure_private_folder
from cartable.settings import Settings
from cartable.unit_of_work import Runtime


class MasterKeyMissing(RuntimeError):
    """The database contains sealed values, and the key that opens them is missing."""


def compose(settings: Settings, *, clock: Clock | None = None) -> Runtime:
    """Return the runtime: settings, engine, clock, keyring. Raises `MasterKeyMissing`."""
    ensure_private_folder(settings.data_dir)
    keyring = Keyring(_load_master_key(settings))
    use_keyring(keyring)
    engine = make_engine(settings.effective_database_url)
    return Runtime(settings=settings, engine=engine, clock=clock or SystemClock(), keyring=keyring)


def _load_master_key(settings: Settings) -> bytes:
    path = settings.master_key_file or settings.secrets_dir / "master.key"
    if path.exists():
        return path.read_bytes()
    if settings.master_key_file is not None or _has_data(settings):
        raise MasterKeyMissing(f"{path} is missing: without it, what is encrypted cannot be read. Restore it from your backup.")
    return _create_master_key(path)


def _has_data(settings: Settings) -> bool:
    """Return whether an embedded database exists: with a new key its sealed values would be lost."""
    return not settings.database_url and (settings.data_dir / "cartable.db").exists()


def _create_master_key(path: Path) -> bytes:
    ensure_private_folder(path.parent)
    key = os.urandom(32)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key)
    return key
