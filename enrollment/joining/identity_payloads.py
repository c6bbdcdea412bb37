"""The payload by which a tablet gets its identity: `com.apple.security.scep` or `com.apple.security.acme` (protocol.md section 4.2).

The certificate is ours to write: subject and usage are asked for because the payloads demand them.
"""

from __future__ import annotations

from typing import Any

from cryptography.x509.oid import ExtendedKeyUsageOID

from cartable.settings import Settings
from enrollment.identity.models import IdentityPath

IDENTIFIER = "fr.cartable.enrolment"
#: P-384 is the largest curve of the Secure Enclave; every tablet that attests has it.
ACME_KEY_SIZE = 384


def payload(settings: Settings, path: IdentityPath, secret: str, uuid: str, common_name: str) -> dict[str, Any]:
    """The identity payload of one profile; `secret` is the one-time challenge or client identifier."""
    subject = [[["O", settings.organisation]], [["CN", common_name]]]
    common = {
        "PayloadVersion": 1,
        "PayloadIdentifier": IDENTIFIER + ".identity",
        "PayloadUUID": uuid,
        "PayloadDisplayName": "Identité de la tablette",
    }
    return common | (_acme(settings, secret, subject) if path is IdentityPath.ACME else _scep(settings, secret, subject))


def _scep(settings: Settings, secret: str, subject: list[list[list[str]]]) -> dict[str, Any]:
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


def _acme(settings: Settings, secret: str, subject: list[list[list[str]]]) -> dict[str, Any]:
    """Attestation is asked for where somebody can check it: Apple gives a device few of them."""
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
