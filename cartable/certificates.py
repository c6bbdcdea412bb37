"""Certificates of others: read with one error, and checked against an issuer's key. Nothing of trust, dates and revocation.

`cryptography` raises errors that are no `ValueError` for some damaged certificates: whoever reads one goes through here.
"""

from __future__ import annotations

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm


class UnreadableCertificate(ValueError):
    """The bytes are no X.509 certificate that can be read."""


def read_certificate(der: bytes) -> x509.Certificate:
    """Return the certificate in `der`. Raises `UnreadableCertificate`."""
    try:
        return x509.load_der_x509_certificate(der)  # noqa: TID251 - its one place
    except (ValueError, TypeError, x509.InvalidVersion, UnsupportedAlgorithm) as error:
        raise UnreadableCertificate(type(error).__name__) from error


def read_certificates_pem(pem: bytes) -> list[x509.Certificate]:
    """Return every certificate of a PEM text, at least one. Raises `UnreadableCertificate`."""
    try:
        return x509.load_pem_x509_certificates(pem)  # noqa: TID251 - its one place
    except (ValueError, TypeError, x509.InvalidVersion, UnsupportedAlgorithm) as error:
        raise UnreadableCertificate(type(error).__name__) from error


def list_extensions(certificate: x509.Certificate) -> x509.Extensions:
    """Return the extensions of a certificate. Raises `UnreadableCertificate` when one is damaged or stands twice."""
    try:
        return certificate.extensions
    except (ValueError, TypeError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise UnreadableCertificate(type(error).__name__) from error


def is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Return whether the issuer's name stands in a certificate and its key signed it."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True
