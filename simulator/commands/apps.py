"""Commands for apps. `AppStore` decides how long an installation takes and which fail."""

from __future__ import annotations

import plistlib

from simulator.commands.base import (
    AccessRight,
    CommandFailed,
    CommandMalformed,
    ErrorCode,
    ReceivedCommand,
    ResultBody,
    answers_command,
    build_error,
)
from simulator.device import SimulatedApp, SimulatedAppState
from simulator.errors import SimulatorError
from simulator.managed_apps import list_declared_apps
from simulator.store import InstallRefusal, refuse_with


@answers_command("InstallApplication", right=AccessRight.MANAGE_APPS)
async def install_application(request: ReceivedCommand) -> ResultBody:
    """Start an installation; the result comes when it is accepted, before the app is installed."""
    arguments = request.arguments
    if len(arguments.keys() & {"iTunesStoreID", "Identifier", "ManifestURL"}) != 1:
        raise CommandMalformed("exactly one of iTunesStoreID, Identifier, ManifestURL")
    identifier, version = await _resolve_app(request)
    device = request.device
    present = device.apps.get(identifier)
    if identifier in device.store.refusals:
        return _build_refusal(identifier, device.store.refusals[identifier])
    if identifier in device.store.rejection_reasons:
        return _build_refusal(identifier, refuse_with(device.store.rejection_reasons[identifier]))
    if present is not None and not present.managed and arguments.get("ChangeManagementState") != "Managed":
        return _build_refusal(identifier, refuse_with("AppAlreadyInstalled"))
    if present is not None and present.get_state(device.clock.now()) is SimulatedAppState.INSTALLING:
        return _build_refusal(identifier, refuse_with("AppAlreadyQueued"))
    app = device.install_app(identifier, flags=arguments.get("ManagementFlags", 0), version=version)
    if "Configuration" in arguments:
        app.configuration = arguments["Configuration"]
    app.attributes = arguments.get("Attributes", app.attributes)
    return {"Identifier": identifier, "State": SimulatedAppState.INSTALLING.value}


async def _resolve_app(request: ReceivedCommand) -> tuple[str, str]:
    arguments = request.arguments
    if "iTunesStoreID" in arguments:
        return request.device.store.get_bundle_id(request.require_argument("iTunesStoreID", int)), "1.0"
    if "Identifier" in arguments:
        return request.require_argument("Identifier", str), "1.0"
    try:
        manifest = plistlib.loads(await request.network.fetch(request.require_argument("ManifestURL", str)))
        metadata = manifest["items"][0]["metadata"]
        return str(metadata["bundle-identifier"]), str(metadata["bundle-version"])
    except (SimulatorError, plistlib.InvalidFileException, ValueError, KeyError, IndexError, TypeError) as error:
        raise CommandFailed(build_error(ErrorCode.NO_SUCH_APP, f"The manifest could not be read: {error}")) from error


def _build_refusal(identifier: str, refusal: InstallRefusal) -> ResultBody:
    chain = [build_error(code, description, domain) for domain, code, description in refusal.errors]
    body: ResultBody = {"Status": "Error", "Identifier": identifier, "State": "Failed", "ErrorChain": chain}
    return body if refusal.rejection_reason is None else body | {"RejectionReason": refusal.rejection_reason}


@answers_command("RemoveApplication", right=AccessRight.MANAGE_APPS)
def remove_application(request: ReceivedCommand) -> ResultBody:
    """Remove a managed app; an error for any other."""
    app = request.device.apps.get(request.require_argument("Identifier", str))
    if app is None or not app.managed:
        raise CommandFailed(build_error(ErrorCode.NO_SUCH_APP, "The app is not managed."))
    del request.device.apps[app.identifier]
    return {}


@answers_command("InstalledApplicationList", right=AccessRight.APPS)
def installed_application_list(request: ReceivedCommand) -> ResultBody:
    """List apps that are installed or being installed; `Items` limits the keys."""
    arguments = request.arguments
    identifiers = arguments.get("Identifiers")
    apps = [
        app
        for app in request.device.apps.values()
        if (identifiers is None or app.identifier in identifiers)
        and (app.managed or not arguments.get("ManagedAppsOnly"))
        and not app.removed_by_user
    ]
    rows = [_build_app_row(app, app.get_state(request.device.clock.now())) for app in apps]
    items = arguments.get("Items")
    if items:
        rows = [{key: value for key, value in row.items() if key in {*items, "Identifier"}} for row in rows]
    return {"InstalledApplicationList": [row for row in rows if not row.get("DownloadFailed")]}


def _build_app_row(app: SimulatedApp, state: SimulatedAppState) -> ResultBody:
    return {
        "Identifier": app.identifier,
        "Version": app.version,
        "ShortVersion": app.version,
        "Name": app.identifier.rpartition(".")[2].capitalize(),
        "BundleSize": 80_000_000,
        "DynamicSize": 1_000_000,
        "ExternalVersionIdentifier": 850_000_000,
        "IsValidated": True,
        "Installing": state is SimulatedAppState.INSTALLING,
        "DownloadFailed": state is SimulatedAppState.FAILED,
        "AppStoreVendable": True,
        "DeviceBasedVPP": True,
        "HasUpdateAvailable": False,
        "BetaApp": False,
        "AdHocCodeSigned": False,
        "IsAppClip": False,
    }


_DECLINED_STATUSES = {"UserRejected", "ManagementRejected"}


@answers_command("ManagedApplicationList", right=AccessRight.MANAGE_APPS)
def managed_application_list(request: ReceivedCommand) -> ResultBody:
    """List managed apps. A failed installation is reported once and then forgotten, as Apple's schema says of transient states."""
    now = request.device.clock.now()
    identifiers = request.arguments.get("Identifiers")
    apps = {key: app for key, app in request.device.apps.items() if app.managed and (identifiers is None or key in identifiers)}
    statuses = request.device.store.reported_statuses
    rows = {
        key: {
            "Status": statuses.get(key, app.get_state(now).value),
            "ManagementFlags": app.management_flags,
            "HasConfiguration": app.configuration is not None,
            "HasFeedback": False,
            "IsValidated": True,
            "ExternalVersionIdentifier": 850_000_000,
        }
        for key, app in apps.items()
    }
    for key, app in apps.items():
        if app.get_state(now) is SimulatedAppState.FAILED or statuses.get(key) in _DECLINED_STATUSES:
            del request.device.apps[key]
    return {"ManagedApplicationList": rows}


@answers_command("ManagedApplicationAttributes", right=AccessRight.MANAGE_APPS, minimum_os=7)
def managed_application_attributes(request: ReceivedCommand) -> ResultBody:
    """List the attributes of the named apps."""
    rows = [{"Identifier": app.identifier, "Attributes": app.attributes} for app in _list_named_apps(request)]
    return {"ApplicationAttributes": rows}


@answers_command("ManagedApplicationConfiguration", right=AccessRight.MANAGE_APPS, minimum_os=7)
def managed_application_configuration(request: ReceivedCommand) -> ResultBody:
    """List the configurations of the named apps."""
    rows = [{"Identifier": app.identifier, "Configuration": app.configuration or {}} for app in _list_named_apps(request)]
    return {"ApplicationConfigurations": rows}


@answers_command("ManagedApplicationFeedback", right=AccessRight.MANAGE_APPS, minimum_os=7)
def managed_application_feedback(request: ReceivedCommand) -> ResultBody:
    """List the feedback of the named apps, which is always empty."""
    return {"ManagedApplicationFeedback": [{"Identifier": app.identifier, "Feedback": {}} for app in _list_named_apps(request)]}


@answers_command("ValidateApplications", right=AccessRight.MANAGE_APPS, minimum_os=9)
def validate_applications(_request: ReceivedCommand) -> ResultBody:
    """Acknowledge: in-house apps are always valid."""
    return {}


@answers_command("ApplyRedemptionCode", right=AccessRight.MANAGE_APPS)
def apply_redemption_code(request: ReceivedCommand) -> ResultBody:
    """Report an error: simulated apps never wait for a redemption code."""
    request.require_argument("RedemptionCode", str)
    raise CommandFailed(
        build_error(ErrorCode.NO_SUCH_APP, f"{request.require_argument('Identifier', str)} does not need redemption.")
    )


def _list_named_apps(request: ReceivedCommand) -> list[SimulatedApp]:
    identifiers = request.require_argument("Identifiers", list)
    declared = list_declared_apps(request.device)
    return [app for key, app in request.device.apps.items() if key in identifiers and app.managed and key not in declared]
