"""The push certificate: request, vendor signature, import, refused imports, expiry warnings."""

from __future__ import annotations

import base64
import plistlib
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from cartable.clock import ManualClock
from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime
from mdm.push.certificates import get_active_topic, get_certificate_health, import_certificate
from mdm.push.errors import BadPushCertificate, PushTopicChanged
from mdm.push.requests import create_request, sign_as_vendor

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _certificate(public: object, topic: str, now: datetime, days: int = 365) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.USER_ID, topic), x509.NameAttribute(NameOID.COMMON_NAME, "APSP")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(public)  # type: ignore[arg-type]
    builder = builder.serial_number(5).not_valid_before(now - timedelta(days=400)).not_valid_after(now + timedelta(days=days))
    return builder.sign(KEY, SHA256()).public_bytes(Encoding.PEM)


def _topic() -> str:
    return f"com.apple.mgmt.External.{uuid4()}"


def test_request_vendor_signature_and_import(runtime: Runtime) -> None:
    topic = _topic()
    with runtime.open_unit_of_work() as work:
        csr_pem = str(create_request(work, SYSTEM, "dsi@ville.example").request).encode()
        csr = x509.load_pem_x509_csr(csr_pem)
        vendor_pem = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        signed = plistlib.loads(base64.b64decode(sign_as_vendor(csr_pem, b"chain", vendor_pem)))
        der = base64.b64decode(signed["PushCertRequestCSR"])
        assert der == csr.public_bytes(Encoding.DER)
        KEY.public_key().verify(base64.b64decode(signed["PushCertSignature"]), der, padding.PKCS1v15(), SHA256())
        import_certificate(work, SYSTEM, _certificate(csr.public_key(), topic, work.now))
        assert get_active_topic(work) == topic


def test_another_topic_is_refused_unless_forced(runtime: Runtime) -> None:
    """Failure table: with a push certificate of another topic no tablet can be pushed any more."""
    with runtime.open_unit_of_work() as work:
        pem = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        first, second = _topic(), _topic()
        import_certificate(work, SYSTEM, _certificate(KEY.public_key(), first, work.now), pem)
        with pytest.raises(PushTopicChanged):
            import_certificate(work, SYSTEM, _certificate(KEY.public_key(), second, work.now), pem)
        assert get_active_topic(work) == first
        import_certificate(work, SYSTEM, _certificate(KEY.public_key(), second, work.now), pem, force=True)
        assert get_active_topic(work) == second


def test_expired_foreign_and_keyless_certificates_are_refused(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        pem = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        for certificate, key in (
            (_certificate(KEY.public_key(), _topic(), work.now, days=-1), pem),
            (_certificate(KEY.public_key(), "com.example.app", work.now), pem),
            (_certificate(KEY.public_key(), _topic(), work.now), None),
            (b"garbage", pem),
        ):
            with pytest.raises(BadPushCertificate):
                import_certificate(work, SYSTEM, certificate, key)


def test_expiry_is_warned_of_60_30_14_and_7_days_ahead(runtime: Runtime, clock: ManualClock) -> None:
    with runtime.open_unit_of_work() as work:
        pem = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        import_certificate(work, SYSTEM, _certificate(KEY.public_key(), _topic(), work.now, days=70), pem)
    for days, warning in ((0, None), (15, 60), (30, 30), (15, 14), (5, 7)):
        clock.advance(timedelta(days=days, minutes=1))
        with runtime.open_unit_of_work() as work:
            assert get_certificate_health(work).warning == warning
