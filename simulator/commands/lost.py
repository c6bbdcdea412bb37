"""Answers about lost mode (commands.md section 1). A position is given only while it is on."""

from __future__ import annotations

from simulator.commands.base import Body, CannotDo, Code, Malformed, Request, answers, link
from simulator.device import LostMode


@answers("EnableLostMode", supervised=True, minimum=9)
def enable_lost_mode(request: Request) -> Body:
    """On, or with a new text."""
    texts = request.arguments
    if not texts.get("Message") and not texts.get("PhoneNumber"):
        raise Malformed("Message or PhoneNumber")
    request.device.lost_mode = LostMode(texts.get("Message", ""), texts.get("PhoneNumber", ""), texts.get("Footnote", ""))
    return {}


@answers("DisableLostMode", supervised=True, minimum=9)
def disable_lost_mode(request: Request) -> Body:
    """Off; an error when it was not on."""
    _lost(request)
    request.device.lost_mode = None
    return {}


@answers("PlayLostModeSound", supervised=True, minimum=10)
def play_lost_mode_sound(request: Request) -> Body:
    """It sounds until lost mode ends."""
    _lost(request).sounding = True
    return {}


@answers("DeviceLocation", supervised=True, minimum=9)
def device_location(request: Request) -> Body:
    """The position, in degrees and metres."""
    _lost(request)
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


def _lost(request: Request) -> LostMode:
    if request.device.lost_mode is None:
        raise CannotDo(link(Code.NOT_LOST, "The device is not in lost mode."))
    return request.device.lost_mode
