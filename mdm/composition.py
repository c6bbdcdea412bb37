"""The composition root: creates the runtime of a process from its settings."""

from __future__ import annotations

from cartable.clock import Clock, SystemClock
from cartable.crypto import Keyring
from cartable.database import make_engine, use_keyring
from cartable.master_keys import KeyFolder
from cartable.private_files import ensure_private_tree
from cartable.read_replica import ReadReplica
from cartable.settings import Settings
from cartable.unit_of_work import Runtime


def compose(settings: Settings, *, clock: Clock | None = None) -> Runtime:
    """Return the runtime: settings, engine, clock, keyring. Raises `MasterKeyMissing`."""
    ensure_private_tree(settings.data_dir)
    folder = KeyFolder(settings)
    keyring = Keyring(folder.load(), folder.load)
    use_keyring(keyring)
    if not settings.database_url:
        (settings.data_dir / "cartable.db").touch(mode=0o600)  # SQLite would let others read it
    engine = make_engine(settings.effective_database_url, is_pooled=settings.database_pooler)
    replica = ReadReplica(make_engine(settings.read_database_url, pool_size=2)) if settings.read_database_url else None
    return Runtime(settings=settings, engine=engine, clock=clock or SystemClock(), keyring=keyring, replica=replica)
