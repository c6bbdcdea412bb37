"""TLS trust of a tablet: builds contexts that trust given roots, or the machine's own."""

from __future__ import annotations

import ssl
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives import serialization


@lru_cache(maxsize=64)
def build_tls_context(roots: frozenset[bytes]) -> ssl.SSLContext:
    """Return a client context that trusts exactly these DER roots, or the machine's roots when there are none. Tablets share it."""
    return create_tls_context(roots)


def create_tls_context(roots: frozenset[bytes]) -> ssl.SSLContext:
    """Return such a context of its own, for a client that changes it.

    It requires TLS 1.2 and strict certificate chains, as App Transport Security does.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    if roots:
        context.load_verify_locations(cadata=b"".join(sorted(roots)))
    else:
        context.load_default_certs()
    return context


def parse_pem_roots(pem: bytes) -> frozenset[bytes]:
    """Return the certificates of a PEM file as DER. Raises `ValueError` when there is none."""
    certificates = x509.load_pem_x509_certificates(pem)
    return frozenset(certificate.public_bytes(serialization.Encoding.DER) for certificate in certificates)
