"""Folders that only the server's own user may enter, secrets written there at once or not at all, and one writer at a time."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import structlog

_OTHERS = 0o077
log = structlog.get_logger()


def ensure_private_folder(folder: Path) -> None:
    """Create a folder with its parents, or take an existing one, and withdraw every right of other users on it.

    The mode is set after the creation too, because parents are made with the process's mask.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    mode = folder.stat().st_mode
    if mode & _OTHERS:
        try:
            folder.chmod(mode & 0o700)
        except PermissionError:  # another user's folder, such as a mounted volume
            log.warning("private_files.folder_readable_by_others", folder=str(folder))


def open_private(path: Path, mode: str) -> IO[bytes]:
    """Open a file for writing ("wb" or "ab") that only the server's user can read from the moment it is there."""
    return cast("IO[bytes]", open(path, mode, opener=_open_as_owner))


def _open_as_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def ensure_private_tree(folder: Path) -> None:
    """Withdraw every right of other users on a folder and on everything in it, as far as this user may."""
    ensure_private_folder(folder)
    for path in list_open_paths(folder):
        try:
            path.chmod(path.stat().st_mode & 0o700)
        except OSError:  # another user's file, such as a mounted secret
            log.warning("private_files.path_readable_by_others", path=str(path))


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Let one process at a time, of those that share a folder, do what is inside. It may not be nested."""
    ensure_private_folder(folder)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def write_secret(path: Path, content: bytes) -> None:
    """Write a file, at once or not at all, that only the server's user can read."""
    ensure_private_folder(path.parent)
    partial = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.new")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Wait until the names of the files in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def list_open_paths(folder: Path) -> list[Path]:
    """Return the folder and the paths in it that other users have a right on, without symbolic links and sockets."""
    return [path for path in _walk(folder) if not path.is_symlink() and (path.is_file() or path.is_dir()) and _is_open(path)]


def list_paths_of_others(folder: Path, owner_id: int) -> list[Path]:
    """Return the paths in a folder that belong to another user than `owner_id`: the server could not write them."""
    return [path for path in _walk(folder) if path.lstat().st_uid != owner_id]


def _walk(folder: Path) -> Iterator[Path]:
    yield folder
    yield from sorted(folder.rglob("*"))


def _is_open(path: Path) -> bool:
    return bool(path.stat().st_mode & _OTHERS)
