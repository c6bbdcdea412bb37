"""A stand-in for Apple's attestation servers: a root, a CA below it, and attestation objects for keys of simulated tablets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID, ObjectIdentifier

from simulator.hardware import Hardware

_APPLE = "1.2.840.113635.100.8."
SERIAL, UDID, OS_VERSION, SEP_VERSION, FRESHNESS = (_APPLE + part for part in ("9.1", "9.2", "10.1", "10.2", "11.1"))
_DAY = timedelta(days=1)

CborValue = int | bytes | str | Sequence["CborValue"] | Mapping[str, "CborValue"]


def encode_cbor(value: CborValue) -> bytes:
    """Encode a value as CBOR (RFC 8949) with definite lengths."""
    match value:
        case int():
            return _encode_cbor_head(0, value)
        case bytes():
            return _encode_cbor_head(2, len(value)) + value
        case str():
            return _encode_cbor_head(3, len(value.encode())) + value.encode()
        case Mapping():
            return _encode_cbor_head(5, len(value)) + b"".join(
                encode_cbor(key) + encode_cbor(item) for key, item in value.items()
            )
        case _:
            return _encode_cbor_head(4, len(value)) + b"".join(map(encode_cbor, value))


def _encode_cbor_head(major: int, size: int) -> bytes:
    if size < 24:
        return bytes((major << 5 | size,))
    width = next(width for width in range(4) if size < 1 << (8 << width))
    return bytes((major << 5 | 24 + width,)) + size.to_bytes(1 << width, "big")


def build_attested_facts(hardware: Hardware, token: str) -> dict[str, bytes]:
    """Return the facts that an attestation states about a tablet that answers the challenge `token`."""
    return {
        SERIAL: hardware.serial.encode(),
        UDID: hardware.udid.encode(),
        OS_VERSION: hardware.os_version.encode(),
        SEP_VERSION: b"1.0.0",
        FRESHNESS: sha256(token.encode()).digest(),
    }


def build_attestation_object(chain: Sequence[bytes], fmt: str = "apple") -> bytes:
    """Build a WebAuthn attestation object from DER certificates, the leaf first."""
    return encode_cbor({"fmt": fmt, "attStmt": {"x5c": list(chain)}, "authData": b""})


@dataclass
class Attester:
    """Attests keys as Apple does. `root_pem` is the root that a server must trust."""

    valid_from: datetime = field(default_factory=lambda: datetime.now(UTC) - _DAY)
    root_key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP384R1()))
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP384R1()))

    def __post_init__(self) -> None:
        self.root = self.issue_certificate("Attestation Root CA", self.root_key, "Attestation Root CA", self.root_key, ca=True)
        self.ca = self.issue_certificate("Attestation CA", self.key, "Attestation Root CA", self.root_key, ca=True, path_length=0)

    @property
    def root_pem(self) -> bytes:
        return self.root.public_bytes(serialization.Encoding.PEM)

    def attest_key(self, key: ec.EllipticCurvePrivateKey, hardware: Hardware, token: str) -> bytes:
        """Build the attestation object of a genuine tablet."""
        return build_attestation_object(self.issue_chain(key, build_attested_facts(hardware, token)))

    def issue_chain(self, key: ec.EllipticCurvePrivateKey, facts: Mapping[str, bytes]) -> list[bytes]:
        """Issue the leaf certificate of a key; return it and the CA's as DER. The verifier already has the root."""
        leaf = self.issue_certificate("device", key, "Attestation CA", self.key, facts=facts)
        return [certificate.public_bytes(serialization.Encoding.DER) for certificate in (leaf, self.ca)]

    def issue_certificate(
        self,
        name: str,
        key: ec.EllipticCurvePrivateKey,
        issuer: str,
        signer: ec.EllipticCurvePrivateKey,
        *,
        ca: bool = False,
        path_length: int | None = None,
        facts: Mapping[str, bytes] | None = None,
        life: timedelta = 365 * _DAY,
    ) -> x509.Certificate:
        """Issue one certificate with these properties."""
        builder = x509.CertificateBuilder().subject_name(_name(name)).issuer_name(_name(issuer)).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(self.valid_from).not_valid_after(self.valid_from + life)
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=path_length), critical=True)
        for oid, value in (facts or {}).items():
            builder = builder.add_extension(x509.UnrecognizedExtension(ObjectIdentifier(oid), value), critical=False)
        return builder.sign(signer, hashes.SHA256())


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
