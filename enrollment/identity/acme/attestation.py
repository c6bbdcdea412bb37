"""Apple's device attestations (WebAuthn attestation object, `fmt` = `apple`): what one says, if its chain holds. Pure.

Whether what it says is enough, and of the right tablet, is asked in `rules`. The chain is walked here, not by the library's
verifier: that one is made for web servers and refuses what Apple may well do (critical extensions of its own, no names).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from enrollment.identity import keys
from enrollment.identity.acme import cbor
from enrollment.identity.acme.errors import BadAttestation
from enrollment.identity.keys import DeviceKey

#: scep-acme.md section 2: what Apple writes into the leaf.
_APPLE = "1.2.840.113635.100.8."
SERIAL, UDID, OS_VERSION, SEP_VERSION, FRESHNESS = (_APPLE + part for part in ("9.1", "9.2", "10.1", "10.2", "11.1"))
MAX_CHAIN = 5
#: Apple's clock and ours: a leaf is made seconds before it is shown.
SKEW = timedelta(minutes=10)
#: OCTET STRING, UTF8String, PrintableString, IA5String: a value may come wrapped in one, or bare.
_WRAPPERS = frozenset({0x04, 0x0C, 0x13, 0x16})


@dataclass(frozen=True, slots=True)
class Attested:
    """What a genuine attestation says. A device that Apple will not attest just now leaves out properties."""

    key: DeviceKey
    is_fresh: bool
    serial: str | None
    udid: str | None
    os_version: str | None
    sep_version: str | None


def read(attestation_object: bytes, token: str, roots: Sequence[x509.Certificate], now: datetime) -> Attested:
    """Read an attestation object and check that its chain ends at one of `roots`. `token` is the challenge's.

    Raises `BadAttestation` and nothing else.
    """
    leaf, *above = _chain(attestation_object)
    try:
        _check_chain(leaf, above, roots, now)
        key = keys.load(leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
        said = {extension.oid.dotted_string: extension.value for extension in leaf.extensions}
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension) as error:
        raise BadAttestation(f"a certificate does not read: {type(error).__name__}") from error
    values = {oid: value.value for oid, value in said.items() if isinstance(value, x509.UnrecognizedExtension)}
    digest = sha256(token.encode()).digest()
    return Attested(
        key=key,
        is_fresh=digest in (values.get(FRESHNESS), _unwrapped(values.get(FRESHNESS, b""))),
        serial=_text(values, SERIAL, 64),
        udid=_text(values, UDID, 64),
        os_version=_text(values, OS_VERSION, 24),
        sep_version=_text(values, SEP_VERSION, 24),
    )


@lru_cache(maxsize=4)
def _loaded(path: Path, _changed: int) -> tuple[x509.Certificate, ...]:
    return tuple(x509.load_pem_x509_certificates(path.read_bytes()))


def roots_in(path: Path | None) -> tuple[x509.Certificate, ...]:
    """The roots that the operator trusts for attestations; none without a file. Raises `OSError`, `ValueError`."""
    return () if path is None else _loaded(path, path.stat().st_mtime_ns)


def _chain(data: bytes) -> list[x509.Certificate]:
    """The certificates of `attStmt.x5c`, the leaf first."""
    try:
        outer = cbor.loads(data)
    except cbor.NotCbor as error:
        raise BadAttestation(f"not CBOR: {error}") from error
    if not isinstance(outer, dict) or outer.get("fmt") != "apple":
        raise BadAttestation("not an attestation of format apple")
    statement = outer.get("attStmt")
    chain = statement.get("x5c") if isinstance(statement, dict) else None
    if not isinstance(chain, list) or not 1 <= len(chain) <= MAX_CHAIN:
        raise BadAttestation("x5c")
    made = []
    for der in chain:
        if not isinstance(der, bytes):
            raise BadAttestation("x5c")
        try:
            made.append(x509.load_der_x509_certificate(der))
        except ValueError as error:
            raise BadAttestation("a certificate does not read") from error
    return made


def _check_chain(
    leaf: x509.Certificate, above: Sequence[x509.Certificate], roots: Sequence[x509.Certificate], now: datetime
) -> None:
    """Walk from the leaf to a root (RFC 5280 section 6.1, as far as it applies): signatures, dates, who may be a CA."""
    constraints = _constraints(leaf)
    if constraints is not None and constraints.ca:
        raise BadAttestation("the leaf is a CA")
    present = leaf
    _check_dates(leaf, now)
    for below, issuer in enumerate([*above, None]):
        root = next((each for each in roots if _issued(present, each)), None)
        if root is not None:
            _check_authority(root, below, now)
            return
        if issuer is None or not _issued(present, issuer):
            break
        _check_authority(issuer, below, now)
        present = issuer
    raise BadAttestation("the chain ends at no trusted root")


def _check_authority(issuer: x509.Certificate, below: int, now: datetime) -> None:
    """`below`: how many CAs stand between it and the leaf."""
    _check_dates(issuer, now)
    constraints = _constraints(issuer)
    if constraints is None or not constraints.ca:
        raise BadAttestation("an issuer is no CA")
    if constraints.path_length is not None and constraints.path_length < below:
        raise BadAttestation("the chain is longer than an issuer allows")
    usage = _usage(issuer)
    if usage is not None and not usage.key_cert_sign:
        raise BadAttestation("an issuer may not sign certificates")


def _check_dates(certificate: x509.Certificate, now: datetime) -> None:
    if not certificate.not_valid_before_utc - SKEW <= now <= certificate.not_valid_after_utc:
        raise BadAttestation("a certificate is not in its time")


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _constraints(certificate: x509.Certificate) -> x509.BasicConstraints | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return None


def _usage(certificate: x509.Certificate) -> x509.KeyUsage | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return None


def _unwrapped(value: bytes) -> bytes:
    """The inside of a short DER string, or the value itself. No serial number or version begins with one of these bytes."""
    if len(value) > 2 and value[0] in _WRAPPERS and value[1] == len(value) - 2 < 0x80:
        return value[2:]
    return value


def _text(values: dict[str, bytes], oid: str, longest: int) -> str | None:
    """A printable value; none when it is missing or empty."""
    text = _unwrapped(values.get(oid, b"")).decode("ascii", "replace").strip()
    if len(text) > longest or not (text.isascii() and text.isprintable()):
        raise BadAttestation(f"the value of {oid}")
    return text or None
