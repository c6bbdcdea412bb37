"""Answers that list certificates, provisioning profiles, users and updates (commands.md section 2)."""

from __future__ import annotations

from cryptography import x509
from cryptography.x509.oid import NameOID

from simulator.commands.base import ResultBody, ReceivedCommand, AccessRight, command


@command("CertificateList", right=AccessRight.INSPECT_PROFILES)
def certificate_list(request: ReceivedCommand) -> ResultBody:
    """The identity and the roots of the profiles."""
    found: list[ResultBody] = []
    enrolment = request.device.enrollment
    if enrolment:
        found.append(_build_certificate_row(enrolment.identity.certificate_der, identity=True))
    roots = {root for one in request.device.profiles.values() for root in one.profile.roots}
    return {"CertificateList": found + [_build_certificate_row(root, identity=False) for root in sorted(roots)]}


def _build_certificate_row(data: bytes, *, identity: bool) -> ResultBody:
    names = x509.load_der_x509_certificate(data).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return {"CommonName": str(names[0].value) if names else "", "IsIdentity": identity, "Data": data}


@command("ProvisioningProfileList", right=AccessRight.INSPECT_PROVISIONING)
def provisioning_profile_list(request: ReceivedCommand) -> ResultBody:
    """For in-house apps."""
    return {"ProvisioningProfileList": list(request.device.provisioning_profiles.values())}


@command("UserList", shared_only=True)
def user_list(_request: ReceivedCommand) -> ResultBody:
    """Never reached: simulated tablets are no Shared iPads."""
    return {"Users": []}


@command("AvailableOSUpdates", right=AccessRight.MANAGE_APPS, supervised=True, minimum_os=9, removed_in_os=27)
def available_os_updates(_request: ReceivedCommand) -> ResultBody:
    """Nothing newer."""
    return {"AvailableOSUpdates": []}


@command("OSUpdateStatus", right=AccessRight.MANAGE_APPS, supervised=True, minimum_os=9, removed_in_os=27)
def os_update_status(_request: ReceivedCommand) -> ResultBody:
    """Nothing under way."""
    return {"OSUpdateStatus": []}
