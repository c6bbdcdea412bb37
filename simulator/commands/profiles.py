"""Answers about profiles and provisioning profiles (commands.md sections 2 and 3), the update of the MDM profile included."""

from __future__ import annotations

import hashlib
import uuid
from datetime import timedelta

from simulator import profile as profile_reader
from simulator.commands.base import ResultBody, CommandFailed, ErrorCode, ReceivedCommand, AccessRight, command, profile_installation_failed, build_error
from simulator.device import DeferredAction, MdmEnrollment, InstalledProfile
from simulator.errors import InvalidProfile, SimulatorError
from simulator.profile import MdmSettings, ConfigurationProfile


@command("ProfileList", right=AccessRight.INSPECT_PROFILES)
def profile_list(request: ReceivedCommand) -> ResultBody:
    """What is installed, with its payloads."""
    managed_only = request.arguments.get("ManagedOnly", False)
    found = [one for one in request.device.profiles.values() if one.managed or not managed_only]
    return {"ProfileList": [_build_profile_row(one) for one in found]}


def _build_profile_row(installed: InstalledProfile) -> ResultBody:
    content = installed.profile.content
    row: ResultBody = {key: content[key] for key in _REPORTED_PROFILE_KEYS if key in content}
    return row | {
        "PayloadRemovalDisallowed": content.get("PayloadRemovalDisallowed", False),
        "HasRemovalPasscode": any(one["PayloadType"] == "com.apple.profileRemovalPassword" for one in installed.profile.payloads),
        "IsEncrypted": False,
        "IsManaged": installed.managed,
        "Source": "Declarative Device Management" if installed.held_by_declaration else "MDM" if installed.managed else "",
        "SignerCertificates": list(installed.profile.signers),
        "PayloadContent": [{key: one[key] for key in _REPORTED_PAYLOAD_KEYS if key in one} for one in installed.profile.payloads],
    }


_REPORTED_PAYLOAD_KEYS = ("PayloadType", "PayloadVersion", "PayloadIdentifier", "PayloadUUID", "PayloadDisplayName", "PayloadDescription")
_REPORTED_PROFILE_KEYS = (*_REPORTED_PAYLOAD_KEYS[1:], "PayloadOrganization")


@command("InstallProfile", right=AccessRight.INSTALL_PROFILES)
async def install_profile(request: ReceivedCommand) -> ResultBody:
    """Install, or replace the one with the same identifier; all of it or nothing."""
    data = request.require_argument("Payload", bytes)
    try:
        profile = profile_reader.parse_profile(data)
        mdm = profile.mdm_settings
    except InvalidProfile as error:
        raise profile_installation_failed(str(error)) from error
    if mdm is not None:
        await _update_enrollment(request, profile, mdm)
    _refuse_if_declared(request, profile.identifier)
    request.device.profiles[profile.identifier] = InstalledProfile(profile)
    return {}


def _refuse_if_declared(request: ReceivedCommand, identifier: str) -> None:
    """While a declaration holds a profile, commands cannot touch it (declarative.md section 6)."""
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


@command("RemoveProfile", right=AccessRight.INSTALL_PROFILES)
def remove_profile(request: ReceivedCommand) -> ResultBody:
    """Only what this server installed; the enrolment profile takes everything with it."""
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


@command("InstallProvisioningProfile", right=AccessRight.INSTALL_PROVISIONING)
def install_provisioning_profile(request: ReceivedCommand) -> ResultBody:
    """Kept under an identifier made of its content."""
    data = request.require_argument("ProvisioningProfile", bytes)
    made = str(uuid.UUID(bytes=hashlib.sha256(data).digest()[:16])).upper()
    expiry = (request.device.clock.now() + timedelta(days=300)).replace(tzinfo=None, microsecond=0)
    request.device.provisioning_profiles[made] = {"Name": "In-house", "UUID": made, "ExpiryDate": expiry}
    return {}


@command("RemoveProvisioningProfile", right=AccessRight.INSTALL_PROVISIONING)
def remove_provisioning_profile(request: ReceivedCommand) -> ResultBody:
    """By its UUID."""
    if request.device.provisioning_profiles.pop(request.require_argument("UUID", str), None) is None:
        raise CommandFailed(build_error(ErrorCode.NO_SUCH_PROFILE, "No such provisioning profile."))
    return {}
