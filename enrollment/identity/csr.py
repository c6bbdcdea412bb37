"""Parsing certification requests (PKCS#10, RFC 2986): the public key and the challenge. Decides nothing.

Some clients send attributes out of DER order, which strict parsers refuse: the signature is checked over the bytes as received.
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


class InvalidRequest(ValueError):
    """The bytes are no certification request, or its signature is wrong."""


@dataclass(frozen=True, slots=True)
class Csr:
    """A request whose signature proves possession of the key. Subject and extensions are not read: the CA decides them."""

    key: DeviceKey
    challenge: str | None


def parse_request(der: bytes) -> Csr:
    """Return the request in a DER after checking its signature. Raises `InvalidRequest` and nothing else."""
    try:
        request = CertificationRequest.load(der)
        info = request["certification_request_info"]
        key = keys.load_public_key(info["subject_pk_info"].dump())
        algorithm = _HASHES[request["signature_algorithm"].hash_algo]
        signature = request["signature"].native
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, info.dump(), padding.PKCS1v15(), algorithm)
        else:
            key.verify(signature, info.dump(), ec.ECDSA(algorithm))
        challenge = next((a["values"][0].native for a in info["attributes"] if a["type"].native == "challenge_password"), None)
    except Exception as error:  # asn1crypto raises many types on damaged input, some only when a part is touched
        raise InvalidRequest(type(error).__name__) from error
    return Csr(key, challenge)
