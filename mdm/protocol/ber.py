"""A bounded reader of BER (X.690), just enough for one CMS structure: definite and indefinite lengths. No writing."""

from __future__ import annotations

from collections.abc import Iterator

from mdm.protocol.errors import BadSignature

SEQUENCE, SET, INTEGER, OCTETS, OID = 0x30, 0x31, 0x02, 0x04, 0x06
OCTETS_CONSTRUCTED = 0x24
CONTEXT_0, CONTEXT_1 = 0xA0, 0xA1
CONTEXT_0_PRIMITIVE = 0x80
MAX_DEPTH = 24


class Element:
    """One element: its tag, and where it and its content lie in the bytes."""

    __slots__ = ("content_end", "content_start", "data", "end", "start", "tag")

    def __init__(self, data: bytes, tag: int, start: int, content_start: int, content_end: int, end: int) -> None:
        self.data = data
        self.tag = tag
        self.start = start
        self.content_start = content_start
        self.content_end = content_end
        self.end = end

    @property
    def content(self) -> bytes:
        return self.data[self.content_start : self.content_end]

    @property
    def encoded(self) -> bytes:
        """The element as received, header and all."""
        return self.data[self.start : self.end]

    def children(self) -> Iterator[Element]:
        """The elements inside."""
        at = self.content_start
        while at < self.content_end:
            child = read(self.data, at, self.content_end)
            yield child
            at = child.end

    def octets(self) -> bytes:
        """The value of an OCTET STRING, put together when it was sent in parts."""
        if self.tag & 0x20 == 0:
            return self.content
        return b"".join(part.octets() for part in self.children())


def read(data: bytes, at: int, limit: int, depth: int = 0) -> Element:
    """Read the element at `at`. Raises `BadSignature` when it does not fit within `limit`."""
    if depth > MAX_DEPTH:
        raise BadSignature("nested too deeply")
    if at + 2 > limit:
        raise BadSignature("truncated")
    tag, first = data[at], data[at + 1]
    if tag & 0x1F == 0x1F:
        raise BadSignature("long tags are not used in CMS")
    if first < 0x80:
        start, end = at + 2, at + 2 + first
    elif first == 0x80:
        return _indefinite(data, tag, at, limit, depth)
    else:
        count = first & 0x7F
        if count > 4 or at + 2 + count > limit:
            raise BadSignature("bad length")
        start = at + 2 + count
        end = start + int.from_bytes(data[at + 2 : start], "big")
    if end > limit:
        raise BadSignature("truncated")
    return Element(data, tag, at, start, end, end)


def _indefinite(data: bytes, tag: int, at: int, limit: int, depth: int) -> Element:
    """An element of indefinite length: its parts up to the end-of-contents mark (X.690 section 8.1.3.6)."""
    if tag & 0x20 == 0:
        raise BadSignature("a primitive element needs a length")
    inner = at + 2
    while True:
        if data[inner : inner + 2] == b"\0\0" and inner + 2 <= limit:
            return Element(data, tag, at, at + 2, inner, inner + 2)
        inner = read(data, inner, limit, depth + 1).end
