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
    value = reader.read_item(MAX_DEPTH)
    if reader.place != len(data):
        raise NotCbor("bytes after the end")
    return value


class _Reader:
    """A position in the bytes, and how many items may still follow."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.place = 0
        self.left = MAX_ITEMS

    def read_item(self, depth: int) -> Value:
        self.left -= 1
        if depth == 0 or self.left < 0:
            raise NotCbor("too deep or too many")
        initial = self.read_bytes(1)[0]
        major, short = initial >> 5, initial & 0x1F
        if major == 7:
            if short not in _SIMPLE:
                raise NotCbor("a float or an unknown simple value")
            return _SIMPLE[short]
        if major == 6:
            raise NotCbor("a tag")
        size = self.read_argument(short)
        if major < 2:
            return size if major == 0 else -1 - size
        if major < 4:
            return self.read_bytes(size) if major == 2 else self.read_text(size)
        if size > self.left:
            raise NotCbor("too many")
        return self.read_list(size, depth - 1) if major == 4 else self.read_map(size, depth - 1)

    def read_argument(self, short: int) -> int:
        if short < 24:
            return short
        if short > 27:
            raise NotCbor("an indefinite length")
        return int.from_bytes(self.read_bytes(1 << (short - 24)), "big")

    def read_bytes(self, size: int) -> bytes:
        if size > len(self.data) - self.place:
            raise NotCbor("cut off")
        self.place += size
        return self.data[self.place - size : self.place]

    def read_text(self, size: int) -> str:
        try:
            return self.read_bytes(size).decode()
        except UnicodeDecodeError as error:
            raise NotCbor("text that is no UTF-8") from error

    def read_list(self, size: int, depth: int) -> list[Value]:
        return [self.read_item(depth) for _ in range(size)]

    def read_map(self, size: int, depth: int) -> dict[int | str, Value]:
        decoded: dict[int | str, Value] = {}
        for _ in range(size):
            key = self.read_item(depth)
            if isinstance(key, bool) or not isinstance(key, int | str) or key in decoded:
                raise NotCbor("a key twice, or of another kind")
            decoded[key] = self.read_item(depth)
        return decoded
