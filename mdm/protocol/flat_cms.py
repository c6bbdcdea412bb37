"""A fast reader of the signatures that iPads send: BER of indefinite length, detached, one certificate, no signed attributes.

Real ones differ only in lengths, so that their parts are found by position. It declines every other shape, which the reader of BER in
`mdm.protocol.cms` takes then. Where it does not decline, both read the same.
"""

from __future__ import annotations

from typing import NamedTuple

_SIGNED_DATA = bytes.fromhex("3080 0609 2a864886f70d010702 a080 3080 020101 31")
_DETACHED = bytes.fromhex("3080 0609 2a864886f70d010701 0000 a080 3082")
#: The end of the certificates, and the set of signers; version 1 of a signer, and IssuerAndSerialNumber; the three ends.
_SIGNERS = bytes.fromhex("0000 31")
_VERSION = bytes.fromhex("020101 30")
_END = bytes(6)


class FlatSignature(NamedTuple):
    """The parts of a signature. `identifier` is the content of its IssuerAndSerialNumber."""

    certificate: bytes
    identifier: bytes
    digest_oid: bytes
    algorithm_oid: bytes
    signature: bytes


def parse_flat_signature(data: bytes) -> FlatSignature | None:
    """Return the parts of a signature of the usual shape; None for any other."""
    try:
        return _parse(data)
    except IndexError:  # it ends too early
        return None


def _parse(data: bytes) -> FlatSignature | None:
    position = len(_SIGNED_DATA)
    if not data.startswith(_SIGNED_DATA) or data[position] > 0x7F:
        return None
    position += 1 + data[position]  # the digest algorithms, which nobody needs: the signer names its own
    if not data.startswith(_DETACHED, position):
        return None
    start = position + len(_DETACHED) - 2
    certificate_end = start + 4 + int.from_bytes(data[start + 2 : start + 4], "big")
    if not data.startswith(_SIGNERS, certificate_end):
        return None
    signer, end = _read_header(data, certificate_end + 2)
    if end == 0 or data[end:] != _END or data[signer] != 0x30:
        return None
    return _parse_signer(data, signer, end, data[start:certificate_end])


def _parse_signer(data: bytes, position: int, end: int, certificate: bytes) -> FlatSignature | None:
    """Return the parts, with those of the only SignerInfo, which takes all the bytes up to `end`."""
    version, signer_end = _read_header(data, position)
    if signer_end != end or not data.startswith(_VERSION, version):
        return None
    identifier_start, identifier_end = _read_header(data, version + 3)
    digest_oid, digest_end = _read_algorithm(data, identifier_end)
    algorithm_oid, algorithm_end = _read_algorithm(data, digest_end)
    signature_start, signature_end = _read_header(data, algorithm_end)
    if not (identifier_end and digest_end and algorithm_end) or data[algorithm_end] != 0x04 or signature_end != end:
        return None
    return FlatSignature(certificate, data[identifier_start:identifier_end], digest_oid, algorithm_oid, data[signature_start:end])


def _read_header(data: bytes, position: int) -> tuple[int, int]:
    """Return where the content of an element begins and ends; zeros when its length is not written in one of the usual ways."""
    length = data[position + 1]
    if length < 0x80:
        return position + 2, position + 2 + length
    if length == 0x81:
        return position + 3, position + 3 + data[position + 2]
    if length == 0x82:
        return position + 4, position + 4 + (data[position + 2] << 8) + data[position + 3]
    return 0, 0


def _read_algorithm(data: bytes, position: int) -> tuple[bytes, int]:
    """Return the identifier of an algorithm, and where its element ends; zero when it is not as usual."""
    length, oid_length = data[position + 1], data[position + 3]
    if data[position] != 0x30 or data[position + 2] != 0x06 or length > 0x7F or oid_length + 2 > length:
        return b"", 0
    return data[position + 4 : position + 4 + oid_length], position + 2 + length
