"""Answers about profiles and provisioning profiles (commands.md sections 2 and 3), the update of the MDM profile included."""

from __future__ import annotations

import hashlib
import uuid
from datetime import timedelta

from simulator import profile as profile_reader
from simulator.commands.base import Body, CannotDo, Code, Request, Right, answers, installation_failed, link
from simulator.device import AfterAnswer, Enrolment, Installed
from simulator.errors import BadProfile, SimulatorError
from simulator.profile import MdmSettings, Profile


@answers("ProfileList", right=Right.INSPECT_PROFILES)
def profile_list(request: Request) -> Body:
    """What is installed, with its payloads."""
    managed_only = request.arguments.get("ManagedOnly", False)
    found = [one for one in request.device.profiles.values() if one.managed or not managed_only]
    return {"ProfileList": [_row(one) for one in found]}


def _row(installed: Installed) -> Body:
    content = installed.profile.content
    row: Body = {key: content[key] for key in _SHOWN if key in content}
    return row | {
        "PayloadRemovalDisallowed": content.get("PayloadRemovalDisallowed", False),
        "HasRemovalPasscode": any(one["PayloadType"] == "com.apple.profileRemovalPassword" for one in installed.profile.payloads),
        "IsEncrypted": False,
        "IsManaged": installed.managed,
        "Source": "Declarative Device Management" if installed.declared else "MDM" if installed.managed else "",
        "SignerCertificates": list(installed.profile.signers),
        "PayloadContent": [{key: one[key] for key in _SHOWN_INSIDE if key in one} for one in installed.profile.payloads],
    }


_SHOWN_INSIDE = ("PayloadType", "PayloadVersion", "PayloadIdentifier", "PayloadUUID", "PayloadDisplayName", "PayloadDescription")
_SHOWN = (*_SHOWN_INSIDE[1:], "PayloadOrganization")


@answers("InstallProfile", right=Right.INSTALL_PROFILES)
async def install_profile(request: Request) -> Body:
    """Install, or replace the one with the same identifier; all of it or nothing."""
    data = request.need("Payload", bytes)
    try:
        profile = profile_reader.read(data)
        mdm = profile.mdm
    except BadProfile as error:
        raise installation_failed(str(error)) from error
    if mdm is not None:
        await _update_enrolment(request, profile, mdm)
    _refuse_declared(request, profile.identifier)
    request.device.profiles[profile.identifier] = Installed(profile)
    return {}


def _refuse_declared(request: Request, identifier: str) -> None:
    """While a declaration holds a profile, commands cannot touch it (declarative.md section 6)."""
    present = request.device.profiles.get(identifier)
    if present is not None and present.declared:
        raise installation_failed("The profile is managed by a declaration.", identifier)


async def _update_enrolment(request: Request, profile: Profile, new: MdmSettings) -> None:
    enrolment = request.device.enrolment
    if enrolment is None or profile.identifier != enrolment.profile.identifier:
        raise installation_failed("Only an update of the MDM profile may carry an MDM payload.", profile.identifier)
    _refuse_changes(enrolment, profile, new)
    try:
        await request.world.obtain_identity(profile)
    except SimulatorError as error:
        raise installation_failed(str(error), profile.identifier) from error
    request.device.after.append(AfterAnswer.NEW_IDENTITY)


def _refuse_changes(enrolment: Enrolment, profile: Profile, new: MdmSettings) -> None:
    old = enrolment.mdm
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
        raise installation_failed(f"An update must not change {', '.join(changed)}.", profile.identifier)


@answers("RemoveProfile", right=Right.INSTALL_PROFILES)
def remove_profile(request: Request) -> Body:
    """Only what this server installed; the enrolment profile takes everything with it."""
    identifier = request.need("Identifier", str)
    device = request.device
    _refuse_declared(request, identifier)
    installed = device.profiles.get(identifier)
    if installed is None or not installed.managed:
        raise CannotDo(link(Code.NO_SUCH_PROFILE, f"The profile {identifier} is not installed."))
    if device.enrolment and identifier == device.enrolment.profile.identifier:
        device.after.append(AfterAnswer.LEAVE)
    else:
        del device.profiles[identifier]
    return {}


@answers("InstallProvisioningProfile", right=Right.INSTALL_PROVISIONING)
def install_provisioning_profile(request: Request) -> Body:
    """Kept under an identifier made of its content."""
    data = request.need("ProvisioningProfile", bytes)
    made = str(uuid.UUID(bytes=hashlib.sha256(data).digest()[:16])).upper()
    expiry = (request.device.clock.now() + timedelta(days=300)).replace(tzinfo=None, microsecond=0)
    request.device.provisioning[made] = {"Name": "In-house", "UUID": made, "ExpiryDate": expiry}
    return {}


@answers("RemoveProvisioningProfile", right=Right.INSTALL_PROVISIONING)
def remove_provisioning_profile(request: Request) -> Body:
    """By its UUID."""
    if request.device.provisioning.pop(request.need("UUID", str), None) is None:
        raise CannotDo(link(Code.NO_SUCH_PROFILE, "No such provisioning profile."))
    return {}
