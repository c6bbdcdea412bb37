"""Answers to the remaining actions (commands.md section 5): set-up, declarations, mirroring, Shared iPad, updates."""

from __future__ import annotations

import json

from simulator.commands.base import Body, CannotDo, Code, Malformed, Request, Right, answers, link
from simulator.device import AfterAnswer


@answers("DeviceConfigured", supervised=True, minimum=9)
def device_configured(request: Request) -> Body:
    """Ends the wait in Setup Assistant; an error when nobody waits."""
    if not request.device.awaiting_configuration:
        raise CannotDo(link(Code.WRONG_STATE, "The device is not awaiting configuration."))
    request.device.awaiting_configuration = False
    return {}


@answers("DeclarativeManagement", minimum=16)
def declarative_management(request: Request) -> Body:
    """Acknowledge, then synchronise; `Data` saves the first round trip."""
    if "Data" in request.arguments:
        try:
            tokens = json.loads(request.need("Data", bytes))
            request.device.declarations["offered"] = tokens["SyncTokens"]["DeclarationsToken"]
        except (ValueError, KeyError, TypeError) as error:
            raise Malformed("Data is no TokensResponse") from error
    request.device.after.append(AfterAnswer.DECLARATIONS)
    return {}


@answers("ScheduleOSUpdate", right=Right.MANAGE_APPS, supervised=True, minimum=9, removed_in=27)
def schedule_os_update(request: Request) -> Body:
    """There is nothing newer to install."""
    rows = request.need("Updates", list)
    return {"UpdateResults": [{"InstallAction": "Error", **{k: row[k] for k in ("ProductKey",) if k in row}} for row in rows]}


@answers("RequestMirroring", minimum=7)
def request_mirroring(_request: Request) -> Body:
    """No television in the room."""
    return {"MirroringResult": "DestinationNotFound"}


@answers("StopMirroring", supervised=True, minimum=7)
def stop_mirroring(_request: Request) -> Body:
    """Nothing to stop."""
    return {}


@answers("InviteToProgram", right=Right.MANAGE_APPS, minimum=7)
def invite_to_program(request: Request) -> Body:
    """An invitation to user-based licences."""
    known = request.need("ProgramID", str) == "com.apple.cloudvpp"
    return {"InvitationResult": "Acknowledged" if known else "InvalidProgramID"}


@answers("RefreshCellularPlans", minimum=13)
def refresh_cellular_plans(request: Request) -> Body:
    """Only tablets with a modem."""
    request.need("eSIMServerURL", str)
    if not request.device.hardware.cellular:
        raise CannotDo(link(Code.WRONG_STATE, "No cellular plan."))
    return {}


@answers("UserConfigured", shared_only=True, minimum=17)
@answers("LogOutUser", shared_only=True)
@answers("DeleteUser", shared_only=True)
def shared_ipad_only(_request: Request) -> Body:
    """Never reached: simulated tablets are no Shared iPads."""
    return {}


@answers("TriggerEnhancedLogCollection", supervised=True, minimum=27)
@answers("CancelEnhancedLogCollection", supervised=True, minimum=27)
def enhanced_log_collection(_request: Request) -> Body:
    """Accepted without effect."""
    return {}
