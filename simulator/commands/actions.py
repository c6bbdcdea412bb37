"""Commands for set-up, declarations, mirroring, Shared iPad and system updates."""

from __future__ import annotations

import json

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
from simulator.device import DeferredAction


@answers_command("DeviceConfigured", supervised=True, minimum_os=9)
def device_configured(request: ReceivedCommand) -> ResultBody:
    """End the wait in Setup Assistant; an error when the tablet is not waiting."""
    if not request.device.awaiting_configuration:
        raise CommandFailed(build_error(ErrorCode.WRONG_STATE, "The device is not awaiting configuration."))
    request.device.awaiting_configuration = False
    return {}


@answers_command("DeclarativeManagement", minimum_os=16)
def declarative_management(request: ReceivedCommand) -> ResultBody:
    """Acknowledge, then synchronise declarations; `Data` has the tokens and saves the first request."""
    if "Data" in request.arguments:
        try:
            tokens = json.loads(request.require_argument("Data", bytes))
            request.device.declarations["offered"] = tokens["SyncTokens"]["DeclarationsToken"]
        except (ValueError, KeyError, TypeError) as error:
            raise CommandMalformed("Data is no TokensResponse") from error
    request.device.deferred_actions.append(DeferredAction.DECLARATIONS)
    return {}


@answers_command("ScheduleOSUpdate", right=AccessRight.MANAGE_APPS, supervised=True, minimum_os=9, removed_in_os=27)
def schedule_os_update(request: ReceivedCommand) -> ResultBody:
    """Report an error for each update: there is nothing newer to install."""
    rows = request.require_argument("Updates", list)
    return {"UpdateResults": [{"InstallAction": "Error", **{k: row[k] for k in ("ProductKey",) if k in row}} for row in rows]}


@answers_command("RequestMirroring", minimum_os=7)
def request_mirroring(_request: ReceivedCommand) -> ResultBody:
    """Report that the AirPlay destination was not found."""
    return {"MirroringResult": "DestinationNotFound"}


@answers_command("StopMirroring", supervised=True, minimum_os=7)
def stop_mirroring(_request: ReceivedCommand) -> ResultBody:
    """Acknowledge: there is no mirroring to stop."""
    return {}


@answers_command("InviteToProgram", right=AccessRight.MANAGE_APPS, minimum_os=7)
def invite_to_program(request: ReceivedCommand) -> ResultBody:
    """Accept the invitation to user-based licences."""
    known = request.require_argument("ProgramID", str) == "com.apple.cloudvpp"
    return {"InvitationResult": "Acknowledged" if known else "InvalidProgramID"}


@answers_command("RefreshCellularPlans", minimum_os=13)
def refresh_cellular_plans(request: ReceivedCommand) -> ResultBody:
    """Acknowledge on tablets with a modem; an error on others."""
    request.require_argument("eSIMServerURL", str)
    if not request.device.hardware.cellular:
        raise CommandFailed(build_error(ErrorCode.WRONG_STATE, "No cellular plan."))
    return {}


@answers_command("UserConfigured", shared_only=True, minimum_os=17)
@answers_command("LogOutUser", shared_only=True)
@answers_command("DeleteUser", shared_only=True)
def shared_ipad_only(_request: ReceivedCommand) -> ResultBody:
    """Never reached, because simulated tablets are not Shared iPads."""
    return {}


@answers_command("TriggerEnhancedLogCollection", supervised=True, minimum_os=27)
@answers_command("CancelEnhancedLogCollection", supervised=True, minimum_os=27)
def enhanced_log_collection(_request: ReceivedCommand) -> ResultBody:
    """Acknowledge without an effect."""
    return {}
