"""Commands for locking, passcodes, erasing and restarting. Lost mode is in `lost`."""

from __future__ import annotations

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


@answers_command("DeviceLock", right=AccessRight.LOCK)
def device_lock(request: ReceivedCommand) -> ResultBody:
    """Lock the screen; the result reports on the message only when there is one."""
    if not request.arguments.keys() & {"Message", "PhoneNumber"}:
        return {}
    if request.device.lost_mode:
        return {"MessageResult": "DeviceInLostMode"}
    return {"MessageResult": "Success" if request.device.has_passcode else "NoPasscodeSet"}


@answers_command("ClearPasscode", right=AccessRight.LOCK)
def clear_passcode(request: ReceivedCommand) -> ResultBody:
    """Clear the passcode; an error without the tablet's own unlock token."""
    if request.require_argument("UnlockToken", bytes) != request.device.unlock_token:
        raise CommandFailed(build_error(ErrorCode.WRONG_STATE, "The unlock token is not valid."))
    request.device.has_passcode = False
    request.device.unlocked = True
    return {}


@answers_command("ClearRestrictionsPassword", supervised=True)
def clear_restrictions_password(request: ReceivedCommand) -> ResultBody:
    """Clear the Screen Time passcode."""
    request.device.settings.pop("ScreenTimePasscode", None)
    return {}


@answers_command("EraseDevice", right=AccessRight.ERASE)
def erase_device(request: ReceivedCommand) -> ResultBody:
    """Acknowledge, then erase the tablet; with return to service, enrol again automatically."""
    service = request.arguments.get("ReturnToService") or {}
    if service:
        if not isinstance(service.get("Enabled"), bool):
            raise CommandMalformed("ReturnToService.Enabled")
        request.device.return_to_service = service.get("MDMProfileData") if service["Enabled"] else None
    request.device.deferred_actions.append(DeferredAction.ERASE)
    return {}


@answers_command("ActivationLockBypassCode", supervised=True)
def activation_lock_bypass_code(request: ReceivedCommand) -> ResultBody:
    """Report the bypass code; an error after it was cleared."""
    if request.device.bypass_code is None:
        raise CommandFailed(build_error(ErrorCode.WRONG_STATE, "There is no bypass code."))
    return {"ActivationLockBypassCode": request.device.bypass_code}


@answers_command("ClearActivationLockBypassCode", supervised=True)
def clear_activation_lock_bypass_code(request: ReceivedCommand) -> ResultBody:
    """Delete the bypass code."""
    request.device.bypass_code = None
    return {}


@answers_command("RestartDevice", right=AccessRight.LOCK, supervised=True)
def restart_device(request: ReceivedCommand) -> ResultBody:
    """Acknowledge, then restart."""
    request.device.deferred_actions.append(DeferredAction.RESTART)
    return {}


@answers_command("ShutDownDevice", right=AccessRight.LOCK, supervised=True)
def shut_down_device(request: ReceivedCommand) -> ResultBody:
    """Acknowledge, then switch off until a person switches the tablet on."""
    request.device.deferred_actions.append(DeferredAction.SHUT_DOWN)
    return {}


@answers_command("SecurityInfo", right=AccessRight.SECURITY)
def security_info(request: ReceivedCommand) -> ResultBody:
    """Report passcode and encryption."""
    passcode = request.device.has_passcode
    return {
        "SecurityInfo": {
            "HardwareEncryptionCaps": 3,
            "PasscodePresent": passcode,
            "PasscodeCompliant": True,
            "PasscodeCompliantWithProfiles": passcode or not _is_passcode_required(request),
            "PasscodeLockGracePeriod": 0,
            "PasscodeLockGracePeriodEnforced": 0,
            "ManagementStatus": {"IsUserEnrollment": False},
        }
    }


def _is_passcode_required(request: ReceivedCommand) -> bool:
    payloads = request.device.installed_payloads
    return any(
        payload["PayloadType"] == "com.apple.mobiledevice.passwordpolicy" and payload.get("forcePIN") for payload in payloads
    )
