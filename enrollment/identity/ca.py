"""The device CA: created once, or imported; its key is sealed in the database, or moved to `cartable signer`. `signing` uses the key.

See docs/domain/identity.md#certificate-authority.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from cartable import audit, locks
from cartable.certificates import read_certificate, read_certificates_pem
from cartable.scope import SYSTEM, Actor
from cartable.unit_of_work import UnitOfWork
from enrollment.identity.errors import InvalidAuthority
from enrollment.identity.models import CertificateAuthority
from enrollment.identity.repository import IdentityRepository

#: Long, because all tablets are lost when a certificate of the chain expires.
CA_LIFETIME = timedelta(days=20 * 365)
#: Certificates start this much earlier, for tablets whose clock is behind.
BACKDATE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Authority:
    """A device CA. Its private key is used by a `DeviceSigner` alone."""

    id: UUID
    certificate: x509.Certificate

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)


def ensure_authority(work: UnitOfWork) -> Authority:
    """Return the issuing CA; create one if there is none."""
    authority = get_issuing_authority(work)
    if authority is not None:
        return authority
    locks.lock_installation(work)
    authority = get_issuing_authority(work)  # another process of a new installation may have created it meanwhile
    if authority is not None:
        return authority
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, work.settings.organisation[:64]),
            x509.NameAttribute(NameOID.COMMON_NAME, "Cartable device CA"),
        ]
    )
    certificate = build_ca_certificate(name, key, work.now)
    return _store_authority(work, SYSTEM, certificate, key, "ca.create")


def build_ca_certificate(name: x509.Name, key: rsa.RSAPrivateKey, now: datetime) -> x509.Certificate:
    """Return a self-signed CA certificate. Its key also decrypts: SCEP clients encrypt their requests to it."""
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + CA_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                key_encipherment=True,
                key_cert_sign=True,
                crl_sign=True,
                content_commitment=False,
                data_encipherment=False,
                key_agreement=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, SHA256())
    )


def import_authority(work: UnitOfWork, actor: Actor, certificate_pem: bytes, key_pem: bytes) -> Authority:
    """Import a CA as the issuing one and return it; the former one stays trusted. Raises `InvalidAuthority`."""
    try:
        certificate = read_certificates_pem(certificate_pem)[0]
        key = serialization.load_pem_private_key(key_pem, password=None)
    except (ValueError, TypeError) as error:
        raise InvalidAuthority(why="unreadable PEM") from error
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < 2048:
        raise InvalidAuthority(why="SCEP needs an RSA key of 2048 bits or more")
    if certificate.public_key() != key.public_key():
        raise InvalidAuthority(why="the key does not belong to the certificate")
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value if certificate.extensions else None
    if constraints is None or not constraints.ca:
        raise InvalidAuthority(why="not a CA certificate")
    if certificate.not_valid_after_utc < work.now + timedelta(days=365):
        raise InvalidAuthority(why="it expires within a year")
    if any(row.private_key is None for row in IdentityRepository(work.session).list_own_authorities()):
        raise InvalidAuthority(why="the key of the present one is with `cartable signer`")
    IdentityRepository(work.session).stop_issuing()
    return _store_authority(work, actor, certificate, key, "ca.import")


def _store_authority(
    work: UnitOfWork, actor: Actor, certificate: x509.Certificate, key: rsa.RSAPrivateKey, action: str
) -> Authority:
    der_key = key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    row = CertificateAuthority(
        certificate=certificate.public_bytes(serialization.Encoding.DER),
        private_key=der_key,
        issuing=True,
        not_after=certificate.not_valid_after_utc,
        created_at=work.now,
    )
    work.session.add(row)
    work.session.flush()
    audit.record_event(work, actor, action, "certificate_authority", row.id, town_id=None)
    return _load_authority(row.id, row.certificate)


def get_issuing_authority(work: UnitOfWork) -> Authority | None:
    """Return the CA that signs new certificates, or None."""
    row = IdentityRepository(work.session).get_issuing_authority()
    return None if row is None else _load_authority(row.id, row.certificate)


def list_authorities(work: UnitOfWork) -> list[Authority]:
    """Return every trusted CA, the issuing one first."""
    return [_load_authority(row.id, row.certificate) for row in IdentityRepository(work.session).list_authorities()]


@lru_cache(maxsize=16)
def _load_authority(authority_id: UUID, certificate: bytes) -> Authority:
    return Authority(authority_id, read_certificate(certificate))
