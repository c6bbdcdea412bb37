"""Encodes ASN.1: DER, and the indefinite lengths of BER that genuine devices send. `cms` decodes."""

from __future__ import annotations

from collections.abc import Iterable

SEQUENCE = 0x30
SET = 0x31
CONTEXT_0 = 0xA0
CONTEXT_0_PRIMITIVE = 0x80
NULL = b"\x05\x00"
END_OF_CONTENTS = b"\x00\x00"


def encode_tlv(tag: int, *parts: bytes) -> bytes:
    """Encode an element with a definite length (X.690 section 8.1.3)."""
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def encode_indefinite(tag: int, *parts: bytes) -> bytes:
    """Encode a constructed element with an indefinite length (X.690 section 8.1.3.6)."""
    return bytes((tag, 0x80)) + b"".join(parts) + END_OF_CONTENTS


def encode_sequence(*parts: bytes) -> bytes:
    """Encode a SEQUENCE of elements that are already encoded."""
    return encode_tlv(SEQUENCE, *parts)


def encode_set_of(parts: Iterable[bytes], tag: int = SET) -> bytes:
    """Encode a SET OF, sorted as DER requires, of elements that are already encoded."""
    return encode_tlv(tag, *sorted(parts))


def encode_integer(value: int) -> bytes:
    """Encode a non-negative INTEGER."""
    return encode_tlv(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def encode_octet_string(value: bytes) -> bytes:
    """Encode an OCTET STRING."""
    return encode_tlv(0x04, value)


def encode_printable_string(value: str) -> bytes:
    """Encode a PrintableString, the type of SCEP's attributes."""
    return encode_tlv(0x13, value.encode("ascii"))


def encode_utc_time(value: str) -> bytes:
    """Encode a UTCTime; `value` is already YYMMDDHHMMSSZ."""
    return encode_tlv(0x17, value.encode("ascii"))


def encode_oid(dotted: str) -> bytes:
    """Encode an OBJECT IDENTIFIER."""
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    return encode_tlv(0x06, bytes((first * 40 + second,)), *(_encode_base128(arc) for arc in rest))


def _encode_base128(value: int) -> bytes:
    groups = [value & 0x7F]
    while value := value >> 7:
        groups.append(0x80 | value & 0x7F)
    return bytes(reversed(groups))


def encode_algorithm(dotted: str, parameters: bytes = NULL) -> bytes:
    """Encode an AlgorithmIdentifier."""
    return encode_sequence(encode_oid(dotted), parameters)
