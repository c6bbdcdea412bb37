"""A bounded BER reader (X.690), limited to what CMS structures need: definite and indefinite lengths. It encodes nothing."""

from __future__ import annotations

from collections.abc import Iterator

from mdm.protocol.errors import BadSignature

SEQUENCE, SET, INTEGER, OCTETS, OID = 0x30, 0x31, 0x02, 0x04, 0x06
OCTETS_CONSTRUCTED = 0x24
CONTEXT_0, CONTEXT_1 = 0xA0, 0xA1
CONTEXT_0_PRIMITIVE = 0x80
MAX_DEPTH = 24


class Element:
    """One BER element: its tag, and the positions of the element and of its content in `data`."""

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
        """The bytes of the element as received, with tag and length."""
        return self.data[self.start : self.end]

    def read_children(self) -> Iterator[Element]:
        """Yield the elements inside this one. Raises `BadSignature`."""
        position = self.content_start
        while position < self.content_end:
            child = read_element(self.data, position, self.content_end)
            yield child
            position = child.end

    def read_octets(self) -> bytes:
        """Return the value of an OCTET STRING; one that was sent in parts is joined."""
        if self.tag & 0x20 == 0:
            return self.content
        return b"".join(part.read_octets() for part in self.read_children())


def read_element(data: bytes, position: int, limit: int, depth: int = 0) -> Element:
    """Return the element at `position`. Raises `BadSignature` when it does not end before `limit`."""
    if depth > MAX_DEPTH:
        raise BadSignature("nested too deeply")
    if position + 2 > limit:
        raise BadSignature("truncated")
    tag, length_byte = data[position], data[position + 1]
    if tag & 0x1F == 0x1F:
        raise BadSignature("long tags are not used in CMS")
    if length_byte < 0x80:
        start, end = position + 2, position + 2 + length_byte
    elif length_byte == 0x80:
        return _read_indefinite(data, tag, position, limit, depth)
    else:
        length_size = length_byte & 0x7F
        if length_size > 4 or position + 2 + length_size > limit:
            raise BadSignature("bad length")
        start = position + 2 + length_size
        end = start + int.from_bytes(data[position + 2 : start], "big")
    if end > limit:
        raise BadSignature("truncated")
    return Element(data, tag, position, start, end, end)


def _read_indefinite(data: bytes, tag: int, position: int, limit: int, depth: int) -> Element:
    """Return an element of indefinite length, which ends at the end-of-contents mark (X.690 section 8.1.3.6)."""
    if tag & 0x20 == 0:
        raise BadSignature("a primitive element needs a length")
    child_start = position + 2
    while True:
        if data[child_start : child_start + 2] == b"\0\0" and child_start + 2 <= limit:
            return Element(data, tag, position, position + 2, child_start, child_start + 2)
        child_start = read_element(data, child_start, limit, depth + 1).end
