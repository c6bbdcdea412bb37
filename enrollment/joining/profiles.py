"""The enrolment profile: CA, SCEP and MDM payloads (Apple: Configuration Profile, com.apple.security.scep, com.apple.mdm).

Identifiers and addresses never change between enrolment and renewal: a tablet refuses an update that differs.
"""

from __future__ import annotations

import plistlib
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid5

from enrollment.identity import service as identity
from enrollment.identity import tls
from enrollment.identity.models import ChallengePurpose
from enrollment.joining.models import Invitation
from mdm.kit.ids import new_id
from mdm.kit.work import Work

IDENTIFIER = "fr.cartable.enrolment"
#: Every right of the MDM payload: one cannot be added later without enrolling again.
ALL_RIGHTS = 8191
CAPABILITIES = ["com.apple.mdm.per-user-connections", "com.apple.mdm.bootstraptoken", "com.apple.mdm.token"]
_NAMESPACE = UUID("6f1d6a0e-6d6c-4b39-9a52-0d2f4d8a2c11")


def enrolment_profile(work: Work, invitation: Invitation, topic: str) -> bytes:
    """Return the profile by which a tablet joins, with a fresh one-time challenge of the invitation."""
    secret = identity.new_challenge(work, purpose=ChallengePurpose.ENROL, invitation_id=invitation.id)
    return _profile(work, secret, topic, common_name=f"invitation {invitation.id}")


def automated_profile(work: Work, tablet_id: UUID, topic: str) -> bytes:
    """Return the profile for a tablet that Apple's device assignment sent here: its challenge serves this tablet alone."""
    secret = identity.new_challenge(work, purpose=ChallengePurpose.ENROL, tablet_id=tablet_id)
    return _profile(work, secret, topic, common_name=f"tablet {tablet_id}")


def renewal_profile(work: Work, tablet_id: UUID, topic: str) -> bytes:
    """Return the same profile with a fresh identity payload, bound to the tablet (protocol.md section 3.4)."""
    secret = identity.new_challenge(work, purpose=ChallengePurpose.RENEW, tablet_id=tablet_id)
    return _profile(work, secret, topic, common_name=f"tablet {tablet_id}")


def _profile(work: Work, secret: str, topic: str, *, common_name: str) -> bytes:
    base = work.settings.public_url
    identity_uuid = str(new_id()).upper()  # a new identity each time, so that the tablet asks for a certificate
    content: list[dict[str, Any]] = [
        _scep_payload(work, base, secret, identity_uuid, common_name),
        _mdm_payload(base, topic, identity_uuid),
    ]
    root = tls.tls_ca_certificate(work.settings)
    if root is not None:
        content.append(_root_payload(base, root))
    host = urlsplit(base).hostname
    return plistlib.dumps(
        {
            "PayloadType": "Configuration",
            "PayloadVersion": 1,
            "PayloadIdentifier": IDENTIFIER,
            "PayloadUUID": _stable(base, "profile"),
            "PayloadDisplayName": f"{work.settings.organisation} : gestion de la tablette",
            "PayloadDescription": f"Inscrit cette tablette auprès de {host}. / Enrols this tablet with {host}.",
            "PayloadOrganization": work.settings.organisation,
            "PayloadScope": "System",
            "PayloadContent": content,
        }
    )


def _scep_payload(work: Work, base: str, secret: str, identity_uuid: str, common_name: str) -> dict[str, Any]:
    return {
        "PayloadType": "com.apple.security.scep",
        "PayloadVersion": 1,
        "PayloadIdentifier": IDENTIFIER + ".identity",
        "PayloadUUID": identity_uuid,
        "PayloadDisplayName": "Identité de la tablette",
        "PayloadContent": {
            "URL": base + "/scep",
            "Name": work.settings.organisation,
            "Subject": [[["O", work.settings.organisation]], [["CN", common_name]]],
            "Challenge": secret,
            "Keysize": 2048,
            "Key Type": "RSA",
            "Key Usage": 5,
            "KeyIsExtractable": False,
            "Retries": 3,
            "RetryDelay": 10,
        },
    }


def _mdm_payload(base: str, topic: str, identity_uuid: str) -> dict[str, Any]:
    return {
        "PayloadType": "com.apple.mdm",
        "PayloadVersion": 1,
        "PayloadIdentifier": IDENTIFIER + ".mdm",
        "PayloadUUID": _stable(base, "mdm"),
        "PayloadDisplayName": "Gestion",
        "IdentityCertificateUUID": identity_uuid,
        "Topic": topic,
        "ServerURL": base + "/mdm",
        "CheckInURL": base + "/mdm/checkin",
        "SignMessage": True,
        "AccessRights": ALL_RIGHTS,
        "CheckOutWhenRemoved": True,
        "ServerCapabilities": CAPABILITIES,
    }


def _root_payload(base: str, der: bytes) -> dict[str, Any]:
    return {
        "PayloadType": "com.apple.security.root",
        "PayloadVersion": 1,
        "PayloadIdentifier": IDENTIFIER + ".ca",
        "PayloadUUID": _stable(base, "ca"),
        "PayloadDisplayName": "Autorité du serveur",
        "PayloadCertificateFileName": "cartable-ca.cer",
        "PayloadContent": der,
    }


def _stable(base: str, slot: str) -> str:
    """A UUID that is the same for the same server and slot."""
    return str(uuid5(_NAMESPACE, f"{base}/{slot}")).upper()
