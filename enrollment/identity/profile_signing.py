"""Signing configuration profiles: CMS SignedData with the plist inside (RFC 5652). Renders no profile.

Profiles have a key of their own: a TLS key may be elliptic, changes every few weeks, and is needed by no worker.
"""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7Options, PKCS7SignatureBuilder
from cryptography.x509.oid import NameOID

from cartable.certificates import read_certificates_pem
from cartable.private_files import lock_folder, write_secret
from cartable.settings import Settings
from cartable.unit_of_work import UnitOfWork
from enrollment.identity.ca import BACKDATE
from enrollment.identity.tls import encode_certificate, encode_key, ensure_tls_authority

#: A profile stays installed when its signer ends; the next one that is made has a new signer.
SIGNER_LIFETIME = timedelta(days=5 * 365)
RENEW_BEFORE = timedelta(days=60)
_Signer = tuple[x509.Certificate, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, list[x509.Certificate]]


def sign_profile(work: UnitOfWork, profile: bytes) -> bytes:
    """Return `profile` signed with the server's signing key, chain included (DER); unchanged if the operator switched signing off."""
    if not work.settings.sign_profiles:
        return profile
    certificate, key, chain = load_profile_signer(work)
    builder = PKCS7SignatureBuilder().set_data(profile).add_signer(certificate, key, SHA256())
    for above in chain:  # after data and signer: the builder loses certificates that were added before
        builder = builder.add_certificate(above)
    return builder.sign(Encoding.DER, [PKCS7Options.Binary, PKCS7Options.NoCapabilities])


def load_profile_signer(work: UnitOfWork) -> _Signer:
    """Return certificate, key and chain that sign profiles: the configured ones, else those of the secrets folder, made when needed."""
    settings = work.settings
    if settings.profile_certificate and settings.profile_key:
        return _load_signer(settings.profile_certificate, settings.profile_key)
    file = get_signer_file(settings)
    if not _is_usable(work, file):
        authority = ensure_tls_authority(work)
        with lock_folder(settings.secrets_dir):
            if not _is_usable(work, file):  # another process has not created it meanwhile
                _create_signer(work, file, *authority)
    return _load_signer(file, file)


def _is_usable(work: UnitOfWork, file: Path) -> bool:
    return file.exists() and _load_signer(file, file)[0].not_valid_after_utc >= work.now + RENEW_BEFORE


def get_signer_file(settings: Settings) -> Path:
    """Return the file with the chain and the key: one file, so that no process reads a key of another certificate."""
    return settings.secrets_dir / "profile-signer.pem"


def _load_signer(chain_file: Path, key_file: Path) -> _Signer:
    return _parse_signer(chain_file.read_bytes(), key_file.read_bytes())


@lru_cache(maxsize=4)
def _parse_signer(chain_pem: bytes, key_pem: bytes) -> _Signer:
    certificate, *chain = read_certificates_pem(chain_pem)
    key = load_pem_private_key(key_pem, password=None)
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise TypeError("profiles are signed with an RSA or an elliptic key")
    return certificate, key, chain


def _create_signer(work: UnitOfWork, file: Path, authority: x509.Certificate, authority_key: rsa.RSAPrivateKey) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    usage = dict.fromkeys(
        ("data_encipherment", "key_encipherment", "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
        False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{work.settings.organisation[:40]} profiles")]))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(work.now - BACKDATE)
        .not_valid_after(min(work.now + SIGNER_LIFETIME, authority.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=True, content_commitment=True, **usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, SHA256())
    )
    write_secret(file, encode_certificate(certificate) + encode_certificate(authority) + encode_key(key))
