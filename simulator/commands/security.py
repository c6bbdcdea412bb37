"""Answers about locking, passcodes, erasing and restarting (commands.md section 1). Lost mode is in `lost`."""

from __future__ import annotations

from simulator.commands.base import Body, CannotDo, Code, Malformed, Request, Right, answers, link
from simulator.device import DeferredAction


@answers("DeviceLock", right=Right.LOCK)
def device_lock(request: Request) -> Body:
    """Switch the screen off; the text's fate is told only when a text was given."""
    if not request.arguments.keys() & {"Message", "PhoneNumber"}:
        return {}
    if request.device.lost_mode:
        return {"MessageResult": "DeviceInLostMode"}
    return {"MessageResult": "Success" if request.device.has_passcode else "NoPasscodeSet"}


@answers("ClearPasscode", right=Right.LOCK)
def clear_passcode(request: Request) -> Body:
    """Only with this tablet's own unlock token."""
    if request.need("UnlockToken", bytes) != request.device.unlock_token:
        raise CannotDo(link(Code.WRONG_STATE, "The unlock token is not valid."))
    request.device.has_passcode = False
    request.device.unlocked = True
    return {}


@answers("ClearRestrictionsPassword", supervised=True)
def clear_restrictions_password(request: Request) -> Body:
    """The Screen Time passcode goes."""
    request.device.settings.pop("ScreenTimePasscode", None)
    return {}


@answers("EraseDevice", right=Right.ERASE)
def erase_device(request: Request) -> Body:
    """Acknowledge, then forget everything; with return to service, enrol again unattended."""
    service = request.arguments.get("ReturnToService") or {}
    if service:
        if not isinstance(service.get("Enabled"), bool):
            raise Malformed("ReturnToService.Enabled")
        request.device.return_to_service = service.get("MDMProfileData") if service["Enabled"] else None
    request.device.deferred_actions.append(DeferredAction.ERASE)
    return {}


@answers("ActivationLockBypassCode", supervised=True)
def activation_lock_bypass_code(request: Request) -> Body:
    """Available until it is cleared."""
    if request.device.bypass_code is None:
        raise CannotDo(link(Code.WRONG_STATE, "There is no bypass code."))
    return {"ActivationLockBypassCode": request.device.bypass_code}


@answers("ClearActivationLockBypassCode", supervised=True)
def clear_activation_lock_bypass_code(request: Request) -> Body:
    """Forget the code."""
    request.device.bypass_code = None
    return {}


@answers("RestartDevice", right=Right.LOCK, supervised=True)
def restart_device(request: Request) -> Body:
    """Boot once the answer has left."""
    request.device.deferred_actions.append(DeferredAction.RESTART)
    return {}


@answers("ShutDownDevice", right=Right.LOCK, supervised=True)
def shut_down_device(request: Request) -> Body:
    """Off until a person presses the button."""
    request.device.deferred_actions.append(DeferredAction.SHUT_DOWN)
    return {}


@answers("SecurityInfo", right=Right.SECURITY)
def security_info(request: Request) -> Body:
    """Passcode and encryption."""
    passcode = request.device.has_passcode
    return {
        "SecurityInfo": {
            "HardwareEncryptionCaps": 3,
            "PasscodePresent": passcode,
            "PasscodeCompliant": True,
            "PasscodeCompliantWithProfiles": passcode or not _passcode_demanded(request),
            "PasscodeLockGracePeriod": 0,
            "PasscodeLockGracePeriodEnforced": 0,
            "ManagementStatus": {"IsUserEnrollment": False},
        }
    }


def _passcode_demanded(request: Request) -> bool:
    payloads = request.device.installed_payloads
    return any(one["PayloadType"] == "com.apple.mobiledevice.passwordpolicy" and one.get("forcePIN") for one in payloads)
