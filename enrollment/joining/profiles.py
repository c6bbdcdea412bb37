"""The enrolment profile: identity, MDM and CA payloads (Apple: Configuration Profile, com.apple.mdm). The identity payloads are
in `identity_payloads`.

Identifiers and addresses never change between enrolment and renewal: a tablet refuses an update that differs.
"""

from __future__ import annotations

import plistlib
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid5

from cartable.ids import new_id
from cartable.settings import Acme
from cartable.unit_of_work import UnitOfWork
from enrollment.identity import service as identity
from enrollment.identity import tls
from enrollment.identity.models import ChallengePurpose, IdentityPath
from enrollment.joining import identity_payloads
from enrollment.joining.models import Invitation

IDENTIFIER = identity_payloads.IDENTIFIER
#: Every right of the MDM payload: one cannot be added later without enrolling again.
ALL_RIGHTS = 8191
CAPABILITIES = ["com.apple.mdm.per-user-connections", "com.apple.mdm.bootstraptoken", "com.apple.mdm.token"]
_NAMESPACE = UUID("6f1d6a0e-6d6c-4b39-9a52-0d2f4d8a2c11")


def enrolment_profile(work: UnitOfWork, invitation: Invitation, topic: str) -> bytes:
    """Return the profile by which a tablet joins, with a fresh one-time challenge of the invitation.

    Which tablet will come is not known, nor what it can attest: SCEP serves them all.
    """
    secret = identity.new_challenge(work, purpose=ChallengePurpose.ENROL, invitation_id=invitation.id)
    return _profile(work, IdentityPath.SCEP, secret, topic, common_name=f"invitation {invitation.id}")


def automated_profile(work: UnitOfWork, tablet_id: UUID, topic: str, *, udid: str, attests: bool) -> bytes:
    """Return the profile for a tablet that Apple's device assignment sent here: its challenge serves this tablet alone.

    `attests`: it is one that can attest its key; then it is given ACME where the operator has switched that on.
    """
    path = IdentityPath.ACME if attests and work.settings.acme is not Acme.OFF else IdentityPath.SCEP
    return _tablet_profile(work, ChallengePurpose.ENROL, path, tablet_id, topic, udid)


def renewal_profile(work: UnitOfWork, tablet_id: UUID, topic: str, *, udid: str) -> bytes:
    """Return the same profile with a fresh identity payload, bound to the tablet (protocol.md section 3.4). It renews the
    way it enrolled, unless ACME has been switched off since.
    """
    attested = work.settings.acme is not Acme.OFF and identity.path_of(work, tablet_id) is IdentityPath.ACME
    path = IdentityPath.ACME if attested else IdentityPath.SCEP
    return _tablet_profile(work, ChallengePurpose.RENEW, path, tablet_id, topic, udid)


def _tablet_profile(
    work: UnitOfWork, purpose: ChallengePurpose, path: IdentityPath, tablet_id: UUID, topic: str, udid: str
) -> bytes:
    secret = identity.new_challenge(work, purpose=purpose, path=path, tablet_id=tablet_id, udid=udid[:64])
    return _profile(work, path, secret, topic, common_name=f"tablet {tablet_id}")


def _profile(work: UnitOfWork, path: IdentityPath, secret: str, topic: str, *, common_name: str) -> bytes:
    base = work.settings.public_url
    identity_uuid = str(new_id()).upper()  # a new identity each time, so that the tablet asks for a certificate
    content: list[dict[str, Any]] = [
        identity_payloads.payload(work.settings, path, secret, identity_uuid, common_name),
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
