"""Reading an archive of lists in UT1's format: bounded, streamed, never unpacked to a disk. Pure of tables.

See docs/domain/filters.md#lists.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import IO, cast

from profiles.catalog.hosts import clean_host

MAX_MEMBERS = 5000
MAX_LINES = 8_000_000
MAX_LINE = 512
MAX_UNPACKED = 2 * 2**30
MAX_CATEGORIES = 200
MAX_SKIPPED = 100
#: The names under which UT1 also offers some categories.
ALIASES = {
    "ads": "publicite", "aggressive": "agressif", "drugs": "drogue", "mail": "forums", "porn": "adult", "proxy": "redirector",
    "violence": "agressif",
}  # fmt: skip
#: Categories whose lists say what is good.
WHITE = frozenset({"child", "liste_blanche", "liste_bu", "educational_games", "sexual_education", "cleaning", "update", "bank"})
#: What an archive may contain besides lists of hosts.
_OTHER_FILES = frozenset(
    {"urls", "expressions", "very_restrictive_expression", "usage", "global_usage", "readme", "license", "cc-by-sa"}
)

#: What reading a damaged archive raises.
_DAMAGES = (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError)
_BLOCK = 512


class BadArchive(ValueError):
    """Not an archive of lists, or one that is damaged or too large; `why` is a stable code, `member` the file concerned."""

    def __init__(self, reason: str, member: str = "") -> None:
        super().__init__(reason)
        self.why, self.member = reason, member


class _UnpackedArchive:
    """The tar archive in a file that may be compressed. Of a file it has `read` alone, which is what `tarfile` calls.

    `tarfile` unpacks by itself too, but then takes the end of a file that was cut off for the end of the archive.
    """

    def __init__(self, file: IO[bytes]) -> None:
        start = file.read(6)
        file.seek(0)
        self._stream: IO[bytes] | gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile = file
        if start.startswith(b"\x1f\x8b"):
            self._stream = gzip.GzipFile(fileobj=file)
        elif start.startswith(b"BZh"):
            self._stream = bz2.BZ2File(file)
        elif start.startswith((b"\xfd7zXZ\x00", b"\x5d\x00\x00")):
            self._stream = lzma.LZMAFile(file)  # noqa: SIM115 - whoever gave the file closes it
        self._end = b""

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._end = (self._end + data)[-_BLOCK:]
        return data

    def read_to_end(self) -> bool:
        """Read what comes behind the last file, which also checks the sum of a compressed one. Returns whether the end mark is there."""
        while self.read(2**20):
            pass
        return self._end == bytes(_BLOCK)


@dataclass(slots=True)
class CategoryFile:
    """One file of a category as it is read. `hosts` must be consumed before the next one is asked for."""

    category: str
    white: bool
    hosts: Iterable[str]


@dataclass(slots=True)
class ListArchive:
    """An archive that is read once. `skipped`: names of files that look like lists and were not read, such as archives in the archive."""

    file: IO[bytes]
    skipped: list[str] = field(default_factory=list)
    _folder_by_category: dict[str, str] = field(default_factory=dict)
    _unpacked: int = 0

    def read(self) -> Iterator[CategoryFile]:
        """Yield the host lists, one file after the other, those compressed with gzip included. Raises `BadArchive`, at the end also for an
        archive that was cut off: what is lost would count as taken from the lists.

        An alias is the category that it stands for; links, and a second folder of one category, are not counted twice.
        """
        member_name = ""
        unpacked = _UnpackedArchive(self.file)
        try:
            with tarfile.open(fileobj=cast("IO[bytes]", unpacked), mode="r|") as archive:
                for number, member in enumerate(archive):
                    member_name = member.name[:200]
                    if number >= MAX_MEMBERS:
                        raise BadArchive("too_large")
                    category = self._find_category(member)
                    content = archive.extractfile(member) if category else None
                    if content is None or category is None:
                        continue
                    stream = gzip.GzipFile(fileobj=content) if member.name.endswith(".gz") else content
                    yield CategoryFile(category, category in WHITE, self._read_hosts(stream, member_name))
            is_complete = unpacked.read_to_end()
        except _DAMAGES as error:
            raise BadArchive("damaged_member" if member_name else "unreadable", member_name) from error
        if not is_complete:
            raise BadArchive("damaged_member" if member_name else "unreadable", member_name)
        if not self._folder_by_category:
            raise BadArchive("no_lists")

    def _find_category(self, member: tarfile.TarInfo) -> str | None:
        """Return the category of a list of hosts: `domains`, in one piece or split into `domains.0`, `.1`…; None for other files."""
        path = PurePosixPath(member.name)
        if not member.isreg() or ".." in path.parts:
            return None
        stem, *parts = path.name.lower().removesuffix(".gz").split(".")
        folder = path.parts[-2].lower() if len(path.parts) > 1 else ""
        is_named = 0 < len(folder) <= 64 and folder.replace("-", "").replace("_", "").isalnum()
        if stem != "domains" or not all(part.isdigit() for part in parts) or not is_named:
            if stem not in _OTHER_FILES and len(self.skipped) < MAX_SKIPPED:
                self.skipped.append(member.name[:200])
            return None
        category = ALIASES.get(folder, folder)
        if self._folder_by_category.setdefault(category, folder) != folder:
            return None
        if len(self._folder_by_category) > MAX_CATEGORIES:
            raise BadArchive("too_many_categories")
        return category

    def _read_hosts(self, lines: IO[bytes] | gzip.GzipFile, member_name: str) -> Iterator[str]:
        try:
            for count in range(MAX_LINES + 1):
                line = lines.readline(MAX_LINE + 1)
                if not line:
                    return
                self._unpacked += len(line)
                if count == MAX_LINES or len(line) > MAX_LINE or self._unpacked > MAX_UNPACKED:
                    raise BadArchive("too_large", member_name)
                host = clean_host(_decode_host(line))
                if host is not None:
                    yield host
        except _DAMAGES as error:
            raise BadArchive("damaged_member", member_name) from error


def _decode_host(line: bytes) -> str:
    """Return a line as text; empty for what is no text."""
    try:
        return line.decode("utf-8").strip().lstrip("\ufeff")
    except UnicodeError:
        return ""
