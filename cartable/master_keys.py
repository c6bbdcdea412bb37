"""The files of the master keys, beside one another: the current key, during a rotation the previous one, and the key of hashes.

Each step of a rotation is one atomic change of a file, so that a process that is killed leaves a state from which the next goes on.
"""

from __future__ import annotations

import os
from pathlib import Path

from cartable.crypto import MasterKeys
from cartable.private_files import lock_folder, sync_folder, write_secret
from cartable.settings import Settings


class MasterKeyMissing(RuntimeError):
    """The database contains sealed values, and the key that opens them is missing."""


class KeyFolder:
    """Reads and changes the key files of an installation."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.current: Path = settings.master_key_file or settings.secrets_dir / "master.key"
        self.previous = self.current.with_name("previous-" + self.current.name)
        self.hashing = self.current.with_name("hashing-" + self.current.name)

    def load(self) -> MasterKeys:
        """Return the keys; a new installation gets its first one. Raises `MasterKeyMissing`."""
        if not self.current.exists():
            if self._settings.master_key_file is not None or self._has_data():
                raise MasterKeyMissing(
                    f"{self.current} is missing: without it, what is encrypted cannot be read. Restore it from your backup."
                )
            with lock_folder(self.current.parent):
                if not self.current.exists():  # several processes of a new installation start at once
                    write_secret(self.current, os.urandom(32))
        # The previous key is read last: a rotation writes it before it changes the current one.
        current = self.current.read_bytes()
        hashing = self.hashing.read_bytes() if self.hashing.exists() else None
        previous = self.previous.read_bytes() if self.previous.exists() else None
        return MasterKeys(current, previous if previous != current else None, hashing)

    def begin_rotation(self) -> bool:
        """Put a new key in place of the current one, which becomes the previous one. Return False when a rotation is under way."""
        current = self.current.read_bytes()
        if not self.hashing.exists():
            write_secret(self.hashing, current)
        if self.previous.exists() and self.previous.read_bytes() != current:
            return False
        if not self.previous.exists():
            write_secret(self.previous, current)
        write_secret(self.current, os.urandom(32))
        return True

    def forget_previous(self) -> None:
        """Delete the previous key: what it sealed and was not sealed anew cannot be read any more, in backups neither."""
        self.previous.unlink()
        sync_folder(self.current.parent)

    def _has_data(self) -> bool:
        """Return whether an embedded database exists: with a new key its sealed values would be lost."""
        return not self._settings.database_url and (self._settings.data_dir / "cartable.db").exists()
