"""Certification requests (PKCS#10, RFC 2986) as tablets send them: the key they prove, and the challenge. Decides nothing.

Some carry attributes out of DER order, which strict readers refuse: the signature is checked over the bytes as they came.
"""

from __future__ import annotations

from dataclasses import dataclass

from asn1crypto.csr import CertificationRequest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from enrollment.identity import keys
from enrollment.identity.keys import DeviceKey

_HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha1": hashes.SHA1(),  # noqa: S303 - old SCEP clients offer nothing better (RFC 8894 section 2.9)
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}


class BadRequest(ValueError):
    """The bytes are no request, or its signature does not fit."""


@dataclass(frozen=True, slots=True)
class Csr:
    """A request whose sender holds the key. Its subject and extensions are not read: we decide them."""

    key: DeviceKey
    challenge: str | None


def read(der: bytes) -> Csr:
    """Read a request and verify its own signature. Raises `BadRequest` and nothing else."""
    try:
        request = CertificationRequest.load(der)
        info = request["certification_request_info"]
        key = keys.load(info["subject_pk_info"].dump())
        algorithm = _HASHES[request["signature_algorithm"].hash_algo]
        signature = request["signature"].native
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, info.dump(), padding.PKCS1v15(), algorithm)
        else:
            key.verify(signature, info.dump(), ec.ECDSA(algorithm))
        challenge = next((a["values"][0].native for a in info["attributes"] if a["type"].native == "challenge_password"), None)
    except Exception as error:  # asn1crypto raises many types on damaged input, some only when a part is touched
        raise BadRequest(type(error).__name__) from error
    return Csr(key, challenge)
