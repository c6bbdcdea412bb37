"""Commands of security and lost mode (docs/domain/commands.md#security)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

from mdm.protocol.commands.base import DAY, BadArguments, Command, LaneHint, payload_field, require_key
from mdm.protocol.errors import BadMessage

QUARTER = 90 * DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceLock(Command):
    """Locks the screen. On a tablet without passcode anybody can unlock it."""

    request_type: ClassVar[str] = "DeviceLock"
    expires_after_restore: ClassVar[bool] = True
    lane: ClassVar[LaneHint] = LaneHint.URGENT
    timeout: ClassVar[timedelta] = 7 * DAY
    message: str | None = payload_field("Message")
    phone_number: str | None = payload_field("PhoneNumber")

    def dedupe_key(self) -> str:
        return self.request_type

    def parse_response(self, body: dict[str, Any]) -> str | None:
        """Return `MessageResult`, present when a text was sent."""
        value = body.get("MessageResult")
        return value if isinstance(value, str) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearPasscode(Command):
    """Removes the passcode with the unlock token of the newest TokenUpdate."""

    request_type: ClassVar[str] = "ClearPasscode"
    expires_after_restore: ClassVar[bool] = True
    lane: ClassVar[LaneHint] = LaneHint.URGENT
    timeout: ClassVar[timedelta] = 7 * DAY
    unlock_token: bytes = payload_field("UnlockToken", required=True)

    def dedupe_key(self) -> str:
        return self.request_type


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearRestrictionsPassword(Command):
    """Clears the Screen Time passcode."""

    request_type: ClassVar[str] = "ClearRestrictionsPassword"
    expires_after_restore: ClassVar[bool] = True
    supervised_only: ClassVar[bool] = True
    minimum_os: ClassVar[str] = "8.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnableLostMode(Command):
    """Locks the tablet until lost mode ends. Sent again, it updates the text. An unlock that was ordered before is not sent any more."""

    request_type: ClassVar[str] = "EnableLostMode"
    lane: ClassVar[LaneHint] = LaneHint.URGENT
    timeout: ClassVar[timedelta] = QUARTER
    supervised_only: ClassVar[bool] = True
    minimum_os: ClassVar[str] = "9.3"
    message: str | None = payload_field("Message")
    phone_number: str | None = payload_field("PhoneNumber")
    footnote: str | None = payload_field("Footnote")

    def __post_init__(self) -> None:
        if not (self.message or self.phone_number):
            raise BadArguments("EnableLostMode needs message or phone_number")

    def dedupe_key(self) -> str:
        return self.request_type

    def superseded_keys(self) -> tuple[str, ...]:
        return ("EnableLostMode", "DisableLostMode", "ClearPasscode")


@dataclass(frozen=True, slots=True, kw_only=True)
class DisableLostMode(Command):
    """Ends lost mode."""

    request_type: ClassVar[str] = "DisableLostMode"
    lane: ClassVar[LaneHint] = LaneHint.URGENT
    timeout: ClassVar[timedelta] = QUARTER
    supervised_only: ClassVar[bool] = True
    minimum_os: ClassVar[str] = "9.3"

    def superseded_keys(self) -> tuple[str, ...]:
        return ("EnableLostMode", "DeviceLocation", "PlayLostModeSound")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayLostModeSound(Command):
    """Plays a sound until it is silenced; only in lost mode."""

    request_type: ClassVar[str] = "PlayLostModeSound"
    lane: ClassVar[LaneHint] = LaneHint.URGENT
    timeout: ClassVar[timedelta] = DAY
    retried_after_silence: ClassVar[bool] = False
    supervised_only: ClassVar[bool] = True
    minimum_os: ClassVar[str] = "10.3"


@dataclass(frozen=True, slots=True)
class Position:
    """One measured position in degrees and metres. A negative accuracy means that it is not valid. `at`: RFC 3339."""

    latitude: float
    longitude: float
    horizontal_accuracy: float
    at: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceLocation(Command):
    """Asks for the tablet's position. The tablet answers with an error outside lost mode."""

    request_type: ClassVar[str] = "DeviceLocation"
    lane: ClassVar[LaneHint] = LaneHint.URGENT
    timeout: ClassVar[timedelta] = 3 * DAY
    supervised_only: ClassVar[bool] = True
    minimum_os: ClassVar[str] = "9.3"

    def parse_response(self, body: dict[str, Any]) -> Position:
        numbers = [body.get(name) for name in ("Latitude", "Longitude", "HorizontalAccuracy")]
        latitude, longitude, accuracy = (float(n) if isinstance(n, int | float) else None for n in numbers)
        if latitude is None or longitude is None or not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
            raise BadMessage("no position")
        at = body.get("Timestamp")
        return Position(latitude, longitude, -1.0 if accuracy is None else accuracy, at if isinstance(at, str) else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class EraseDevice(Command):
    """Erases the tablet. It may erase itself before it answers; the next Authenticate then completes the command."""

    request_type: ClassVar[str] = "EraseDevice"
    expires_after_restore: ClassVar[bool] = True
    lane: ClassVar[LaneHint] = LaneHint.URGENT
    timeout: ClassVar[timedelta] = DAY
    retried_after_silence: ClassVar[bool] = False
    destructive: ClassVar[bool] = True
    flushes_queue: ClassVar[bool] = True
    preserve_data_plan: bool | None = payload_field("PreserveDataPlan")
    disallow_proximity_setup: bool | None = payload_field("DisallowProximitySetup")
    return_to_service: dict[str, Any] | None = payload_field("ReturnToService")

    def dedupe_key(self) -> str:
        return self.request_type


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivationLockBypassCode(Command):
    """Asks for the Activation Lock bypass code, which exists for 15 days after supervision."""

    request_type: ClassVar[str] = "ActivationLockBypassCode"
    timeout: ClassVar[timedelta] = 15 * DAY
    supervised_only: ClassVar[bool] = True
    minimum_os: ClassVar[str] = "7.1"

    def parse_response(self, body: dict[str, Any]) -> str:
        return str(require_key(body, "ActivationLockBypassCode", str))


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearActivationLockBypassCode(Command):
    """Deletes the Activation Lock bypass code on the tablet."""

    request_type: ClassVar[str] = "ClearActivationLockBypassCode"
    expires_after_restore: ClassVar[bool] = True
    supervised_only: ClassVar[bool] = True
    minimum_os: ClassVar[str] = "7.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartDevice(Command):
    """Restarts the tablet. With a passcode it may stay off Wi-Fi until somebody unlocks it."""

    request_type: ClassVar[str] = "RestartDevice"
    timeout: ClassVar[timedelta] = DAY
    retried_after_silence: ClassVar[bool] = False
    supervised_only: ClassVar[bool] = True
    minimum_os: ClassVar[str] = "10.3"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShutDownDevice(Command):
    """Switches the tablet off. It cannot be switched on remotely."""

    request_type: ClassVar[str] = "ShutDownDevice"
    expires_after_restore: ClassVar[bool] = True
    timeout: ClassVar[timedelta] = DAY
    retried_after_silence: ClassVar[bool] = False
    supervised_only: ClassVar[bool] = True
    minimum_os: ClassVar[str] = "10.3"
