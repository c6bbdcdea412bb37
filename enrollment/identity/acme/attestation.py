"""Apple's device attestations (WebAuthn attestation object, `fmt` = `apple`): parsing, and verifying the certificate chain.

Whether an attestation is sufficient, and of the right tablet, is decided in `rules`. The library's verifier is not used: it is
made for web servers and refuses what Apple's chain may contain (own critical extensions, no names).
See docs/domain/identity.md#attestation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cartable.certificates import UnreadableCertificate, is_issued_by, list_extensions, read_certificate, read_certificates_pem
from enrollment.identity import keys
from enrollment.identity.acme import cbor
from enrollment.identity.acme.errors import InvalidAttestation
from enrollment.identity.keys import DeviceKey

#: Object identifiers of the extensions that Apple writes into the leaf.
_APPLE = "1.2.840.113635.100.8."
SERIAL, UDID, OS_VERSION, SEP_VERSION, FRESHNESS = (_APPLE + part for part in ("9.1", "9.2", "10.1", "10.2", "11.1"))
MAX_CHAIN = 5
#: Tolerance between Apple's clock and ours: the leaf is issued seconds before it is sent.
SKEW = timedelta(minutes=10)
#: OCTET STRING, UTF8String, PrintableString, IA5String: a value may be wrapped in one of these, or not.
_WRAPPERS = frozenset({0x04, 0x0C, 0x13, 0x16})


@dataclass(frozen=True, slots=True)
class AttestedDevice:
    """What a verified attestation says about a device. Apple leaves out properties when it limits the rate of attestations."""

    key: DeviceKey
    is_fresh: bool
    serial: str | None
    udid: str | None
    os_version: str | None
    sep_version: str | None


def verify_attestation(attestation_object: bytes, token: str, roots: Sequence[x509.Certificate], now: datetime) -> AttestedDevice:
    """Return what an attestation object says after verifying that its chain ends at one of `roots`. `token`: of the challenge.

    Raises `InvalidAttestation` and nothing else.
    """
    leaf, *above = _parse_chain(attestation_object)
    try:
        _check_chain(leaf, above, roots, now)
        key = keys.load_public_key(leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
        extensions = {extension.oid.dotted_string: extension.value for extension in list_extensions(leaf)}
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InvalidAttestation(f"a certificate does not read: {type(error).__name__}") from error
    values = {oid: value.value for oid, value in extensions.items() if isinstance(value, x509.UnrecognizedExtension)}
    digest = sha256(token.encode()).digest()
    return AttestedDevice(
        key=key,
        is_fresh=digest in (values.get(FRESHNESS), _unwrap_der_string(values.get(FRESHNESS, b""))),
        serial=_get_text(values, SERIAL, 64),
        udid=_get_text(values, UDID, 64),
        os_version=_get_text(values, OS_VERSION, 24),
        sep_version=_get_text(values, SEP_VERSION, 24),
    )


@lru_cache(maxsize=4)
def _load_roots_file(path: Path, _changed: int) -> tuple[x509.Certificate, ...]:
    return tuple(read_certificates_pem(path.read_bytes()))


def load_roots(path: Path | None) -> tuple[x509.Certificate, ...]:
    """Return the roots that the operator trusts for attestations; none without a file. Raises `OSError`, `ValueError`."""
    return () if path is None else _load_roots_file(path, path.stat().st_mtime_ns)


def _parse_chain(data: bytes) -> list[x509.Certificate]:
    """Return the certificates of `attStmt.x5c`, the leaf first. Raises `InvalidAttestation`."""
    try:
        outer = cbor.loads(data)
    except cbor.NotCbor as error:
        raise InvalidAttestation(f"not CBOR: {error}") from error
    if not isinstance(outer, dict) or outer.get("fmt") != "apple":
        raise InvalidAttestation("not an attestation of format apple")
    statement = outer.get("attStmt")
    chain = statement.get("x5c") if isinstance(statement, dict) else None
    if not isinstance(chain, list) or not 1 <= len(chain) <= MAX_CHAIN:
        raise InvalidAttestation("x5c")
    certificates = []
    for der in chain:
        if not isinstance(der, bytes):
            raise InvalidAttestation("x5c")
        try:
            certificates.append(read_certificate(der))
        except UnreadableCertificate as error:
            raise InvalidAttestation("a certificate does not read") from error
    return certificates


def _check_chain(
    leaf: x509.Certificate, above: Sequence[x509.Certificate], roots: Sequence[x509.Certificate], now: datetime
) -> None:
    """Check signatures, dates and CA constraints from the leaf to a root (RFC 5280 section 6.1). Raises `InvalidAttestation`."""
    constraints = _get_basic_constraints(leaf)
    if constraints is not None and constraints.ca:
        raise InvalidAttestation("the leaf is a CA")
    current = leaf
    _check_dates(leaf, now)
    for below, issuer in enumerate([*above, None]):
        root = next((root for root in roots if is_issued_by(current, root)), None)
        if root is not None:
            _check_authority(root, below, now)
            return
        if issuer is None or not is_issued_by(current, issuer):
            break
        _check_authority(issuer, below, now)
        current = issuer
    raise InvalidAttestation("the chain ends at no trusted root")


def _check_authority(issuer: x509.Certificate, below: int, now: datetime) -> None:
    """Check that a certificate may issue others. `below`: number of CAs between it and the leaf."""
    _check_dates(issuer, now)
    constraints = _get_basic_constraints(issuer)
    if constraints is None or not constraints.ca:
        raise InvalidAttestation("an issuer is no CA")
    if constraints.path_length is not None and constraints.path_length < below:
        raise InvalidAttestation("the chain is longer than an issuer allows")
    usage = _get_key_usage(issuer)
    if usage is not None and not usage.key_cert_sign:
        raise InvalidAttestation("an issuer may not sign certificates")


def _check_dates(certificate: x509.Certificate, now: datetime) -> None:
    if not certificate.not_valid_before_utc - SKEW <= now <= certificate.not_valid_after_utc:
        raise InvalidAttestation("a certificate is not in its time")


def _get_basic_constraints(certificate: x509.Certificate) -> x509.BasicConstraints | None:
    try:
        return list_extensions(certificate).get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return None


def _get_key_usage(certificate: x509.Certificate) -> x509.KeyUsage | None:
    try:
        return list_extensions(certificate).get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return None


def _unwrap_der_string(value: bytes) -> bytes:
    """Return the content of a short DER string, or the value itself: no serial number or version begins with one of these bytes."""
    if len(value) > 2 and value[0] in _WRAPPERS and value[1] == len(value) - 2 < 0x80:
        return value[2:]
    return value


def _get_text(values: dict[str, bytes], oid: str, longest: int) -> str | None:
    """Return a printable value; None when it is missing or empty. Raises `InvalidAttestation`."""
    text = _unwrap_der_string(values.get(oid, b"")).decode("ascii", "replace").strip()
    if len(text) > longest or not (text.isascii() and text.isprintable()):
        raise InvalidAttestation(f"the value of {oid}")
    return text or None
