"""The enrolment profile: identity, MDM and CA payloads (Apple: Configuration Profile, com.apple.mdm). The identity payloads are
in `identity_payloads`.

Identifiers and URLs never change between enrollment and renewal: a tablet refuses an update that differs. They are those of the town's
host; SCEP and ACME are asked at the installation's address, which a tablet does not keep.
"""

from __future__ import annotations

import plistlib
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid5

from cartable.ids import new_id
from cartable.settings import Acme
from cartable.unit_of_work import UnitOfWork
from enrollment.identity import service as identity
from enrollment.identity import tls
from enrollment.identity.models import ChallengePurpose, IdentityProtocol
from enrollment.joining import identity_payloads
from enrollment.joining.models import Invitation
from enrollment.places.addresses import get_town_url
from enrollment.tablets.models import Tablet

IDENTIFIER = identity_payloads.IDENTIFIER
#: Every access right of the MDM payload: adding one later needs a new enrollment.
ALL_RIGHTS = 8191
CAPABILITIES = ["com.apple.mdm.per-user-connections", "com.apple.mdm.bootstraptoken", "com.apple.mdm.token"]
_NAMESPACE = UUID("6f1d6a0e-6d6c-4b39-9a52-0d2f4d8a2c11")


def build_enrollment_profile(work: UnitOfWork, invitation: Invitation, topic: str) -> bytes:
    """Return the enrollment profile of an invitation, with a new one-time challenge.

    It is not known which tablet will use it and whether that tablet can attest its key, so the profile uses SCEP.
    """
    secret = identity.create_challenge(work, purpose=ChallengePurpose.ENROLLMENT, invitation_id=invitation.id)
    base = get_town_url(work, invitation.town_id)
    return _build_profile(work, base, IdentityProtocol.SCEP, secret, topic, common_name=f"invitation {invitation.id}")


def build_ade_profile(work: UnitOfWork, tablet_id: UUID, topic: str, *, udid: str, attests: bool) -> bytes:
    """Return the enrollment profile for Automated Device Enrollment; its challenge is valid for this tablet only.

    `attests`: the tablet can attest its key; it then uses ACME if the operator has switched that on.
    """
    path = IdentityProtocol.ACME if attests and work.settings.acme is not Acme.OFF else IdentityProtocol.SCEP
    return _build_tablet_profile(work, ChallengePurpose.ENROLLMENT, path, tablet_id, topic, udid)


def build_renewal_profile(
    work: UnitOfWork, tablet_id: UUID, topic: str, *, udid: str, protocol: IdentityProtocol, valid_for: timedelta
) -> bytes:
    """Return the enrollment profile with a new identity payload for a tablet whose certificate is due for renewal.

    `protocol` is that of the certificate that the tablet uses. It renews by the same, unless ACME has been switched off since.
    """
    path = protocol if work.settings.acme is not Acme.OFF else IdentityProtocol.SCEP
    return _build_tablet_profile(work, ChallengePurpose.RENEWAL, path, tablet_id, topic, udid, valid_for)


def _build_tablet_profile(
    work: UnitOfWork,
    purpose: ChallengePurpose,
    path: IdentityProtocol,
    tablet_id: UUID,
    topic: str,
    udid: str,
    valid_for: timedelta | None = None,
) -> bytes:
    secret = identity.create_challenge(
        work, purpose=purpose, protocol=path, tablet_id=tablet_id, udid=udid[:64], valid_for=valid_for
    )
    base = get_town_url(work, work.session.get_one(Tablet, tablet_id).town_id)
    return _build_profile(work, base, path, secret, topic, common_name=f"tablet {tablet_id}")


def _build_profile(work: UnitOfWork, base: str, path: IdentityProtocol, secret: str, topic: str, *, common_name: str) -> bytes:
    identity_uuid = str(new_id()).upper()  # new each time: else the tablet would not request a certificate
    content: list[dict[str, Any]] = [
        identity_payloads.build_identity_payload(work.settings, path, secret, identity_uuid, common_name),
        _build_mdm_payload(base, topic, identity_uuid),
    ]
    root = tls.read_tls_ca_certificate(work.settings)
    if root is not None:
        content.append(_build_root_payload(base, root))
    host = urlsplit(base).hostname
    return plistlib.dumps(
        {
            "PayloadType": "Configuration",
            "PayloadVersion": 1,
            "PayloadIdentifier": IDENTIFIER,
            "PayloadUUID": _build_stable_uuid(base, "profile"),
            "PayloadDisplayName": f"{work.settings.organisation} : gestion de la tablette",
            "PayloadDescription": f"Inscrit cette tablette auprès de {host}. / Enrols this tablet with {host}.",
            "PayloadOrganization": work.settings.organisation,
            "PayloadScope": "System",
            "PayloadContent": content,
        }
    )


def _build_mdm_payload(base: str, topic: str, identity_uuid: str) -> dict[str, Any]:
    return {
        "PayloadType": "com.apple.mdm",
        "PayloadVersion": 1,
        "PayloadIdentifier": IDENTIFIER + ".mdm",
        "PayloadUUID": _build_stable_uuid(base, "mdm"),
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


def _build_root_payload(base: str, der: bytes) -> dict[str, Any]:
    return {
        "PayloadType": "com.apple.security.root",
        "PayloadVersion": 1,
        "PayloadIdentifier": IDENTIFIER + ".ca",
        "PayloadUUID": _build_stable_uuid(base, "ca"),
        "PayloadDisplayName": "Autorité du serveur",
        "PayloadCertificateFileName": "cartable-ca.cer",
        "PayloadContent": der,
    }


def _build_stable_uuid(base: str, slot: str) -> str:
    """Return a UUID that is always the same for the same server and slot."""
    return str(uuid5(_NAMESPACE, f"{base}/{slot}")).upper()
