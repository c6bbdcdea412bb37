"""A decoder for the part of CBOR (RFC 8949) that attestation objects use: integers, bytes, text, lists, maps of definite length.

Tags, floats and indefinite lengths are refused, as in the canonical form of CTAP2. Depth and number of items are bounded.
"""

from __future__ import annotations

from typing import TypeAlias

#: A decoded value. The keys of a map are text or integers.
Value: TypeAlias = "int | bytes | str | bool | list[Value] | dict[int | str, Value] | None"

MAX_DEPTH = 6
MAX_ITEMS = 256
_SIMPLE: dict[int, bool | None] = {20: False, 21: True, 22: None}


class NotCbor(ValueError):
    """The bytes are not exactly one item of the supported part of CBOR."""


def loads(data: bytes) -> Value:
    """Return the value of exactly one encoded item. Raises `NotCbor` and nothing else."""
    reader = _Reader(data)
    value = reader.item(MAX_DEPTH)
    if reader.place != len(data):
        raise NotCbor("bytes after the end")
    return value


class _Reader:
    """A position in the bytes, and how many items may still follow."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.place = 0
        self.left = MAX_ITEMS

    def item(self, depth: int) -> Value:
        self.left -= 1
        if depth == 0 or self.left < 0:
            raise NotCbor("too deep or too many")
        initial = self.take(1)[0]
        major, short = initial >> 5, initial & 0x1F
        if major == 7:
            if short not in _SIMPLE:
                raise NotCbor("a float or an unknown simple value")
            return _SIMPLE[short]
        if major == 6:
            raise NotCbor("a tag")
        size = self.argument(short)
        if major < 2:
            return size if major == 0 else -1 - size
        if major < 4:
            return self.take(size) if major == 2 else self.text(size)
        if size > self.left:
            raise NotCbor("too many")
        return self.listing(size, depth - 1) if major == 4 else self.mapping(size, depth - 1)

    def argument(self, short: int) -> int:
        if short < 24:
            return short
        if short > 27:
            raise NotCbor("an indefinite length")
        return int.from_bytes(self.take(1 << (short - 24)), "big")

    def take(self, size: int) -> bytes:
        if size > len(self.data) - self.place:
            raise NotCbor("cut off")
        self.place += size
        return self.data[self.place - size : self.place]

    def text(self, size: int) -> str:
        try:
            return self.take(size).decode()
        except UnicodeDecodeError as error:
            raise NotCbor("text that is no UTF-8") from error

    def listing(self, size: int, depth: int) -> list[Value]:
        return [self.item(depth) for _ in range(size)]

    def mapping(self, size: int, depth: int) -> dict[int | str, Value]:
        decoded: dict[int | str, Value] = {}
        for _ in range(size):
            key = self.item(depth)
            if isinstance(key, bool) or not isinstance(key, int | str) or key in decoded:
                raise NotCbor("a key twice, or of another kind")
            decoded[key] = self.item(depth)
        return decoded
