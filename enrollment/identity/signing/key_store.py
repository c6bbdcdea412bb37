"""The files of `cartable signer`: the device CA's key, sealed with a key file that only the signer reads."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import Base64Bytes, BaseModel

from cartable.certificates import read_certificate
from cartable.crypto import DecryptionError, Keyring
from cartable.private_files import write_secret

_PURPOSE = "signer.private_key"


class UnusableKeyStore(Exception):
    """The files are missing or damaged; the message is for the person at the terminal."""


class _StoredAuthority(BaseModel):
    certificate: Base64Bytes
    sealed_key: Base64Bytes


class _StoredAuthorities(BaseModel):
    #: The issuing one first; the keys of the others are kept, and not used.
    authorities: list[_StoredAuthority]


@dataclass(frozen=True, slots=True)
class AuthorityKey:
    """The certificate of a device CA (DER) and its private key (PKCS #8, DER)."""

    certificate: bytes
    private_key: bytes


def get_authorities_file(key_file: Path) -> Path:
    """Return the file of the sealed keys, beside the key file."""
    return key_file.with_name(f"{key_file.name}.authorities")


def get_log_file(key_file: Path) -> Path:
    """Return the file of what was signed, beside the key file."""
    return key_file.with_name(f"{key_file.name}.log")


def write_keys(key_file: Path, authorities: list[AuthorityKey]) -> None:
    """Seal the keys, the issuing one first, with the key file, which is made if there is none. Raises `UnusableKeyStore`, `OSError`."""
    file = get_authorities_file(key_file)
    if file.exists():
        raise UnusableKeyStore(f"{file} exists already: move it away first if its keys are not needed")
    if not key_file.exists():
        write_secret(key_file, secrets.token_bytes(32))
    keyring = _load_keyring(key_file)
    stored = _StoredAuthorities(
        authorities=[
            _StoredAuthority.model_construct(certificate=each.certificate, sealed_key=keyring.seal(each.private_key, _PURPOSE))
            for each in authorities
        ]
    )
    write_secret(file, stored.model_dump_json().encode())


def load_issuing_key(key_file: Path) -> tuple[x509.Certificate, rsa.RSAPrivateKey]:
    """Return certificate and key of the issuing CA. Raises `UnusableKeyStore`."""
    file = get_authorities_file(key_file)
    try:
        [issuing, *_] = _StoredAuthorities.model_validate_json(file.read_bytes()).authorities
        key = serialization.load_der_private_key(_load_keyring(key_file).open(issuing.sealed_key, _PURPOSE), password=None)
        certificate = read_certificate(issuing.certificate)
    except OSError as error:
        raise UnusableKeyStore(f"{error.filename} cannot be read ({error.strerror})") from error
    except (ValueError, DecryptionError) as error:
        raise UnusableKeyStore(f"{file} is damaged, or {key_file} is not its key") from error
    if not isinstance(key, rsa.RSAPrivateKey) or key.public_key() != certificate.public_key():
        raise UnusableKeyStore(f"{file}: key and certificate do not belong together")
    return certificate, key


def _load_keyring(key_file: Path) -> Keyring:
    if key_file.stat().st_mode & 0o077:
        raise UnusableKeyStore(f"{key_file} may be read by others: chmod 600")
    return Keyring(key_file.read_bytes())
