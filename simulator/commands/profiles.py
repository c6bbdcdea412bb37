"""Commands for configuration profiles, provisioning profiles, and the update of the MDM profile."""

from __future__ import annotations

import hashlib
import uuid
from datetime import timedelta

from simulator import profile as profile_reader
from simulator.commands.base import (
    AccessRight,
    CommandFailed,
    ErrorCode,
    ReceivedCommand,
    ResultBody,
    answers_command,
    build_error,
    profile_installation_failed,
)
from simulator.device import DeferredAction, InstalledProfile, MdmEnrollment
from simulator.errors import InvalidProfile, SimulatorError
from simulator.profile import ConfigurationProfile, MdmSettings


@answers_command("ProfileList", right=AccessRight.INSPECT_PROFILES)
def profile_list(request: ReceivedCommand) -> ResultBody:
    """List the installed profiles with their payloads."""
    managed_only = request.arguments.get("ManagedOnly", False)
    profiles = [installed for installed in request.device.profiles.values() if installed.managed or not managed_only]
    return {"ProfileList": [_build_profile_row(installed) for installed in profiles]}


def _build_profile_row(installed: InstalledProfile) -> ResultBody:
    content = installed.profile.content
    row: ResultBody = {key: content[key] for key in _REPORTED_PROFILE_KEYS if key in content}
    return row | {
        "PayloadRemovalDisallowed": content.get("PayloadRemovalDisallowed", False),
        "HasRemovalPasscode": any(
            payload["PayloadType"] == "com.apple.profileRemovalPassword" for payload in installed.profile.payloads
        ),
        "IsEncrypted": False,
        "IsManaged": installed.managed,
        "Source": "Declarative Device Management" if installed.held_by_declaration else "MDM" if installed.managed else "",
        "SignerCertificates": list(installed.profile.signers),
        "PayloadContent": [
            {key: payload[key] for key in _REPORTED_PAYLOAD_KEYS if key in payload} for payload in installed.profile.payloads
        ],
    }


_REPORTED_PAYLOAD_KEYS = (
    "PayloadType",
    "PayloadVersion",
    "PayloadIdentifier",
    "PayloadUUID",
    "PayloadDisplayName",
    "PayloadDescription",
)
_REPORTED_PROFILE_KEYS = (*_REPORTED_PAYLOAD_KEYS[1:], "PayloadOrganization")


@answers_command("InstallProfile", right=AccessRight.INSTALL_PROFILES)
async def install_profile(request: ReceivedCommand) -> ResultBody:
    """Install a profile, or replace the one with the same identifier; completely or not at all."""
    data = request.require_argument("Payload", bytes)
    try:
        new_profile = profile_reader.parse_profile(data)
        request.device.check_readable(new_profile)
        mdm = new_profile.mdm_settings
    except InvalidProfile as error:
        raise profile_installation_failed(str(error)) from error
    if mdm is not None:
        await _update_enrollment(request, new_profile, mdm)
    _refuse_if_declared(request, new_profile.identifier)
    request.device.profiles[new_profile.identifier] = InstalledProfile(new_profile, installed_at=request.device.clock.now())
    return {}


def _refuse_if_declared(request: ReceivedCommand, identifier: str) -> None:
    """Raise `CommandFailed` for a profile that a declaration installed: commands cannot change it."""
    present = request.device.profiles.get(identifier)
    if present is not None and present.held_by_declaration:
        raise profile_installation_failed("The profile is managed by a declaration.", identifier)


async def _update_enrollment(request: ReceivedCommand, profile: ConfigurationProfile, new: MdmSettings) -> None:
    enrolment = request.device.enrollment
    if enrolment is None or profile.identifier != enrolment.profile.identifier:
        raise profile_installation_failed("Only an update of the MDM profile may carry an MDM payload.", profile.identifier)
    _refuse_forbidden_changes(enrolment, profile, new)
    try:
        await request.network.obtain_identity(profile)
    except SimulatorError as error:
        raise profile_installation_failed(str(error), profile.identifier) from error
    request.device.deferred_actions.append(DeferredAction.NEW_IDENTITY)


def _refuse_forbidden_changes(enrolment: MdmEnrollment, profile: ConfigurationProfile, new: MdmSettings) -> None:
    old = enrolment.mdm_settings
    per_user = "com.apple.mdm.per-user-connections"
    changed = [
        name
        for name, before, after in (
            ("Topic", old.topic, new.topic),
            ("ServerURL", old.server_url, new.server_url),
            ("CheckInURL", old.checkin_url, new.checkin_url),
            ("PayloadIdentifier", old.payload_identifier, new.payload_identifier),
            ("per-user connections", per_user in old.capabilities, per_user in new.capabilities),
            ("AccessRights", 0, new.access_rights & ~old.access_rights),
        )
        if before != after
    ]
    if changed:
        raise profile_installation_failed(f"An update must not change {', '.join(changed)}.", profile.identifier)


@answers_command("RemoveProfile", right=AccessRight.INSTALL_PROFILES)
def remove_profile(request: ReceivedCommand) -> ResultBody:
    """Remove a profile that this server installed. Removing the enrolment profile ends management."""
    identifier = request.require_argument("Identifier", str)
    device = request.device
    _refuse_if_declared(request, identifier)
    installed = device.profiles.get(identifier)
    if installed is None or not installed.managed:
        raise CommandFailed(build_error(ErrorCode.NO_SUCH_PROFILE, f"The profile {identifier} is not installed."))
    if device.enrollment and identifier == device.enrollment.profile.identifier:
        device.deferred_actions.append(DeferredAction.LEAVE)
    else:
        del device.profiles[identifier]
    return {}


@answers_command("InstallProvisioningProfile", right=AccessRight.INSTALL_PROVISIONING)
def install_provisioning_profile(request: ReceivedCommand) -> ResultBody:
    """Store a provisioning profile under a UUID that is derived from its content."""
    data = request.require_argument("ProvisioningProfile", bytes)
    identifier = str(uuid.UUID(bytes=hashlib.sha256(data).digest()[:16])).upper()
    expiry = (request.device.clock.now() + timedelta(days=300)).replace(tzinfo=None, microsecond=0)
    request.device.provisioning_profiles[identifier] = {"Name": "In-house", "UUID": identifier, "ExpiryDate": expiry}
    return {}


@answers_command("RemoveProvisioningProfile", right=AccessRight.INSTALL_PROVISIONING)
def remove_provisioning_profile(request: ReceivedCommand) -> ResultBody:
    """Remove a provisioning profile by its UUID."""
    if request.device.provisioning_profiles.pop(request.require_argument("UUID", str), None) is None:
        raise CommandFailed(build_error(ErrorCode.NO_SUCH_PROFILE, "No such provisioning profile."))
    return {}
