"""Answers that list certificates, provisioning profiles, users and updates (commands.md section 2)."""

from __future__ import annotations

from cryptography import x509
from cryptography.x509.oid import NameOID

from simulator.commands.base import Body, Request, Right, answers


@answers("CertificateList", right=Right.INSPECT_PROFILES)
def certificate_list(request: Request) -> Body:
    """The identity and the roots of the profiles."""
    found: list[Body] = []
    enrolment = request.device.enrolment
    if enrolment:
        found.append(_row(enrolment.identity.certificate_der, identity=True))
    roots = {root for one in request.device.profiles.values() for root in one.profile.roots}
    return {"CertificateList": found + [_row(root, identity=False) for root in sorted(roots)]}


def _row(data: bytes, *, identity: bool) -> Body:
    names = x509.load_der_x509_certificate(data).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return {"CommonName": str(names[0].value) if names else "", "IsIdentity": identity, "Data": data}


@answers("ProvisioningProfileList", right=Right.INSPECT_PROVISIONING)
def provisioning_profile_list(request: Request) -> Body:
    """For in-house apps."""
    return {"ProvisioningProfileList": list(request.device.provisioning.values())}


@answers("UserList", shared_only=True)
def user_list(_request: Request) -> Body:
    """Never reached: simulated tablets are no Shared iPads."""
    return {"Users": []}


@answers("AvailableOSUpdates", right=Right.MANAGE_APPS, supervised=True, minimum=9, removed_in=27)
def available_os_updates(_request: Request) -> Body:
    """Nothing newer."""
    return {"AvailableOSUpdates": []}


@answers("OSUpdateStatus", right=Right.MANAGE_APPS, supervised=True, minimum=9, removed_in=27)
def os_update_status(_request: Request) -> Body:
    """Nothing under way."""
    return {"OSUpdateStatus": []}
