"""Encryption at rest and keyed hashes, with keys derived from master keys. Knows nothing about what it protects.

Values are sealed with a master key that can be rotated; keyed hashes use a key that never changes, because what they were made of is
not stored. See docs/adr/0043-the-master-key-is-rotated-while-serving.md.
"""

from __future__ import annotations

import hmac
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_VERSION = b"\x02"
_KEY_ID_BYTES = 4
#: Every value that the same key has sealed begins with so many bytes.
PREFIX_BYTES = len(_VERSION) + _KEY_ID_BYTES
_NONCE_BYTES = 12
_TAG_BYTES = 16
#: Seconds after which a process asks whether the keys were rotated.
RELOAD_SECONDS = 5.0


class DecryptionError(Exception):
    """The value was encrypted with another key or for another purpose, or was changed."""


@dataclass(frozen=True, slots=True)
class MasterKeys:
    """The keys of an installation: `current` seals, `previous` still opens during a rotation, `hashing` is for keyed hashes."""

    current: bytes
    previous: bytes | None = None
    hashing: bytes | None = None

    def __post_init__(self) -> None:
        if any(len(key) < 32 for key in (self.current, self.previous, self.hashing) if key is not None):
            raise ValueError("a master key has at least 32 bytes")


class Keyring:
    """Encrypts values and computes keyed hashes. Each purpose has its own key, derived by HKDF (RFC 5869).

    With `reload`, which returns the keys as they are now, a running process follows a rotation: it seals with the new key within
    `RELOAD_SECONDS`, and opens a value of an unknown key after asking at once.
    """

    def __init__(self, keys: MasterKeys | bytes, reload: Callable[[], MasterKeys] | None = None) -> None:
        self._keys = keys if isinstance(keys, MasterKeys) else MasterKeys(keys)
        self._reload = reload
        self._reloaded_at = time.monotonic()
        self._derived: dict[tuple[bytes, str], bytes] = {}

    @property
    def current_prefix(self) -> bytes:
        """Return the first bytes of every value that the current key has sealed."""
        return _VERSION + self._compute_id(self._keys.current)

    @property
    def previous_prefix(self) -> bytes | None:
        """Return the first bytes of the values of the previous key; None outside a rotation."""
        return _VERSION + self._compute_id(self._keys.previous) if self._keys.previous is not None else None

    def seal(self, plain: bytes, purpose: str) -> bytes:
        """Encrypt `plain` with AES-256-GCM and a random nonce; it can be decrypted only for the same purpose."""
        if self._reload is not None and time.monotonic() - self._reloaded_at > RELOAD_SECONDS:
            self.reload_keys()
        nonce, prefix = os.urandom(_NONCE_BYTES), self.current_prefix
        return prefix + nonce + AESGCM(self._derive(self._keys.current, "seal:" + purpose)).encrypt(nonce, plain, prefix)

    def open(self, sealed: bytes, purpose: str) -> bytes:
        """Decrypt a value that `seal` encrypted. Raises `DecryptionError`."""
        prefix = sealed[:PREFIX_BYTES]
        master = self._find_key(prefix)
        if master is None or len(sealed) < PREFIX_BYTES + _NONCE_BYTES + _TAG_BYTES:
            raise DecryptionError(purpose)
        nonce, body = sealed[PREFIX_BYTES : PREFIX_BYTES + _NONCE_BYTES], sealed[PREFIX_BYTES + _NONCE_BYTES :]
        try:
            return AESGCM(self._derive(master, "seal:" + purpose)).decrypt(nonce, body, prefix)
        except InvalidTag as error:
            raise DecryptionError(purpose) from error

    def keyed_hash(self, value: str | bytes, purpose: str) -> str:
        """Return a hexadecimal HMAC-SHA256 to look up `value` by. Nobody can guess the value without the key."""
        data = value.encode() if isinstance(value, str) else value
        return hmac.new(self._derive(self._keys.hashing or self._keys.current, "hash:" + purpose), data, sha256).hexdigest()

    def reload_keys(self) -> None:
        """Read the keys as they are now. Only for a keyring that was made with `reload`."""
        assert self._reload is not None
        self._keys, self._reloaded_at = self._reload(), time.monotonic()

    def _find_key(self, prefix: bytes) -> bytes | None:
        if prefix == self.current_prefix:
            return self._keys.current
        if prefix != self.previous_prefix and self._reload is not None:
            self.reload_keys()
        return {self.current_prefix: self._keys.current, self.previous_prefix: self._keys.previous}.get(prefix)

    def _compute_id(self, master: bytes) -> bytes:
        return self._derive(master, "key-id")[:_KEY_ID_BYTES]

    def _derive(self, master: bytes, purpose: str) -> bytes:
        key = self._derived.get((master, purpose))
        if key is None:
            hkdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"cartable:" + purpose.encode())
            key = self._derived[master, purpose] = hkdf.derive(master)
        return key
