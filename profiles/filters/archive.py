"""Reading an archive of lists in UT1's format: bounded, streamed, never unpacked to a disk. Pure of tables.

See docs/domain/filters.md#lists.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO

from profiles.filters.rules import clean_host

MAX_MEMBERS = 5000
MAX_LINES = 8_000_000
MAX_LINE = 512
MAX_UNPACKED = 2 * 2**30
MAX_CATEGORIES = 200


class BadArchive(ValueError):
    """Not an archive of lists, or one that would be too large; `why` is a stable word."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(slots=True)
class CategoryFile:
    """One file of a category as it is read. `hosts` must be consumed before the next one is asked for."""

    category: str
    white: bool
    hosts: Iterable[str]


def read(file: IO[bytes]) -> Iterator[CategoryFile]:
    """The host lists of an archive, one file after the other. Links are aliases and are not counted twice; paths outside a
    category folder are passed over. Raises `BadArchive`.
    """
    total, members, seen = 0, 0, set()
    try:
        with tarfile.open(fileobj=file, mode="r|*") as archive:
            for member in archive:
                members += 1
                total += member.size
                if members > MAX_MEMBERS or total > MAX_UNPACKED:
                    raise BadArchive("too_large")
                name = _find_category(member)
                content = archive.extractfile(member) if name else None
                if content is None or name is None:
                    continue
                seen.add(name)
                if len(seen) > MAX_CATEGORIES:
                    raise BadArchive("too_many_categories")
                yield CategoryFile(name, name in WHITE, _read_hosts(content))
    except (tarfile.TarError, EOFError, OSError) as error:
        raise BadArchive("unreadable") from error
    if not seen:
        raise BadArchive("no_lists")


#: Categories whose lists say what is good.
WHITE = frozenset({"child", "liste_blanche", "liste_bu", "educational_games", "sexual_education", "cleaning", "update", "bank"})


def _find_category(member: tarfile.TarInfo) -> str | None:
    """The category of a `domains` file (in one piece, or split into `domains.0`, `.1`…)."""
    path = PurePosixPath(member.name)
    if not member.isreg() or ".." in path.parts or len(path.parts) < 2:
        return None
    stem, _, part = path.name.partition(".")
    if stem != "domains" or (part and not part.isdigit()):
        return None
    name = path.parts[-2].lower()
    return name if 0 < len(name) <= 64 and name.replace("-", "").replace("_", "").isalnum() else None


def _read_hosts(lines: IO[bytes]) -> Iterator[str]:
    count = 0
    while line := lines.readline(MAX_LINE + 1):
        count += 1
        if count > MAX_LINES or len(line) > MAX_LINE:
            raise BadArchive("too_large")
        host = clean_host(line.decode("ascii", "ignore"))
        if host is not None:
            yield host
