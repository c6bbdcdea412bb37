"""Encryption at rest and keyed hashes, with keys derived from one master key. Knows nothing about what it protects."""

from __future__ import annotations

import hmac
import os
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_VERSION = b"\x01"
_NONCE_BYTES = 12


class DecryptionError(Exception):
    """The value was encrypted with another key or for another purpose, or was changed."""


class Keyring:
    """Encrypts values and computes keyed hashes. Each purpose has its own key, derived by HKDF (RFC 5869).

    `previous` are former master keys: they can decrypt old values, but encryption always uses `master`.
    """

    def __init__(self, master: bytes, previous: tuple[bytes, ...] = ()) -> None:
        if len(master) < 32 or any(len(key) < 32 for key in previous):
            raise ValueError("a master key has at least 32 bytes")
        self._masters = (master, *previous)
        self._derived: dict[tuple[int, str], bytes] = {}

    def _key(self, purpose: str, generation: int = 0) -> bytes:
        key = self._derived.get((generation, purpose))
        if key is None:
            hkdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"cartable:" + purpose.encode())
            key = self._derived[generation, purpose] = hkdf.derive(self._masters[generation])
        return key

    def seal(self, plain: bytes, purpose: str) -> bytes:
        """Encrypt `plain` with AES-256-GCM and a random nonce; it can be decrypted only for the same purpose."""
        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + nonce + AESGCM(self._key("seal:" + purpose)).encrypt(nonce, plain, _VERSION)

    def open(self, sealed: bytes, purpose: str) -> bytes:
        """Decrypt a value that `seal` encrypted. Raises `DecryptionError`."""
        if sealed[:1] != _VERSION or len(sealed) < 1 + _NONCE_BYTES + 16:
            raise DecryptionError(purpose)
        nonce, body = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        for generation in range(len(self._masters)):
            try:
                return AESGCM(self._key("seal:" + purpose, generation)).decrypt(nonce, body, _VERSION)
            except InvalidTag:
                continue
        raise DecryptionError(purpose)

    def keyed_hash(self, value: str | bytes, purpose: str) -> str:
        """Return a hexadecimal HMAC-SHA256 to look up `value` by. Nobody can guess the value without the key."""
        data = value.encode() if isinstance(value, str) else value
        return hmac.new(self._key("hash:" + purpose), data, sha256).hexdigest()
