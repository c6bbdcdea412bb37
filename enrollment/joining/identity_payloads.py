"""The payload by which a tablet obtains its identity: `com.apple.security.scep` or `com.apple.security.acme`.

The CA decides the content of the certificate; subject and key usage are here because the payloads require them.
"""

from __future__ import annotations

from typing import Any

from cryptography.x509.oid import ExtendedKeyUsageOID

from cartable.settings import Settings
from enrollment.identity.models import IdentityProtocol

IDENTIFIER = "fr.cartable.enrolment"
#: P-384 is the largest curve of the Secure Enclave; every tablet that attests has it.
ACME_KEY_SIZE = 384


def build_identity_payload(
    settings: Settings, path: IdentityProtocol, secret: str, uuid: str, common_name: str
) -> dict[str, Any]:
    """Return the identity payload of a profile; `secret` is the one-time challenge of SCEP or the client identifier of ACME."""
    subject = [[["O", settings.organisation]], [["CN", common_name]]]
    common = {
        "PayloadVersion": 1,
        "PayloadIdentifier": IDENTIFIER + ".identity",
        "PayloadUUID": uuid,
        "PayloadDisplayName": "Identité de la tablette",
    }
    return common | (
        _build_acme_payload(settings, secret, subject)
        if path is IdentityProtocol.ACME
        else _build_scep_payload(settings, secret, subject)
    )


def _build_scep_payload(settings: Settings, secret: str, subject: list[list[list[str]]]) -> dict[str, Any]:
    return {
        "PayloadType": "com.apple.security.scep",
        "PayloadContent": {
            "URL": settings.public_url + "/scep",
            "Name": settings.organisation,
            "Subject": subject,
            "Challenge": secret,
            "Keysize": 2048,
            "Key Type": "RSA",
            "Key Usage": 5,
            "KeyIsExtractable": False,
            "Retries": 3,
            "RetryDelay": 10,
        },
    }


def _build_acme_payload(settings: Settings, secret: str, subject: list[list[list[str]]]) -> dict[str, Any]:
    """Return the ACME payload. Attestation is requested only if there are roots to check it: Apple limits how often a device attests."""
    return {
        "PayloadType": "com.apple.security.acme",
        "DirectoryURL": settings.public_url + "/acme/directory",
        "ClientIdentifier": secret,
        "KeyType": "ECSECPrimeRandom",
        "KeySize": ACME_KEY_SIZE,
        "HardwareBound": True,
        "Attest": settings.attestation_roots is not None,
        "Subject": subject,
        "UsageFlags": 1,
        "ExtendedKeyUsage": [ExtendedKeyUsageOID.CLIENT_AUTH.dotted_string],
    }
