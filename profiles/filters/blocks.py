"""Compressed blocks of sorted hosts, as imported lists are stored. Pure."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

BLOCK = 4096
#: Hosts that are sorted in memory at once; sorted lists of any length pass without it.
CHUNK = 200_000


@dataclass(frozen=True, slots=True)
class HostBlock:
    """Some thousand sorted hosts, compressed, with the first and the last of them."""

    first: bytes
    last: bytes
    body: bytes
    count: int


@dataclass(frozen=True, slots=True)
class CategoryContent:
    """What a category shall contain."""

    name: str
    white: bool
    hosts: int
    content_sha256: str


class ContentDigest:
    """The SHA-256 of the content of a list, fed with one compressed block after the other."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def add(self, body: bytes) -> None:
        self._digest.update(b"%d:" % len(body))
        self._digest.update(body)

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


def hash_blocks(blocks: Iterable[HostBlock]) -> str:
    """Return the SHA-256 of the content of a list, as it is stored."""
    digest = ContentDigest()
    for block in blocks:
        digest.add(block.body)
    return digest.hexdigest()


def build_blocks(hosts: Iterable[str]) -> Iterator[HostBlock]:
    """Yield blocks that do not overlap where the list is sorted, and hardly where it is not."""
    chunk: list[str] = []
    for host in hosts:
        chunk.append(host)
        if len(chunk) >= CHUNK:
            yield from _build_from_chunk(chunk)
            chunk = []
    if chunk:
        yield from _build_from_chunk(chunk)


def read_block(body: bytes) -> list[bytes]:
    """Return the hosts of a compressed block."""
    return zlib.decompress(body).split(b"\n")


def _build_from_chunk(chunk: list[str]) -> Iterator[HostBlock]:
    ordered = [host for host, _ in groupby(sorted(chunk, key=str.encode))]
    for start in range(0, len(ordered), BLOCK):
        block = ordered[start : start + BLOCK]
        yield HostBlock(block[0].encode(), block[-1].encode(), zlib.compress("\n".join(block).encode(), 6), len(block))
