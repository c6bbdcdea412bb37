"""Signing configuration profiles: CMS SignedData with the plist inside (RFC 5652). Renders no profile."""

from __future__ import annotations

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7Options, PKCS7SignatureBuilder

from cartable.unit_of_work import UnitOfWork
from enrollment.identity import tls


def sign_profile(work: UnitOfWork, profile: bytes) -> bytes:
    """Return `profile` signed with the server's certificate, chain included (DER); unchanged if the operator switched signing off."""
    if not work.settings.sign_profiles:
        return profile
    certificate, key, chain = tls.load_profile_signer(work)
    builder = PKCS7SignatureBuilder().set_data(profile).add_signer(certificate, key, SHA256())
    for above in chain:  # after data and signer: the builder loses certificates that were added before
        builder = builder.add_certificate(above)
    return builder.sign(Encoding.DER, [PKCS7Options.Binary, PKCS7Options.NoCapabilities])
