"""Folders that only the server's own user may enter."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

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


def ensure_private_tree(folder: Path) -> None:
    """Withdraw every right of other users on a folder and on everything in it, as far as this user may."""
    ensure_private_folder(folder)
    for path in list_open_paths(folder):
        try:
            path.chmod(path.stat().st_mode & 0o700)
        except OSError:  # another user's file, such as a mounted secret
            log.warning("private_files.path_readable_by_others", path=str(path))


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
