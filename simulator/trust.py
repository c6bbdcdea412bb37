"""Which TLS servers a tablet believes: the built-in roots, or those that came with its enrolment profile."""

from __future__ import annotations

import ssl
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives import serialization


@lru_cache(maxsize=64)
def build_tls_context(roots: frozenset[bytes]) -> ssl.SSLContext:
    """A client context that trusts exactly these DER roots, or the machine's own when there are none.

    TLS 1.2 at least and strict chains, as App Transport Security asks (protocol.md section 2).
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
    """The certificates of a PEM file as DER. Raises `ValueError` when there is none."""
    found = x509.load_pem_x509_certificates(pem)
    return frozenset(one.public_bytes(serialization.Encoding.DER) for one in found)
