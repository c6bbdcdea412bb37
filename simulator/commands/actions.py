"""Answers to the remaining actions (commands.md section 5): set-up, declarations, mirroring, Shared iPad, updates."""

from __future__ import annotations

import json

from simulator.commands.base import ResultBody, CommandFailed, ErrorCode, CommandMalformed, ReceivedCommand, AccessRight, command, build_error
from simulator.device import DeferredAction


@command("DeviceConfigured", supervised=True, minimum_os=9)
def device_configured(request: ReceivedCommand) -> ResultBody:
    """Ends the wait in Setup Assistant; an error when nobody waits."""
    if not request.device.awaiting_configuration:
        raise CommandFailed(build_error(ErrorCode.WRONG_STATE, "The device is not awaiting configuration."))
    request.device.awaiting_configuration = False
    return {}


@command("DeclarativeManagement", minimum_os=16)
def declarative_management(request: ReceivedCommand) -> ResultBody:
    """Acknowledge, then synchronise; `Data` saves the first round trip."""
    if "Data" in request.arguments:
        try:
            tokens = json.loads(request.require_argument("Data", bytes))
            request.device.declarations["offered"] = tokens["SyncTokens"]["DeclarationsToken"]
        except (ValueError, KeyError, TypeError) as error:
            raise CommandMalformed("Data is no TokensResponse") from error
    request.device.deferred_actions.append(DeferredAction.DECLARATIONS)
    return {}


@command("ScheduleOSUpdate", right=AccessRight.MANAGE_APPS, supervised=True, minimum_os=9, removed_in_os=27)
def schedule_os_update(request: ReceivedCommand) -> ResultBody:
    """There is nothing newer to install."""
    rows = request.require_argument("Updates", list)
    return {"UpdateResults": [{"InstallAction": "Error", **{k: row[k] for k in ("ProductKey",) if k in row}} for row in rows]}


@command("RequestMirroring", minimum_os=7)
def request_mirroring(_request: ReceivedCommand) -> ResultBody:
    """No television in the room."""
    return {"MirroringResult": "DestinationNotFound"}


@command("StopMirroring", supervised=True, minimum_os=7)
def stop_mirroring(_request: ReceivedCommand) -> ResultBody:
    """Nothing to stop."""
    return {}


@command("InviteToProgram", right=AccessRight.MANAGE_APPS, minimum_os=7)
def invite_to_program(request: ReceivedCommand) -> ResultBody:
    """An invitation to user-based licences."""
    known = request.require_argument("ProgramID", str) == "com.apple.cloudvpp"
    return {"InvitationResult": "Acknowledged" if known else "InvalidProgramID"}


@command("RefreshCellularPlans", minimum_os=13)
def refresh_cellular_plans(request: ReceivedCommand) -> ResultBody:
    """Only tablets with a modem."""
    request.require_argument("eSIMServerURL", str)
    if not request.device.hardware.cellular:
        raise CommandFailed(build_error(ErrorCode.WRONG_STATE, "No cellular plan."))
    return {}


@command("UserConfigured", shared_only=True, minimum_os=17)
@command("LogOutUser", shared_only=True)
@command("DeleteUser", shared_only=True)
def shared_ipad_only(_request: ReceivedCommand) -> ResultBody:
    """Never reached: simulated tablets are no Shared iPads."""
    return {}


@command("TriggerEnhancedLogCollection", supervised=True, minimum_os=27)
@command("CancelEnhancedLogCollection", supervised=True, minimum_os=27)
def enhanced_log_collection(_request: ReceivedCommand) -> ResultBody:
    """Accepted without effect."""
    return {}
