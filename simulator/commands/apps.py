"""Answers about apps (commands.md sections 2 and 4). How long an installation takes and what fails is the store's matter."""

from __future__ import annotations

import plistlib

from simulator.commands.base import Body, CannotDo, Code, Malformed, Request, Right, answers, link
from simulator.device import App, AppState
from simulator.errors import SimulatorError


@answers("InstallApplication", right=Right.MANAGE_APPS)
async def install_application(request: Request) -> Body:
    """The answer comes when the request is accepted, long before the app is there."""
    arguments = request.arguments
    if len(arguments.keys() & {"iTunesStoreID", "Identifier", "ManifestURL"}) != 1:
        raise Malformed("exactly one of iTunesStoreID, Identifier, ManifestURL")
    identifier, version = await _which(request)
    device = request.device
    present = device.apps.get(identifier)
    if identifier in device.store.refused:
        return _rejected(identifier, device.store.refused[identifier])
    if present is not None and not present.managed and arguments.get("ChangeManagementState") != "Managed":
        return _rejected(identifier, "AppAlreadyInstalled")
    if present is not None and present.state(device.clock.now()) is AppState.INSTALLING:
        return _rejected(identifier, "AppAlreadyQueued")
    app = device.install_app(identifier, flags=arguments.get("ManagementFlags", 0), version=version)
    if "Configuration" in arguments:
        app.configuration = arguments["Configuration"]
    app.attributes = arguments.get("Attributes", app.attributes)
    return {"Identifier": identifier, "State": AppState.INSTALLING.value}


async def _which(request: Request) -> tuple[str, str]:
    arguments = request.arguments
    if "iTunesStoreID" in arguments:
        return request.device.store.bundle_of(request.need("iTunesStoreID", int)), "1.0"
    if "Identifier" in arguments:
        return request.need("Identifier", str), "1.0"
    try:
        manifest = plistlib.loads(await request.world.fetch(request.need("ManifestURL", str)))
        metadata = manifest["items"][0]["metadata"]
        return str(metadata["bundle-identifier"]), str(metadata["bundle-version"])
    except (SimulatorError, plistlib.InvalidFileException, ValueError, KeyError, IndexError, TypeError) as error:
        raise CannotDo(link(Code.NO_SUCH_APP, f"The manifest could not be read: {error}")) from error


def _rejected(identifier: str, reason: str) -> Body:
    chain = [link(Code.NO_SUCH_APP, f"{identifier}: {reason}")]
    return {"Status": "Error", "Identifier": identifier, "RejectionReason": reason, "ErrorChain": chain}


@answers("RemoveApplication", right=Right.MANAGE_APPS)
def remove_application(request: Request) -> Body:
    """Managed apps only."""
    app = request.device.apps.get(request.need("Identifier", str))
    if app is None or not app.managed:
        raise CannotDo(link(Code.NO_SUCH_APP, "The app is not managed."))
    del request.device.apps[app.identifier]
    return {}


@answers("InstalledApplicationList", right=Right.APPS)
def installed_application_list(request: Request) -> Body:
    """What is on the tablet, or being installed; `Items` narrows the keys."""
    arguments = request.arguments
    wanted = arguments.get("Identifiers")
    found = [
        app
        for app in request.device.apps.values()
        if (wanted is None or app.identifier in wanted)
        and (app.managed or not arguments.get("ManagedAppsOnly"))
        and not app.uninstalled
    ]
    rows = [_row(app, app.state(request.device.clock.now())) for app in found]
    items = arguments.get("Items")
    if items:
        rows = [{key: value for key, value in row.items() if key in {*items, "Identifier"}} for row in rows]
    return {"InstalledApplicationList": [row for row in rows if not row.get("DownloadFailed")]}


def _row(app: App, state: AppState) -> Body:
    return {
        "Identifier": app.identifier,
        "Version": app.version,
        "ShortVersion": app.version,
        "Name": app.identifier.rpartition(".")[2].capitalize(),
        "BundleSize": 80_000_000,
        "DynamicSize": 1_000_000,
        "ExternalVersionIdentifier": 850_000_000,
        "IsValidated": True,
        "Installing": state is AppState.INSTALLING,
        "DownloadFailed": state is AppState.FAILED,
        "AppStoreVendable": True,
        "DeviceBasedVPP": True,
        "HasUpdateAvailable": False,
        "BetaApp": False,
        "AdHocCodeSigned": False,
        "IsAppClip": False,
    }


@answers("ManagedApplicationList", right=Right.MANAGE_APPS)
def managed_application_list(request: Request) -> Body:
    """Failed is told once and then forgotten, as the schema says of transient states."""
    now = request.device.clock.now()
    wanted = request.arguments.get("Identifiers")
    found = {key: app for key, app in request.device.apps.items() if app.managed and (wanted is None or key in wanted)}
    told = {
        key: {
            "Status": app.state(now).value,
            "ManagementFlags": app.flags,
            "HasConfiguration": app.configuration is not None,
            "HasFeedback": False,
            "IsValidated": True,
            "ExternalVersionIdentifier": 850_000_000,
        }
        for key, app in found.items()
    }
    for key, app in found.items():
        if app.state(now) is AppState.FAILED:
            del request.device.apps[key]
    return {"ManagedApplicationList": told}


@answers("ManagedApplicationAttributes", right=Right.MANAGE_APPS, minimum=7)
def managed_application_attributes(request: Request) -> Body:
    """Of the named apps."""
    rows = [{"Identifier": app.identifier, "Attributes": app.attributes} for app in _named(request)]
    return {"ApplicationAttributes": rows}


@answers("ManagedApplicationConfiguration", right=Right.MANAGE_APPS, minimum=7)
def managed_application_configuration(request: Request) -> Body:
    """Of the named apps that have one."""
    rows = [{"Identifier": app.identifier, "Configuration": app.configuration or {}} for app in _named(request)]
    return {"ApplicationConfigurations": rows}


@answers("ManagedApplicationFeedback", right=Right.MANAGE_APPS, minimum=7)
def managed_application_feedback(request: Request) -> Body:
    """Simulated apps have nothing to say."""
    return {"ManagedApplicationFeedback": [{"Identifier": app.identifier, "Feedback": {}} for app in _named(request)]}


@answers("ValidateApplications", right=Right.MANAGE_APPS, minimum=9)
def validate_applications(_request: Request) -> Body:
    """In-house apps are believed."""
    return {}


@answers("ApplyRedemptionCode", right=Right.MANAGE_APPS)
def apply_redemption_code(request: Request) -> Body:
    """Only for an app that waits for one, which never happens here."""
    request.need("RedemptionCode", str)
    raise CannotDo(link(Code.NO_SUCH_APP, f"{request.need('Identifier', str)} does not need redemption."))


def _named(request: Request) -> list[App]:
    wanted = request.need("Identifiers", list)
    return [app for key, app in request.device.apps.items() if key in wanted and app.managed]
