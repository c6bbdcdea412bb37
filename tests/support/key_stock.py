"""A stock of RSA keys for the session: making one takes longer than an enrollment, and no test is about making them."""

from __future__ import annotations

import itertools
import os
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support.databases import POSTGRES_FOLDER_VARIABLE

#: More than one test uses, so that the keys of one test differ.
STOCK = 40
_generate = rsa.generate_private_key
_numbers = itertools.count()


def use_key_stock() -> None:
    """Let this process give an RSA key of 2048 bits again after `STOCK` others."""
    rsa.generate_private_key = _take_key


def _take_key(public_exponent: int, key_size: int, backend: Any = None) -> rsa.RSAPrivateKey:
    if (public_exponent, key_size) != (65537, 2048):
        return _generate(public_exponent, key_size)
    return _make_key(next(_numbers) % STOCK)


@cache
def _make_key(number: int) -> rsa.RSAPrivateKey:
    """Return a key that this process or another one of the session has made."""
    file = Path(os.environ[POSTGRES_FOLDER_VARIABLE]) / f"test-key-{number}.der"
    if file.exists():
        key = serialization.load_der_private_key(file.read_bytes(), None, unsafe_skip_rsa_key_validation=True)
        assert isinstance(key, rsa.RSAPrivateKey)
        return key
    key = _generate(65537, 2048)
    der = key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    unfinished = file.with_suffix(f".{os.getpid()}")
    unfinished.write_bytes(der)
    unfinished.rename(file)
    return key
