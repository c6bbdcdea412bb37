"""MachineInfo, which an iPad sends when it asks for its enrollment profile, and the "update first" reply.

See docs/domain/protocol.md#automated-enrollment.

A verified MachineInfo proves that Apple made the device, and which one it is. Whether it may enroll is decided elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from cartable.certificates import read_certificate
from mdm.protocol import plist
from mdm.protocol.cms import verify_attached
from mdm.protocol.errors import BadMessage, BadSignature

TrustAnchorKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

#: The key with which Apple's iPhone Device CA signs the factory certificates. The CA's own certificate expired in 2014 and is in
#: use all the same: the key is trusted for this and nothing else, whatever the dates say.
_APPLE_DEVICE_CA = rsa.RSAPublicNumbers(
    65537,
    int(
        "f1944ac9eaba5a1860adcba24d4d4e54196917590766cb97e8669a475f46ae677ab54a7354b1cb04f6bd36b80c55388a"
        "8483315265f933e197779c2b4c26b0253fe932aa7b087494ecc14b381d674e0852945a8b59a35cd793f4a0fe5585bb4c"
        "46975e6eb277452f675cbc0b18bf59b96c86f72a7576d21971f42963b9250baf",
        16,
    ),
)


_ACCEPTED_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)


@lru_cache(maxsize=1)
def get_apple_device_ca() -> TrustAnchorKey:
    """Return the public key of Apple's iPhone Device CA."""
    return _APPLE_DEVICE_CA.public_key()


@dataclass(frozen=True, slots=True)
class MachineInfo:
    """What a device states about itself before enrollment. `os_version` is None before iPadOS 17."""

    serial: str
    udid: str
    product: str
    build: str
    os_version: str | None
    can_update: bool


def parse_machine_info(der: bytes, anchors: Sequence[TrustAnchorKey]) -> MachineInfo:
    """Return the MachineInfo in a CMS structure that a factory certificate issued by one of `anchors` has signed.

    Raises `BadSignature`, `BadPlist`, `BadMessage`.
    """
    content, signature = verify_attached(der)
    if not any(_is_issued_by(signature.certificate_der, anchor) for anchor in anchors):
        raise BadSignature("no device of Apple's")
    values = plist.loads(content)
    if not isinstance(values, dict):
        raise BadMessage("MachineInfo is no dictionary")
    return MachineInfo(
        serial=_read_text(values, "SERIAL", 64).upper(),
        udid=_read_text(values, "UDID", 64),
        product=_read_text(values, "PRODUCT", 40),
        build=_read_text(values, "VERSION", 24),
        os_version=_read_optional_text(values, "OS_VERSION", 24),
        can_update=values.get("MDM_CAN_REQUEST_SOFTWARE_UPDATE") is True,
    )


def is_older_version(version: str, minimum: str) -> bool:
    """Return whether a system version such as `17.5.1` or `16.1 (a)` is older than `minimum`."""
    return _parse_version(version) < _parse_version(minimum)


def build_update_required(version: str) -> bytes:
    """Return the body of the 403 response that makes the iPad update first (docs/domain/protocol.md#error-documents)."""
    document = {
        "code": "com.apple.softwareupdate.required",
        "description": f"iPadOS {version} or later is required",
        "message": f"Cette tablette doit d'abord passer à iPadOS {version}.",
        "details": {"OSVersion": version},
    }
    return json.dumps(document, ensure_ascii=False).encode()


def _parse_version(version: str) -> tuple[int, ...]:
    parts = [int(part) if part.isdecimal() else 0 for part in version.split(" ", maxsplit=1)[0].split(".")[:4]]
    return tuple(parts + [0] * (4 - len(parts)))


def _read_text(values: dict[str, object], key: str, max_length: int) -> str:
    value = values.get(key)
    if not isinstance(value, str) or not 1 <= len(value) <= max_length:
        raise BadMessage(f"MachineInfo: {key}")
    return value


def _read_optional_text(values: dict[str, object], key: str, max_length: int) -> str | None:
    """Return a text; None when it is missing, empty or no text, which some systems send."""
    value = values.get(key)
    return value.strip()[:max_length] or None if isinstance(value, str) else None


def _is_issued_by(der: bytes, anchor: TrustAnchorKey) -> bool:
    """Return whether the anchor's key signed the certificate. Dates are ignored: tablets are used longer than their factory
    certificates are valid. SHA-1 is accepted from Apple's old device CA alone, which signs with nothing else.
    """
    try:
        certificate = read_certificate(der)
        algorithm = certificate.signature_hash_algorithm
        if algorithm is None or not (isinstance(algorithm, _ACCEPTED_HASHES) or _is_apple_sha1(anchor, algorithm)):
            return False
        if isinstance(anchor, ec.EllipticCurvePublicKey):
            anchor.verify(certificate.signature, certificate.tbs_certificate_bytes, ec.ECDSA(algorithm))
        else:
            anchor.verify(certificate.signature, certificate.tbs_certificate_bytes, padding.PKCS1v15(), algorithm)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _is_apple_sha1(anchor: TrustAnchorKey, algorithm: hashes.HashAlgorithm) -> bool:
    return isinstance(algorithm, hashes.SHA1) and anchor == get_apple_device_ca()
