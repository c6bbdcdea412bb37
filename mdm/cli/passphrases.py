"""The passphrase of an archive: from a file, or asked at the terminal."""

from __future__ import annotations

import argparse
import getpass
import sys
from pathlib import Path

from cartable.backups.errors import BackupFailed


def add_passphrase_argument(parser: argparse.ArgumentParser) -> None:
    """Add the argument that names the file of the passphrase."""
    parser.add_argument("--passphrase-file", type=Path, help="file with the passphrase; without it the terminal is asked")


def read_passphrase(file: Path | None, *, twice: bool) -> bytes:
    """Return the passphrase; `twice` asks a person once more. Raises `BackupFailed`."""
    if file is not None:
        try:
            return file.read_bytes().strip()
        except OSError as error:
            raise BackupFailed(f"the passphrase file {file} cannot be read ({error.strerror}).") from error
    if not sys.stdin.isatty():
        raise BackupFailed("give the passphrase in a file: --passphrase-file.")
    passphrase = getpass.getpass("Phrase secrète / passphrase: ")
    if twice and getpass.getpass("Encore une fois / once more: ") != passphrase:
        raise BackupFailed("the two passphrases differ.")
    return passphrase.encode()
