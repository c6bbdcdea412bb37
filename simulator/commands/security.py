"""Answers about locking, passcodes, erasing and restarting (commands.md section 1). Lost mode is in `lost`."""

from __future__ import annotations

from simulator.commands.base import ResultBody, CommandFailed, ErrorCode, CommandMalformed, ReceivedCommand, AccessRight, command, build_error
from simulator.device import DeferredAction


@command("DeviceLock", right=AccessRight.LOCK)
def device_lock(request: ReceivedCommand) -> ResultBody:
    """Switch the screen off; the text's fate is told only when a text was given."""
    if not request.arguments.keys() & {"Message", "PhoneNumber"}:
        return {}
    if request.device.lost_mode:
        return {"MessageResult": "DeviceInLostMode"}
    return {"MessageResult": "Success" if request.device.has_passcode else "NoPasscodeSet"}


@command("ClearPasscode", right=AccessRight.LOCK)
def clear_passcode(request: ReceivedCommand) -> ResultBody:
    """Only with this tablet's own unlock token."""
    if request.require_argument("UnlockToken", bytes) != request.device.unlock_token:
        raise CommandFailed(build_error(ErrorCode.WRONG_STATE, "The unlock token is not valid."))
    request.device.has_passcode = False
    request.device.unlocked = True
    return {}


@command("ClearRestrictionsPassword", supervised=True)
def clear_restrictions_password(request: ReceivedCommand) -> ResultBody:
    """The Screen Time passcode goes."""
    request.device.settings.pop("ScreenTimePasscode", None)
    return {}


@command("EraseDevice", right=AccessRight.ERASE)
def erase_device(request: ReceivedCommand) -> ResultBody:
    """Acknowledge, then forget everything; with return to service, enrol again unattended."""
    service = request.arguments.get("ReturnToService") or {}
    if service:
        if not isinstance(service.get("Enabled"), bool):
            raise CommandMalformed("ReturnToService.Enabled")
        request.device.return_to_service = service.get("MDMProfileData") if service["Enabled"] else None
    request.device.deferred_actions.append(DeferredAction.ERASE)
    return {}


@command("ActivationLockBypassCode", supervised=True)
def activation_lock_bypass_code(request: ReceivedCommand) -> ResultBody:
    """Available until it is cleared."""
    if request.device.bypass_code is None:
        raise CommandFailed(build_error(ErrorCode.WRONG_STATE, "There is no bypass code."))
    return {"ActivationLockBypassCode": request.device.bypass_code}


@command("ClearActivationLockBypassCode", supervised=True)
def clear_activation_lock_bypass_code(request: ReceivedCommand) -> ResultBody:
    """Forget the code."""
    request.device.bypass_code = None
    return {}


@command("RestartDevice", right=AccessRight.LOCK, supervised=True)
def restart_device(request: ReceivedCommand) -> ResultBody:
    """Boot once the answer has left."""
    request.device.deferred_actions.append(DeferredAction.RESTART)
    return {}


@command("ShutDownDevice", right=AccessRight.LOCK, supervised=True)
def shut_down_device(request: ReceivedCommand) -> ResultBody:
    """Off until a person presses the button."""
    request.device.deferred_actions.append(DeferredAction.SHUT_DOWN)
    return {}


@command("SecurityInfo", right=AccessRight.SECURITY)
def security_info(request: ReceivedCommand) -> ResultBody:
    """Passcode and encryption."""
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
    return any(one["PayloadType"] == "com.apple.mobiledevice.passwordpolicy" and one.get("forcePIN") for one in payloads)
