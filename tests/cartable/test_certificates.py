"""Damaged certificates raise one error, whatever is damaged."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from cartable.certificates import UnreadableCertificate, is_issued_by, list_extensions, read_certificate, read_certificates_pem


def _create_certificate() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tablet")])
    begin = datetime(2026, 9, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(77)
    builder = builder.not_valid_before(begin).not_valid_after(begin + timedelta(days=9))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("a.example")]), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


CERTIFICATE = _create_certificate()


def test_a_version_that_does_not_exist_is_unreadable() -> None:
    damaged = CERTIFICATE.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x01", 1)
    with pytest.raises(UnreadableCertificate, match="InvalidVersion"):
        read_certificate(damaged)


def test_a_pem_text_without_a_certificate_is_unreadable() -> None:
    with pytest.raises(UnreadableCertificate):
        read_certificates_pem(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")


@given(place=st.integers(0, len(CERTIFICATE) - 1), value=st.integers(0, 255))
def test_whatever_byte_is_changed_the_only_error_is_unreadable(place: int, value: int) -> None:
    damaged = CERTIFICATE[:place] + bytes([value]) + CERTIFICATE[place + 1 :]
    try:
        certificate = read_certificate(damaged)
        list_extensions(certificate)
    except UnreadableCertificate:
        return
    assert is_issued_by(certificate, read_certificate(CERTIFICATE)) == (damaged == CERTIFICATE)
