"""Requests for a push certificate, and the vendor's signature that Apple's portal asks for. Never commits.

See docs/domain/protocol.md#push-certificate.
"""

from __future__ import annotations

import base64
import plistlib
from collections.abc import Sequence
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from cartable import audit
from cartable.scope import Actor
from cartable.settings import Settings
from cartable.unit_of_work import UnitOfWork
from mdm.push.certificates import encode_key
from mdm.push.errors import BadPushCertificate, CertificateProblem, RequestNotFound
from mdm.push.models import PushCertificate
from mdm.push.repository import PushRepository

#: An operator who has Apple's right to sign lays chain and key here, in the folder of secrets.
VENDOR_CHAIN_FILE, VENDOR_KEY_FILE = "push-vendor.pem", "push-vendor.key"
_PEM = serialization.Encoding.PEM


def create_request(work: UnitOfWork, actor: Actor, email: str) -> PushCertificate:
    """Create a key with a certificate request (PEM) for the vendor to sign, and return them. The key never leaves the server.

    Only the operator may. Raises `Forbidden`, `ReauthenticationRequired`.
    """
    actor.require_operator()
    actor.require_reauthentication()
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, work.settings.organisation[:64]),
            x509.NameAttribute(NameOID.EMAIL_ADDRESS, email),
            x509.NameAttribute(NameOID.COUNTRY_NAME, "FR"),
        ]
    )
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, SHA256())
    row = PushCertificate(
        private_key=encode_key(key),
        request=request.public_bytes(_PEM).decode(),
        created_at=work.now,
        active=False,
        simulated=False,
    )
    work.session.add(row)
    work.session.flush()
    audit.record_event(work, actor, "push.request", "push_certificate", row.id, town_id=None)
    return row


def list_requests(work: UnitOfWork, actor: Actor) -> Sequence[PushCertificate]:
    """List the requests to which Apple has given no certificate yet, the newest first. Raises `Forbidden`."""
    actor.require_operator()
    return PushRepository(work.session).list_requests()


def load_request(work: UnitOfWork, actor: Actor, request_id: UUID) -> bytes:
    """Return a request as PEM. Raises `Forbidden`, `RequestNotFound`."""
    actor.require_operator()
    row = PushRepository(work.session).get_request(request_id)
    if row is None or row.request is None:
        raise RequestNotFound
    return row.request.encode()


def may_sign(settings: Settings) -> bool:
    """Return whether chain and key of an MDM vendor lie in the folder of secrets."""
    return all((settings.secrets_dir / name).is_file() for name in (VENDOR_CHAIN_FILE, VENDOR_KEY_FILE))


def sign_request(work: UnitOfWork, actor: Actor, request_id: UUID) -> bytes:
    """Return a request signed with the vendor's key of this server, as Apple's portal expects it.

    Raises `Forbidden`, `RequestNotFound` (also without a vendor's key here), `BadPushCertificate`.
    """
    request = load_request(work, actor, request_id)
    if not may_sign(work.settings):
        raise RequestNotFound
    folder = work.settings.secrets_dir
    audit.record_event(work, actor, "push.sign_as_vendor", "push_certificate", request_id, town_id=None)
    return sign_as_vendor(request, (folder / VENDOR_CHAIN_FILE).read_bytes(), (folder / VENDOR_KEY_FILE).read_bytes())


def sign_as_vendor(csr_pem: bytes, vendor_chain_pem: bytes, vendor_key_pem: bytes) -> bytes:
    """Return what Apple's push portal expects: the request signed by the MDM vendor, base64 of a plist. Raises `BadPushCertificate`."""
    try:
        csr = x509.load_pem_x509_csr(csr_pem).public_bytes(serialization.Encoding.DER)
    except ValueError as error:
        raise BadPushCertificate(CertificateProblem.UNREADABLE_REQUEST) from error
    try:
        key = serialization.load_pem_private_key(vendor_key_pem, password=None)
    except (ValueError, TypeError) as error:
        raise BadPushCertificate(CertificateProblem.VENDOR_KEY_NOT_RSA) from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise BadPushCertificate(CertificateProblem.VENDOR_KEY_NOT_RSA)
    signed = {
        "PushCertRequestCSR": base64.b64encode(csr).decode(),
        "PushCertCertificateChain": vendor_chain_pem.decode(),
        "PushCertSignature": base64.b64encode(key.sign(csr, padding.PKCS1v15(), SHA256())).decode(),
    }
    return base64.b64encode(plistlib.dumps(signed))
