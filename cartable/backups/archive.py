"""The archive of a backup: a compressed tar in an encrypted stream, whose first member lists the others with their hashes."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from cartable.backups.errors import BackupFailed
from cartable.backups.sealed_stream import NotReadable, OpeningReader, SealingWriter

MANIFEST = "manifest.json"
#: Name of the database's copy; the files of the data folder stand below `FOLDER`.
DATABASE = "database"
FOLDER = "data"
_FORMAT = 1
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class ArchiveHead:
    """What an archive says about itself: how it was made, and the SHA-256 of each member."""

    facts: Mapping[str, Any]
    hashes: Mapping[str, str]


def write_archive(target: Path, passphrase: bytes, members: Mapping[str, Path], facts: Mapping[str, Any]) -> None:
    """Write an archive to `target`, which must not exist, readable for its owner alone."""
    hashes = {name: _hash_file(path) for name, path in members.items()}
    head = json.dumps({"format": _FORMAT, **facts, "members": hashes}, indent=1).encode()
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        with (
            SealingWriter(file, passphrase) as sealed,
            tarfile.open(fileobj=sealed, mode="w|gz", format=tarfile.PAX_FORMAT) as tar,
        ):
            _add_member(tar, MANIFEST, io.BytesIO(head), len(head))
            for name, path in members.items():
                with path.open("rb") as content:
                    _add_member(tar, name, content, path.stat().st_size)
        file.flush()
        os.fsync(file.fileno())


def read_archive(source: Path, passphrase: bytes, target: Path | None = None) -> ArchiveHead:
    """Read an archive to its end, compare every hash, and return its head. With `target` the members are written below it.

    Raises `BackupFailed` for an archive that is damaged, cut off or of another passphrase; what was written then is worthless.
    """
    try:
        with source.open("rb") as file, io.BufferedReader(OpeningReader(file, passphrase)) as opened:
            with tarfile.open(fileobj=opened, mode="r|gz") as tar:
                head = _read_head(tar)
                actual_hashes = {}
                while (member := tar.next()) is not None:  # iterating would begin anew at the list
                    actual_hashes[member.name] = _read_member(tar, member, target)
            while opened.read(_CHUNK):
                pass  # to the last piece, which proves that nothing was cut off
    except (NotReadable, tarfile.TarError, EOFError) as error:
        raise BackupFailed(f"{source} cannot be read: {error}.") from error
    except OSError as error:
        raise BackupFailed(f"{source} cannot be read: {error.strerror or error}.") from error
    if actual_hashes != dict(head.hashes):
        raise BackupFailed(f"{source} is damaged: its content is not what its list says.")
    return head


def _read_head(tar: tarfile.TarFile) -> ArchiveHead:
    first = tar.next()
    content = tar.extractfile(first) if first is not None and first.name == MANIFEST else None
    if content is None:
        raise NotReadable("it has no list of its content")
    facts = json.loads(content.read())
    if facts.pop("format") != _FORMAT:
        raise NotReadable("it was written by another version")
    return ArchiveHead(facts, facts.pop("members"))


def _read_member(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path | None) -> str:
    """Return the SHA-256 of a member, and write it below `target` if there is one. No name leads out of it."""
    content = tar.extractfile(member)
    parts = PurePosixPath(member.name)
    if content is None or parts.is_absolute() or ".." in parts.parts:
        raise NotReadable("a name in it leads out of its place")
    if target is None:
        return _copy(content, None)
    path = target / parts
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        return _copy(content, file)


def _add_member(tar: tarfile.TarFile, name: str, content: Any, size: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    tar.addfile(member, content)


def _hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return _copy(file, None)


def _copy(source: Any, target: BinaryIO | None) -> str:
    digest = hashlib.sha256()
    while chunk := source.read(_CHUNK):
        digest.update(chunk)
        if target is not None:
            target.write(chunk)
    return digest.hexdigest()
