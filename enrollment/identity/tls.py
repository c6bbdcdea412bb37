"""The server's TLS certificate: the configured files, or files from a TLS CA of the installation in the secrets folder.

The TLS CA is separate from the device CA: a CA that tablets trust for TLS cannot issue a tablet's identity.
"""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cartable.certificates import read_certificates_pem
from cartable.private_files import lock_folder, write_secret
from cartable.settings import Settings
from cartable.unit_of_work import UnitOfWork
from enrollment.identity.ca import BACKDATE, build_ca_certificate

#: Apple refuses server certificates with a lifetime over 825 days, and public ones over 398 days.
SERVER_LIFETIME = timedelta(days=397)
RENEW_BEFORE = timedelta(days=60)


def ensure_server_certificate(work: UnitOfWork, hostnames: list[str]) -> tuple[Path, Path]:
    """Return the chain file and the key file of a certificate for `hostnames`; issue or renew it when needed.

    With `CARTABLE_TLS_CERTIFICATE` set the configured files are returned unchanged.
    """
    settings = work.settings
    if settings.tls_certificate and settings.tls_key:
        return settings.tls_certificate, settings.tls_key
    chain, key_file = get_server_files(settings)
    if not _is_usable(work, chain, hostnames):
        with lock_folder(settings.secrets_dir):
            if not _is_usable(work, chain, hostnames):  # another process has not issued it meanwhile
                _issue_server_certificate(work, chain, key_file, hostnames)
    return chain, key_file


def needs_renewal(work: UnitOfWork, hostnames: list[str]) -> bool:
    """Return whether the certificate that this installation has made ends soon or lacks a name. Where it has made none: no."""
    settings = work.settings
    if not settings.serve_tls or settings.tls_certificate:
        return False
    chain, _ = get_server_files(settings)
    return chain.exists() and not _is_usable(work, chain, hostnames)


def _issue_server_certificate(work: UnitOfWork, chain: Path, key_file: Path, hostnames: list[str]) -> None:
    _create_missing_authority(work)
    authority, authority_key = _load_authority(work.settings)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    certificate = _build_server_certificate(work, authority, authority_key, key, hostnames)
    write_secret(key_file, encode_key(key))
    write_secret(chain, encode_certificate(certificate) + encode_certificate(authority))


def get_server_files(settings: Settings) -> tuple[Path, Path]:
    """Return the paths of the server's chain file and key file."""
    if settings.tls_certificate and settings.tls_key:
        return settings.tls_certificate, settings.tls_key
    return settings.secrets_dir / "tls.pem", settings.secrets_dir / "tls.key"


def get_own_fingerprint(settings: Settings) -> str | None:
    """Return the SHA-256 fingerprint of the certificate that this server made for itself, as browsers show it: `AB:CD:…`.

    None with a configured certificate, of which browsers are not expected to warn.
    """
    chain, _ = get_server_files(settings)
    if settings.tls_certificate or not chain.exists():
        return None
    return read_certificates_pem(chain.read_bytes())[0].fingerprint(SHA256()).hex(":").upper()


def read_tls_ca_certificate(settings: Settings) -> bytes | None:
    """Return the DER of the TLS CA that tablets must trust; None when the server certificate is a configured (public) one."""
    path = settings.secrets_dir / "tls-ca.pem"
    if settings.tls_certificate or not path.exists():
        return None
    return read_certificates_pem(path.read_bytes())[0].public_bytes(serialization.Encoding.DER)


@lru_cache(maxsize=4)
def _parse_authority(certificate_pem: bytes, key_pem: bytes) -> tuple[x509.Certificate, rsa.RSAPrivateKey]:
    [certificate] = read_certificates_pem(certificate_pem)
    key = serialization.load_pem_private_key(key_pem, password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError("the TLS CA has an RSA key")
    return certificate, key


def _is_usable(work: UnitOfWork, chain: Path, hostnames: list[str]) -> bool:
    if not chain.exists():
        return False
    certificate = read_certificates_pem(chain.read_bytes())[0]
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    covered = {str(value) for kind in (x509.DNSName, x509.IPAddress) for value in names.get_values_for_type(kind)}
    return set(hostnames) <= covered and certificate.not_valid_after_utc > work.now + RENEW_BEFORE


def ensure_tls_authority(work: UnitOfWork) -> tuple[x509.Certificate, rsa.RSAPrivateKey]:
    """Return certificate and key of the TLS CA in the secrets folder; create it if there is none."""
    if not _get_authority_files(work.settings)[0].exists():
        with lock_folder(work.settings.secrets_dir):
            _create_missing_authority(work)
    return _load_authority(work.settings)


def _get_authority_files(settings: Settings) -> tuple[Path, Path]:
    return settings.secrets_dir / "tls-ca.pem", settings.secrets_dir / "tls-ca.key"


def _load_authority(settings: Settings) -> tuple[x509.Certificate, rsa.RSAPrivateKey]:
    certificate_file, key_file = _get_authority_files(settings)
    return _parse_authority(certificate_file.read_bytes(), key_file.read_bytes())


def _create_missing_authority(work: UnitOfWork) -> None:
    """Create the TLS CA if there is none. The caller holds the lock of the folder: certificate and key are two files."""
    certificate_file, key_file = _get_authority_files(work.settings)
    if certificate_file.exists():
        return
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{work.settings.organisation[:40]} server CA")])
    write_secret(key_file, encode_key(key))
    write_secret(certificate_file, encode_certificate(build_ca_certificate(name, key, work.now)))


def _build_server_certificate(
    work: UnitOfWork, authority: x509.Certificate, authority_key: rsa.RSAPrivateKey, key: rsa.RSAPrivateKey, names: list[str]
) -> x509.Certificate:
    usage = dict.fromkeys(
        (
            "content_commitment",
            "data_encipherment",
            "key_agreement",
            "key_cert_sign",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    alternatives = [_build_general_name(name) for name in names or ["localhost"]]
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, (names or ["localhost"])[0][:64])]))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(work.now - BACKDATE)
        .not_valid_after(work.now + SERVER_LIFETIME)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=True, key_encipherment=True, **usage), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, SHA256())
    )


def _build_general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def encode_certificate(certificate: x509.Certificate) -> bytes:
    """Return a certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def encode_key(key: rsa.RSAPrivateKey) -> bytes:
    """Return a private key as PEM, not encrypted: the folder is private."""
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
