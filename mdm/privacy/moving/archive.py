"""The archive of a town that moves: lines of JSON, compressed, in an encrypted stream. Neither side needs it whole in memory or in clear.

The first line is the head. A line with an object begins a table, those with a list are its rows, and the last one counts them all.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, cast
from uuid import UUID

from cartable.backups.sealed_stream import NotReadable, OpeningReader, SealingWriter
from mdm.privacy.moving.errors import TownMoveRefused

MAGIC = b"cartable-town-1\n"
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class TownHead:
    """What an archive says of itself. `number_ranges`: the lowest and highest number that its rows use, by table."""

    version: str
    revision: str
    town_id: str
    slug: str
    name: str
    host: str | None
    exported_at: str
    audit_sequence: int
    audit_link: str
    push_topics: list[str] = field(default_factory=list)
    number_ranges: dict[str, list[int]] = field(default_factory=dict)

    @property
    def id(self) -> UUID:
        """The id of the town, which it keeps."""
        return UUID(self.town_id)


@dataclass(frozen=True, slots=True)
class TableRows:
    """The rows of one table, in the order of the archive: read them before the next table."""

    table: str
    columns: list[str]
    rows: Iterable[list[Any]]


def write_archive(target: Path, passphrase: bytes, head: TownHead, tables: Iterable[TableRows]) -> dict[str, int]:
    """Write an archive to `target`, which must not exist, for its owner alone. Returns the number of rows by table."""
    counts: dict[str, int] = {}
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        with (
            SealingWriter(file, passphrase, MAGIC) as sealed,
            gzip.GzipFile(fileobj=cast("BinaryIO", sealed), mode="wb") as lines,
        ):
            _write_line(lines, asdict(head))
            for each in tables:
                _write_line(lines, {"table": each.table, "columns": each.columns})
                counts[each.table] = 0
                for row in each.rows:
                    _write_line(lines, row)
                    counts[each.table] += 1
            _write_line(lines, {"end": counts})
        file.flush()
        os.fsync(file.fileno())
    return counts


def check_archive(source: Path, passphrase: bytes) -> TownHead:
    """Read an archive to its end and return its head. Raises `TownMoveRefused` when it is damaged, cut off or of another passphrase."""
    with open_archive(source, passphrase) as (head, tables):
        for each in tables:
            for _ in each.rows:
                pass
    return head


@contextmanager
def open_archive(source: Path, passphrase: bytes) -> Iterator[tuple[TownHead, Iterator[TableRows]]]:
    """Open an archive: its head, and its tables in their order. Raises `TownMoveRefused`, at the latest at its end."""
    try:
        with source.open("rb") as file, io.BufferedReader(OpeningReader(file, passphrase, MAGIC)) as opened:
            lines = gzip.GzipFile(fileobj=opened, mode="rb")
            head = _read_head(lines)
            yield head, _read_tables(lines, opened)
    except (NotReadable, EOFError, json.JSONDecodeError, zlib.error) as error:
        raise TownMoveRefused(f"{source} cannot be read: {error}.") from error
    except OSError as error:
        raise TownMoveRefused(f"{source} cannot be read: {error.strerror or error}.") from error


def compute_proof(source: Path) -> str:
    """Return the SHA-256 of an archive: whoever gives it has the archive, or has been told by who has."""
    with source.open("rb") as file:
        digest = sha256()
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _read_head(lines: gzip.GzipFile) -> TownHead:
    try:
        return TownHead(**_read_object(lines))
    except TypeError as error:
        raise NotReadable("it was written by another version") from error


def _read_tables(lines: gzip.GzipFile, opened: io.BufferedReader[Any]) -> Iterator[TableRows]:
    counts: dict[str, int] = {}
    begin: list[Mapping[str, Any]] = [_read_object(lines)]

    def read_rows(table: str) -> Iterator[list[Any]]:
        counts[table] = 0
        while isinstance(line := json.loads(lines.readline() or b"null"), list):
            counts[table] += 1
            yield line
        begin[0] = _require_object(line)

    while "table" in begin[0]:
        table, rows = begin[0]["table"], read_rows(begin[0]["table"])
        yield TableRows(table, begin[0]["columns"], rows)
        for _ in rows:
            pass  # what the caller did not read
    if begin[0].get("end") != counts:
        raise NotReadable("its content is not what its last line says")
    while opened.read(_CHUNK):
        pass  # to the last piece, which proves that nothing was cut off


def _read_object(lines: gzip.GzipFile) -> Mapping[str, Any]:
    return _require_object(json.loads(lines.readline() or b"null"))


def _require_object(line: Any) -> Mapping[str, Any]:
    if not isinstance(line, dict):
        raise NotReadable("it was cut off")
    return line


def _write_line(lines: gzip.GzipFile, content: Any) -> None:
    lines.write(json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
