"""Constant databases in D. J. Bernstein's format (cr.yp.to/cdb), which dnsdist reads: written once, never changed. Knows no names."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterable
from pathlib import Path

from cartable.private_files import open_private

_PAIR = struct.Struct("<LL")
_HEADER = 256 * _PAIR.size
_MAX_BYTES = 2**32 - 1
_FLUSH = 2**20


class TooLarge(ValueError):
    """The records do not fit into a constant database: its positions have 32 bits."""


def write_cdb(path: Path, records: Iterable[tuple[bytes, bytes]]) -> int:
    """Write a database and return how many records it has. `path` is only there when it is complete. Raises `TooLarge`.

    Memory: 8 bytes for each record.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        count = _write(partial, records)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return count


def _write(path: Path, records: Iterable[tuple[bytes, bytes]]) -> int:
    hashes = [array("L" if array("I").itemsize != 4 else "I") for _ in range(256)]
    positions = [array(hashes[0].typecode) for _ in range(256)]
    position, pending, pack = _HEADER, bytearray(), _PAIR.pack
    with open_private(path, "wb") as file:
        file.write(bytes(_HEADER))
        for key, value in records:
            number = _hash_key(key)
            hashes[number & 255].append(number)
            positions[number & 255].append(position)
            pending += pack(len(key), len(value)) + key + value
            position += _PAIR.size + len(key) + len(value)
            if len(pending) > _FLUSH:
                _check_size(position)
                file.write(pending)
                pending.clear()
        count = sum(map(len, hashes))
        _check_size(position + 2 * count * _PAIR.size)
        file.write(pending)
        header = bytearray()
        for table_hashes, table_positions in zip(hashes, positions, strict=True):
            slots = 2 * len(table_hashes)
            header += pack(position, slots)
            file.write(_build_table(table_hashes, table_positions, slots))
            position += slots * _PAIR.size
        file.seek(0)
        file.write(header)
    return count


def _check_size(size: int) -> None:
    if size > _MAX_BYTES:
        raise TooLarge(f"{size} bytes")


def _hash_key(key: bytes) -> int:
    number = 5381
    for byte in key:
        number = (number * 33 & 0xFFFFFFFF) ^ byte
    return number


def _build_table(hashes: array[int], positions: array[int], slots: int) -> bytes:
    """Return a hash table of open addressing, half full."""
    table = array(hashes.typecode, bytes(slots * _PAIR.size))
    for number, position in zip(hashes, positions, strict=True):
        slot = (number >> 8) % slots
        while table[2 * slot + 1]:
            slot = slot + 1 if slot + 1 < slots else 0
        table[2 * slot], table[2 * slot + 1] = number, position
    if struct.pack("=L", 1) != struct.pack("<L", 1):
        table.byteswap()
    return table.tobytes()


def read_value(content: bytes, key: bytes) -> bytes | None:
    """Return the value of a key in the bytes of a database, or None: what a test, or a check after writing, asks."""
    number = _hash_key(key)
    table, slots = _PAIR.unpack_from(content, (number & 255) * _PAIR.size)
    for step in range(slots):
        slot = ((number >> 8) + step) % slots
        found, position = _PAIR.unpack_from(content, table + slot * _PAIR.size)
        if not position:
            return None
        if found == number:
            key_length, length = _PAIR.unpack_from(content, position)
            start = position + _PAIR.size
            if content[start : start + key_length] == key:
                return content[start + key_length : start + key_length + length]
    return None
