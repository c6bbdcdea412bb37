"""Commands that list certificates, provisioning profiles, users and system updates."""

from __future__ import annotations

from cryptography import x509
from cryptography.x509.oid import NameOID

from simulator.commands.base import AccessRight, ReceivedCommand, ResultBody, answers_command


@answers_command("CertificateList", right=AccessRight.INSPECT_PROFILES)
def certificate_list(request: ReceivedCommand) -> ResultBody:
    """List the identity and the root certificates of the profiles."""
    rows: list[ResultBody] = []
    enrolment = request.device.enrollment
    if enrolment:
        rows.append(_build_certificate_row(enrolment.identity.certificate_der, identity=True))
    roots = {root for installed in request.device.profiles.values() for root in installed.profile.roots}
    return {"CertificateList": rows + [_build_certificate_row(root, identity=False) for root in sorted(roots)]}


def _build_certificate_row(data: bytes, *, identity: bool) -> ResultBody:
    names = x509.load_der_x509_certificate(data).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return {"CommonName": str(names[0].value) if names else "", "IsIdentity": identity, "Data": data}


@answers_command("ProvisioningProfileList", right=AccessRight.INSPECT_PROVISIONING)
def provisioning_profile_list(request: ReceivedCommand) -> ResultBody:
    """List the provisioning profiles of in-house apps."""
    return {"ProvisioningProfileList": list(request.device.provisioning_profiles.values())}


@answers_command("UserList", shared_only=True)
def user_list(_request: ReceivedCommand) -> ResultBody:
    """Never reached, because simulated tablets are not Shared iPads."""
    return {"Users": []}


@answers_command("AvailableOSUpdates", right=AccessRight.MANAGE_APPS, supervised=True, minimum_os=9, removed_in_os=27)
def available_os_updates(_request: ReceivedCommand) -> ResultBody:
    """List no updates: there is nothing newer."""
    return {"AvailableOSUpdates": []}


@answers_command("OSUpdateStatus", right=AccessRight.MANAGE_APPS, supervised=True, minimum_os=9, removed_in_os=27)
def os_update_status(_request: ReceivedCommand) -> ResultBody:
    """List no updates: none is in progress."""
    return {"OSUpdateStatus": []}
