"""Makes a backup of database and data folder, verifies it, and restores it into an empty place. See docs/operator/backup.md."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from cartable import __version__
from cartable.backups.archive import DATABASE, FOLDER, ArchiveHead, read_archive, write_archive
from cartable.backups.database_copy import copy_database, describe_server, get_dialect, load_database, require_empty_database
from cartable.backups.errors import BackupFailed
from cartable.private_files import ensure_private_folder
from cartable.settings import Settings
from cartable.timeline.file import FILE_NAME, replace_point
from cartable.timeline.repository import TimelineRepository

SHORTEST_PASSPHRASE = 12
_DATABASE_FILES = ("cartable.db", "cartable.db-wal", "cartable.db-shm", "cartable.db-journal")
_TEMPORARY = ".backup-"
#: Folders that are written anew from the database: the stores of the resolver.
_DERIVED = frozenset({"resolver"})


def make_backup(settings: Settings, engine: Engine, target: Path, passphrase: bytes, now: datetime) -> ArchiveHead:
    """Write a backup to `target`, read it back to its end, and return its head. Raises `BackupFailed`.

    The name appears only when the backup is complete and verified: a backup that exists can be restored.
    """
    check_passphrase(passphrase)
    if target.exists():
        raise BackupFailed(f"{target} exists; a backup overwrites nothing.")
    unfinished = target.with_name(f"{target.name}.part")
    try:
        with _make_workspace(settings.data_dir) as workspace:
            copy_database(settings, workspace / DATABASE)
            members = {DATABASE: workspace / DATABASE}
            members |= {
                f"{FOLDER}/{path.relative_to(settings.data_dir).as_posix()}": path for path in _list_files(settings.data_dir)
            }
            facts = {
                "made_at": now.isoformat(), "version": __version__, "dialect": get_dialect(settings), "server": describe_server(engine),
                "holds_master_key": settings.master_key_file is None, "public_url": settings.public_url,
            }  # fmt: skip
            write_archive(unfinished, passphrase, members, facts)
        head = read_archive(unfinished, passphrase)
        unfinished.rename(target)
    except OSError as error:
        raise BackupFailed(f"the backup cannot be written to {target}: {error.strerror or error}.") from error
    finally:
        unfinished.unlink(missing_ok=True)
    return head


def restore_backup(settings: Settings, engine: Engine, source: Path, passphrase: bytes) -> ArchiveHead:
    """Restore a backup into an empty data folder and an empty database, and return its head. Raises `BackupFailed`.

    The file beside the secrets is written ahead of the database, so that the server knows at its start that it was restored.
    """
    if any(_list_files(settings.data_dir)):
        raise BackupFailed(
            f"{settings.data_dir} holds files. A backup is restored into an empty place only: name another folder."
        )
    require_empty_database(settings, engine)
    ensure_private_folder(settings.data_dir)
    with _make_workspace(settings.data_dir) as workspace:
        head = read_archive(source, passphrase, workspace)
        if head.facts["dialect"] != get_dialect(settings):
            raise BackupFailed(
                f"the backup is of {head.facts['dialect']}, and the settings name a database of {get_dialect(settings)}."
            )
        load_database(settings, workspace / DATABASE)
        if (workspace / FOLDER).exists():
            for path in sorted((workspace / FOLDER).iterdir()):
                path.rename(settings.data_dir / path.name)
    _mark_restored(settings, engine)
    return head


def _mark_restored(settings: Settings, engine: Engine) -> None:
    with Session(engine) as session:
        point = TimelineRepository(session).get_point()
    if point is not None:
        ensure_private_folder(settings.secrets_dir)
        replace_point(settings.secrets_dir, replace(point, position=point.position + 1))


def _list_files(folder: Path) -> Iterator[Path]:
    """Yield the files of the data folder that a backup holds: all but the database, what is made from it, and the file that tells a
    restored one.
    """
    if not folder.exists():
        return
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if (
            not path.is_file()
            or path.is_symlink()
            or relative.name in _DATABASE_FILES
            or relative.parts[0].startswith(_TEMPORARY)
            or relative.parts[0] in _DERIVED
        ):
            continue
        if relative.as_posix() != f"secrets/{FILE_NAME}" and relative.suffix != ".new":
            yield path


@contextmanager
def _make_workspace(folder: Path) -> Iterator[Path]:
    """Yield a private folder on the disk of the data folder: a copy of the database may be larger than the memory behind /tmp."""
    with tempfile.TemporaryDirectory(prefix=_TEMPORARY, dir=folder) as name:
        Path(name).chmod(0o700)
        yield Path(name)


def check_passphrase(passphrase: bytes) -> None:
    """Raise `BackupFailed` for a passphrase that can be guessed."""
    if len(passphrase) < SHORTEST_PASSPHRASE:
        raise BackupFailed(
            f"the passphrase needs {SHORTEST_PASSPHRASE} characters or more: the archive holds the keys of every tablet."
        )
