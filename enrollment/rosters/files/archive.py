"""Untrusted zip archives, opened within bounds on size, number and names of entries. Nothing is written to disk."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Callable

from enrollment.rosters.files.errors import UnreadableRoster

MAX_ENTRIES = 500
#: The most bytes that an archive may contain once inflated: a town's OneRoster files are about 3 MB.
MAX_INFLATED = 60 * 2**20
_CHUNK = 2**16
_SAFE_NAME = re.compile(r"(?!/)(?!.*(?:^|/)\.\.(?:/|$))[^\\:\x00]{1,200}$")


def is_zip(content: bytes) -> bool:
    """Return whether these bytes begin like a zip archive."""
    return content[:4] == b"PK\x03\x04"


def list_names(content: bytes) -> list[str]:
    """Return the names of the entries of an archive. Raises `UnreadableRoster` with `bad_zip` or `zip_too_large`."""
    return [entry.filename for entry in _open(content)[1]]


def is_workbook(content: bytes) -> bool:
    """Return whether a zip archive is an XLSX workbook, by the names of its entries. Raises `UnreadableRoster`."""
    return "xl/workbook.xml" in list_names(content)


def _open(content: bytes) -> tuple[zipfile.ZipFile, list[zipfile.ZipInfo]]:
    """Return the archive and its entries that are files. Raises `UnreadableRoster` with `bad_zip` or `zip_too_large`."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise UnreadableRoster(why="bad_zip") from error
    if len(entries) > MAX_ENTRIES:
        raise UnreadableRoster(why="zip_too_large")
    return archive, entries


def unpack_zip(content: bytes, is_wanted: Callable[[str], bool]) -> dict[str, bytes]:
    """Return the content of the entries whose names are wanted; other entries are never inflated.

    The sizes in the directory are not trusted: reading stops at `MAX_INFLATED`. Raises `UnreadableRoster` with
    `bad_zip`, `zip_too_large`, `zip_unsafe_name`, `zip_encrypted`, `zip_duplicate`.
    """
    archive, entries = _open(content)
    remaining = MAX_INFLATED
    contents: dict[str, bytes] = {}
    for entry in entries:
        if not _SAFE_NAME.match(entry.filename):
            raise UnreadableRoster(why="zip_unsafe_name")
        if not is_wanted(entry.filename):
            continue
        if entry.filename in contents:
            raise UnreadableRoster(why="zip_duplicate")
        if entry.flag_bits & 0x1:
            raise UnreadableRoster(why="zip_encrypted")
        contents[entry.filename] = _read_entry(archive, entry, remaining)
        remaining -= len(contents[entry.filename])
    return contents


def _read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, limit: int) -> bytes:
    out = bytearray()
    try:
        with archive.open(entry) as stream:
            while chunk := stream.read(_CHUNK):
                out += chunk
                if len(out) > limit:
                    raise UnreadableRoster(why="zip_too_large")
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError) as error:
        raise UnreadableRoster(why="bad_zip") from error
    return bytes(out)


def repack_zip(entries: dict[str, bytes]) -> bytes:
    """Return an archive of these entries without compression, so that the next reader has nothing to inflate."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, data in entries.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return out.getvalue()
