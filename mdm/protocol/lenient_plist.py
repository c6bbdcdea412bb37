"""Reads damaged property lists: drops what the format forbids, and leaves out single values that cannot be read.

Used only after the strict parser has refused the bytes, so it may be slow. Limits on size and number of values are in `plist`.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from xml.parsers.expat import ExpatError, ParserCreate


class Unreadable(ValueError):
    """Nothing useful can be read from the bytes."""


_ABSENT: Any = object()
_ELEMENTS = "plist|dict|array|key|string|integer|real|date|data|true|false"
#: What XML 1.0 forbids, also when it is written as a character reference.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_CHARACTER_REFERENCE = re.compile(r"&#(?:x([0-9a-fA-F]{1,8})|([0-9]{1,10}));")
_LONE_AMPERSAND = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|#[0-9]{1,10}|#x[0-9a-fA-F]{1,8});)")
_LONE_BRACKET = re.compile(rf"<(?!/?(?:{_ELEMENTS})(?:\s[^<>]*)?/?>|!--|!\[CDATA\[)")


def parse(data: bytes, max_depth: int) -> Any:
    """Return the root value of a damaged property list. Raises `Unreadable`."""
    if data[:8] == b"bplist00":
        root = _read_binary(data, max_depth)
    else:
        root = _XmlReader(max_depth).read(_repair_xml(data))
    if root is _ABSENT:
        raise Unreadable("no readable root")
    return root


#: What clients and proxies append to a body, and how much of it at most.
_APPENDED, _MAX_APPENDED = b"\r\n\t \0", 8


def _read_binary(data: bytes, max_depth: int) -> Any:
    """Return the root value. The trailer of a binary property list is found from its end, so appended bytes are tried without."""
    for appended in range(_MAX_APPENDED):
        try:
            return _BinaryReader(data[: len(data) - appended], max_depth).read_root()
        except Unreadable:
            if data[-1 - appended] not in _APPENDED:
                raise
    raise Unreadable("binary: bad trailer")


def decode(data: bytes) -> str:
    """Return the text of an XML document in UTF-8 or UTF-16. Bytes that are no text become U+FFFD."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", errors="replace")
    return data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", errors="replace")


def _repair_xml(data: bytes) -> str:
    """Return the document from its root element on, without what XML forbids.

    What stands before the root may declare an encoding or entities, and is dropped.
    """
    text = _FORBIDDEN.sub("", decode(data))
    text = text[max(0, text.find("<plist")) :]
    text = _CHARACTER_REFERENCE.sub(_keep_allowed_reference, text)
    return _LONE_BRACKET.sub("&lt;", _LONE_AMPERSAND.sub("&amp;", text))


def _keep_allowed_reference(match: re.Match[str]) -> str:
    code_point = int(match[1], 16) if match[1] else int(match[2])
    is_allowed = code_point <= 0x10FFFF and not _FORBIDDEN.match(chr(code_point))
    return match[0] if is_allowed else ""


class _XmlReader:
    """Builds values from the elements of a property list. A leaf that cannot be read is left out, with its key."""

    def __init__(self, max_depth: int) -> None:
        self._max_depth = max_depth
        self._containers: list[dict[str, Any] | list[Any]] = []
        self._keys: list[str | None] = []
        self._text: list[str] = []
        self._root: Any = _ABSENT

    def read(self, document: str) -> Any:
        parser = ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text.append
        try:
            parser.Parse(document.encode(), True)
        except ExpatError as error:
            if self._root is _ABSENT or self._containers:
                raise Unreadable(f"XML: {error}"[:80]) from error
            # The root is complete, and what follows it is no part of the message.
        return self._root

    def _start(self, name: str, _attributes: dict[str, str]) -> None:
        self._text.clear()
        if name not in ("dict", "array"):
            return
        if len(self._containers) >= self._max_depth:
            raise Unreadable("nested too deeply")
        container: dict[str, Any] | list[Any] = {} if name == "dict" else []
        self._add(container)
        self._containers.append(container)
        self._keys.append(None)

    def _end(self, name: str) -> None:
        text = "".join(self._text)
        self._text.clear()
        if name in ("dict", "array"):
            self._containers.pop()
            self._keys.pop()
        elif name == "key" and self._keys:
            self._keys[-1] = text
        elif name in _LEAF_READERS:
            self._add(_read_leaf(name, text))

    def _add(self, value: Any) -> None:
        if not self._containers:
            if self._root is _ABSENT:
                self._root = value
            return
        container = self._containers[-1]
        if isinstance(container, list):
            if value is not _ABSENT:
                container.append(value)
            return
        key, self._keys[-1] = self._keys[-1], None
        if key is not None and value is not _ABSENT:
            container[key] = value


def _read_leaf(name: str, text: str) -> Any:
    try:
        return _LEAF_READERS[name](text)
    except (ValueError, OverflowError, binascii.Error):
        return _ABSENT


def _read_integer(text: str) -> int:
    text = text.strip()
    if len(text) > 40:  # no 64-bit number is that long, and converting a long text is slow
        raise ValueError("too long")
    return int(text, 16) if text.lower().lstrip("+-").startswith("0x") else int(text)


def _read_date(text: str) -> datetime:
    return datetime.strptime(text.strip(), "%Y-%m-%dT%H:%M:%SZ")  # noqa: DTZ007  (like plistlib, which returns naive UTC)


_LEAF_READERS: dict[str, Callable[[str], Any]] = {
    "string": str,
    "integer": _read_integer,
    "real": float,
    "date": _read_date,
    "data": lambda text: base64.b64decode("".join(text.split()), validate=True),
    "true": lambda _text: True,
    "false": lambda _text: False,
}

_EPOCH = datetime(2001, 1, 1)  # noqa: DTZ001  (like plistlib, which returns naive UTC)


class _BinaryReader:
    """Reads a binary property list. An object that cannot be read is left out of the container that refers to it."""

    def __init__(self, data: bytes, max_depth: int) -> None:
        self._data = data
        self._max_depth = max_depth
        self._remaining = 1_000_000
        if len(data) < 40:
            raise Unreadable("binary: too short")
        self._offset_size, self._reference_size, count, self._top, self._table = struct.unpack(">6xBBQQQ", data[-32:])
        sizes_are_valid = 1 <= self._offset_size <= 8 and 1 <= self._reference_size <= 8
        if not sizes_are_valid or self._table + count * self._offset_size > len(data) - 32:
            raise Unreadable("binary: bad trailer")
        self._count = count

    def read_root(self) -> Any:
        return self._read_object(self._top, 0)

    def _read_object(self, number: int, depth: int) -> Any:
        self._remaining -= 1
        if depth > self._max_depth or self._remaining < 0:
            raise Unreadable("binary: too deep or too many values")
        if number >= self._count:
            return _ABSENT
        start = self._table + number * self._offset_size
        offset = int.from_bytes(self._data[start : start + self._offset_size])
        if offset >= len(self._data) - 32:
            return _ABSENT
        try:
            return self._read_at(offset, depth)
        except (ValueError, OverflowError, struct.error, IndexError) as error:
            if isinstance(error, Unreadable):
                raise
            return _ABSENT

    def _read_at(self, offset: int, depth: int) -> Any:  # noqa: PLR0911  (one return per kind of object)
        marker = self._data[offset]
        kind, low = marker & 0xF0, marker & 0x0F
        match kind:
            case 0x00:
                return {0x08: False, 0x09: True}.get(low, _ABSENT)
            case 0x10:
                return int.from_bytes(self._take(offset + 1, 1 << low), signed=low >= 3)
            case 0x20:
                return struct.unpack(">f" if low == 2 else ">d", self._take(offset + 1, 1 << low))[0]
            case 0x30:
                return _EPOCH + timedelta(seconds=struct.unpack(">d", self._take(offset + 1, 8))[0])
            case 0x40 | 0x50 | 0x60:
                length, start = self._read_length(offset, low)
                if kind == 0x60:
                    return self._take(start, 2 * length).decode("utf-16-be", errors="replace")
                raw = self._take(start, length)
                return raw if kind == 0x40 else raw.decode("utf-8", errors="replace")
            case 0xA0 | 0xC0:
                length, start = self._read_length(offset, low)
                values = [self._read_object(reference, depth + 1) for reference in self._read_references(start, length)]
                return [value for value in values if value is not _ABSENT]
            case 0xD0:
                return self._read_dictionary(offset, low, depth)
            case _:
                return _ABSENT

    def _read_dictionary(self, offset: int, low: int, depth: int) -> dict[str, Any]:
        length, start = self._read_length(offset, low)
        keys = self._read_references(start, length)
        values = self._read_references(start + length * self._reference_size, length)
        pairs = [
            (self._read_object(key, depth + 1), self._read_object(value, depth + 1))
            for key, value in zip(keys, values, strict=True)
        ]
        return {key: value for key, value in pairs if isinstance(key, str) and value is not _ABSENT}

    def _read_length(self, offset: int, low: int) -> tuple[int, int]:
        """Return the length of an object and where its content starts."""
        if low != 0x0F:
            return low, offset + 1
        size = 1 << (self._data[offset + 1] & 0x0F)
        return int.from_bytes(self._take(offset + 2, size)), offset + 2 + size

    def _read_references(self, start: int, length: int) -> list[int]:
        raw = self._take(start, length * self._reference_size)
        size = self._reference_size
        return [int.from_bytes(raw[i : i + size]) for i in range(0, len(raw), size)]

    def _take(self, start: int, length: int) -> bytes:
        part = self._data[start : start + length]
        if len(part) != length or length > len(self._data):
            raise ValueError("beyond the end")
        return part
