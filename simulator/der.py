"""Writing ASN.1 by hand: DER, and the indefinite lengths of BER that genuine devices send. Reading is `cms`'s work."""

from __future__ import annotations

from collections.abc import Iterable

SEQUENCE = 0x30
SET = 0x31
CONTEXT_0 = 0xA0
CONTEXT_0_PRIMITIVE = 0x80
NULL = b"\x05\x00"
END_OF_CONTENTS = b"\x00\x00"


def tlv(tag: int, *parts: bytes) -> bytes:
    """One element with a definite length (X.690 section 8.1.3)."""
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def indefinite(tag: int, *parts: bytes) -> bytes:
    """One constructed element of indefinite length (X.690 section 8.1.3.6)."""
    return bytes((tag, 0x80)) + b"".join(parts) + END_OF_CONTENTS


def sequence(*parts: bytes) -> bytes:
    """A SEQUENCE of elements that are already encoded."""
    return tlv(SEQUENCE, *parts)


def set_of(parts: Iterable[bytes], tag: int = SET) -> bytes:
    """A SET OF in DER order."""
    return tlv(tag, *sorted(parts))


def integer(value: int) -> bytes:
    """A non-negative INTEGER."""
    return tlv(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def octets(value: bytes) -> bytes:
    """An OCTET STRING."""
    return tlv(0x04, value)


def printable(value: str) -> bytes:
    """A PrintableString; SCEP's attributes are made of them."""
    return tlv(0x13, value.encode("ascii"))


def utc_time(value: str) -> bytes:
    """`value` is already YYMMDDHHMMSSZ."""
    return tlv(0x17, value.encode("ascii"))


def oid(dotted: str) -> bytes:
    """An OBJECT IDENTIFIER."""
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    return tlv(0x06, bytes((first * 40 + second,)), *(_base128(arc) for arc in rest))


def _base128(value: int) -> bytes:
    groups = [value & 0x7F]
    while value := value >> 7:
        groups.append(0x80 | value & 0x7F)
    return bytes(reversed(groups))


def algorithm(dotted: str, parameters: bytes = NULL) -> bytes:
    """An AlgorithmIdentifier."""
    return sequence(oid(dotted), parameters)
