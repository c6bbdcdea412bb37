"""Folders that only the server's own user may enter."""

from __future__ import annotations

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
