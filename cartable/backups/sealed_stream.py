"""A stream that is encrypted with a passphrase in pieces, so that neither writing nor reading needs it whole in memory.

The format: a line that names it, a line of JSON with the parameters of scrypt (RFC 7914), then pieces of AES-256-GCM, each after its
length. The nonce counts the pieces and marks the last one, so that none can be cut off, repeated or moved.
"""

from __future__ import annotations

import io
import json
import os
import struct
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

MAGIC = b"cartable-backup-1\n"
PIECE = 1 << 20
_TAG = 16
_HEADER_LIMIT = 4096
_SCRYPT = {"n": 1 << 15, "r": 8, "p": 1}


class NotReadable(ValueError):
    """The stream is none of ours, is damaged, was cut off, or the passphrase is wrong."""


class SealingWriter(io.RawIOBase):
    """Encrypts what is written to it. `close` writes the last piece, and leaves the file below open. `magic` names the kind of file."""

    def __init__(self, file: BinaryIO, passphrase: bytes, magic: bytes = MAGIC) -> None:
        super().__init__()
        self._file = file
        salt, self._prefix = os.urandom(16), os.urandom(7)
        header = json.dumps({"salt": salt.hex(), "nonce": self._prefix.hex(), **_SCRYPT}).encode() + b"\n"
        self._cipher = AESGCM(_derive_key(passphrase, salt, _SCRYPT))
        self._header = magic + header
        self._buffer = bytearray()
        self._count = 0
        file.write(self._header)

    def writable(self) -> bool:
        return True

    def write(self, data: bytes | bytearray | memoryview, /) -> int:  # type: ignore[override]
        self._buffer += data
        while len(self._buffer) > PIECE:
            self._write_piece(bytes(self._buffer[:PIECE]), is_last=False)
            del self._buffer[:PIECE]
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._write_piece(bytes(self._buffer), is_last=True)
        super().close()

    def _write_piece(self, plain: bytes, *, is_last: bool) -> None:
        sealed = self._cipher.encrypt(_build_nonce(self._prefix, self._count, is_last=is_last), plain, self._header)
        self._file.write(struct.pack(">I", len(sealed)) + sealed)
        self._count += 1


class OpeningReader(io.RawIOBase):
    """Decrypts a stream that `SealingWriter` wrote. Raises `NotReadable`, at the latest at its end."""

    def __init__(self, file: BinaryIO, passphrase: bytes, magic: bytes = MAGIC) -> None:
        super().__init__()
        self._file = file
        if file.read(len(magic)) != magic:
            raise NotReadable("this is no such archive of Cartable")
        header = file.readline(_HEADER_LIMIT)
        try:
            values = json.loads(header)
            self._prefix = bytes.fromhex(values["nonce"])
            if {name: values[name] for name in _SCRYPT} != _SCRYPT:
                raise NotReadable("this archive was written by another version")
            self._cipher = AESGCM(_derive_key(passphrase, bytes.fromhex(values["salt"]), _SCRYPT))
        except (ValueError, KeyError, TypeError) as error:
            raise NotReadable("the head of the archive is damaged") from error
        self._header = magic + header
        self._buffer = b""
        self._count = 0
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, target: bytearray | memoryview, /) -> int:  # type: ignore[override]
        if not self._buffer and not self._ended:
            self._buffer = self._read_piece()
        count = min(len(target), len(self._buffer))
        target[:count] = self._buffer[:count]
        self._buffer = self._buffer[count:]
        return count

    def _read_piece(self) -> bytes:
        head = self._file.read(4)
        length = struct.unpack(">I", head)[0] if len(head) == 4 else 0
        if not _TAG <= length <= PIECE + _TAG:
            raise NotReadable("the archive is damaged or was cut off")
        sealed = self._file.read(length)
        for is_last in (False, True):
            try:
                plain = self._cipher.decrypt(_build_nonce(self._prefix, self._count, is_last=is_last), sealed, self._header)
            except InvalidTag:
                continue
            self._count += 1
            self._ended = is_last
            return plain
        raise NotReadable("the passphrase is wrong, or the archive is damaged" if not self._count else "the archive is damaged")


def _derive_key(passphrase: bytes, salt: bytes, parameters: dict[str, int]) -> bytes:
    return Scrypt(salt=salt, length=32, **parameters).derive(passphrase)


def _build_nonce(prefix: bytes, count: int, *, is_last: bool) -> bytes:
    return prefix + struct.pack(">I", count) + bytes([is_last])
