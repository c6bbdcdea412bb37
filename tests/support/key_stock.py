"""A stock of RSA keys for this process: making one takes longer than an enrollment, and no test is about making them."""

from __future__ import annotations

import itertools
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa

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
def _make_key(_number: int) -> rsa.RSAPrivateKey:
    return _generate(65537, 2048)
