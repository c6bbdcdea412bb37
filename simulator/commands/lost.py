"""Commands for lost mode. The position is reported only while it is on."""

from __future__ import annotations

from simulator.commands.base import (
    CommandFailed,
    CommandMalformed,
    ErrorCode,
    ReceivedCommand,
    ResultBody,
    answers_command,
    build_error,
)
from simulator.device import LostMode


@answers_command("EnableLostMode", supervised=True, minimum_os=9)
def enable_lost_mode(request: ReceivedCommand) -> ResultBody:
    """Turn lost mode on, or change its texts."""
    texts = request.arguments
    if not texts.get("Message") and not texts.get("PhoneNumber"):
        raise CommandMalformed("Message or PhoneNumber")
    request.device.lost_mode = LostMode(texts.get("Message", ""), texts.get("PhoneNumber", ""), texts.get("Footnote", ""))
    return {}


@answers_command("DisableLostMode", supervised=True, minimum_os=9)
def disable_lost_mode(request: ReceivedCommand) -> ResultBody:
    """Turn lost mode off; an error when it is not on."""
    _require_lost_mode(request)
    request.device.lost_mode = None
    return {}


@answers_command("PlayLostModeSound", supervised=True, minimum_os=10)
def play_lost_mode_sound(request: ReceivedCommand) -> ResultBody:
    """Play the sound until lost mode ends."""
    _require_lost_mode(request).sounding = True
    return {}


@answers_command("DeviceLocation", supervised=True, minimum_os=9)
def device_location(request: ReceivedCommand) -> ResultBody:
    """Report the position, in degrees and metres."""
    _require_lost_mode(request)
    latitude, longitude = request.device.position
    return {
        "Latitude": latitude,
        "Longitude": longitude,
        "HorizontalAccuracy": 65.0,
        "VerticalAccuracy": 10.0,
        "Altitude": 41.5,
        "Speed": -1.0,
        "Course": -1.0,
        "Timestamp": request.device.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _require_lost_mode(request: ReceivedCommand) -> LostMode:
    if request.device.lost_mode is None:
        raise CommandFailed(build_error(ErrorCode.NOT_LOST, "The device is not in lost mode."))
    return request.device.lost_mode
