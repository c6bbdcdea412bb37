"""The key and the certificate of a tablet. `scep` and `acme` obtain the certificate."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import cycle
from typing import TypeAlias

from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from simulator import der

PrivateKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
KeySource: TypeAlias = Callable[[int], Awaitable[rsa.RSAPrivateKey]]


async def generate_key(bits: int) -> rsa.RSAPrivateKey:
    """Generate an RSA key in a thread, because it takes a tenth of a second."""
    return await asyncio.to_thread(rsa.generate_private_key, public_exponent=65537, key_size=bits)


class ReusedKeys:
    """Gives many tablets the same few keys, so that a load test measures the server and not the generation of keys."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._keys_by_size: dict[int, cycle[rsa.RSAPrivateKey]] = {}
        self._lock = asyncio.Lock()

    async def __call__(self, bits: int) -> rsa.RSAPrivateKey:
        async with self._lock:
            if bits not in self._keys_by_size:
                self._keys_by_size[bits] = cycle([await generate_key(bits) for _ in range(self._count)])
        return next(self._keys_by_size[bits])


@dataclass(frozen=True)
class Identity:
    """A private key and its certificate (DER)."""

    key: PrivateKey
    certificate_der: bytes

    @cached_property
    def certificate(self) -> x509.Certificate:
        return x509.load_der_x509_certificate(self.certificate_der)

    @cached_property
    def issuer_and_serial(self) -> bytes:
        """The DER IssuerAndSerialNumber (RFC 5652 section 10.2.4), with the issuer's bytes as in the certificate."""
        body = asn1_x509.Certificate.load(self.certificate_der)["tbs_certificate"]
        return der.encode_sequence(body["issuer"].dump(), body["serial_number"].dump())

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the certificate, as hexadecimal text."""
        return self.certificate.fingerprint(hashes.SHA256()).hex()

    def to_pem(self) -> str:
        """Return key and certificate as unencrypted PEM: the state file of a simulated fleet has no real secrets."""
        key = self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return (key + self.certificate.public_bytes(serialization.Encoding.PEM)).decode()

    @classmethod
    def from_pem(cls, text: str) -> Identity:
        key = serialization.load_pem_private_key(text.encode(), None)
        if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
            raise TypeError("a simulated tablet's key is RSA or elliptic")
        certificate = x509.load_pem_x509_certificate(text[text.index("-----BEGIN CERTIFICATE") :].encode())
        return cls(key, certificate.public_bytes(serialization.Encoding.DER))
