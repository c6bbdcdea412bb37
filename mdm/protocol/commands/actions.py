"""Commands that configure a tablet or make it do something (docs/domain/commands.md#actions)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

from mdm.protocol.commands.base import DAY, Command, LaneHint, payload_field, require_dicts


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsCommand(Command):
    """Applies settings items. The command is acknowledged even when an item failed: each item has its own status."""

    request_type: ClassVar[str] = "Settings"
    minimum_os: ClassVar[str] = "5.0"
    settings: tuple[dict[str, Any], ...] = payload_field("Settings", required=True, default=())

    def dedupe_key(self) -> str:
        items = [f"{item.get('Item')}/{item.get('Identifier', '')}" for item in self.settings]
        return f"{self.request_type}:{','.join(sorted(items))}"[:96]

    def superseded_keys(self) -> tuple[str, ...]:
        return (self.dedupe_key(),)

    def parse_response(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        return require_dicts(body, "Settings")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceConfigured(Command):
    """Lets a tablet leave the Setup Assistant, which waits for this command without a time limit."""

    request_type: ClassVar[str] = "DeviceConfigured"
    supervised_only: ClassVar[bool] = True
    minimum_os: ClassVar[str] = "9.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class UserConfigured(Command):
    """Ends the wait of a Shared iPad user during sign-in."""

    request_type: ClassVar[str] = "UserConfigured"
    minimum_os: ClassVar[str] = "17.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclarativeManagement(Command):
    """Turns declarative management on and asks for a synchronisation. `data` is the TokensResponse, which saves a round trip."""

    request_type: ClassVar[str] = "DeclarativeManagement"
    acknowledgement_is_handled: ClassVar[bool] = False  # it says that the tablet will ask; a status report says what it has done
    minimum_os: ClassVar[str] = "15.0"
    data: bytes | None = payload_field("Data")

    def dedupe_key(self) -> str:
        return self.request_type

    def superseded_keys(self) -> tuple[str, ...]:
        return (self.request_type,)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestMirroring(Command):
    """Asks the tablet to mirror its screen."""

    request_type: ClassVar[str] = "RequestMirroring"
    lane: ClassVar[LaneHint] = LaneHint.URGENT
    timeout: ClassVar[timedelta] = timedelta(minutes=10)
    retried_after_silence: ClassVar[bool] = False
    minimum_os: ClassVar[str] = "7.0"
    destination_name: str | None = payload_field("DestinationName")
    destination_device_id: str | None = payload_field("DestinationDeviceID")
    scan_time: int | None = payload_field("ScanTime")
    password: str | None = payload_field("Password")


@dataclass(frozen=True, slots=True, kw_only=True)
class StopMirroring(Command):
    """Ends mirroring."""

    request_type: ClassVar[str] = "StopMirroring"
    lane: ClassVar[LaneHint] = LaneHint.URGENT
    timeout: ClassVar[timedelta] = timedelta(hours=1)
    supervised_only: ClassVar[bool] = True
    minimum_os: ClassVar[str] = "7.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteUser(Command):
    """Deletes a user's data from a Shared iPad."""

    request_type: ClassVar[str] = "DeleteUser"
    expires_after_restore: ClassVar[bool] = True
    timeout: ClassVar[timedelta] = DAY
    destructive: ClassVar[bool] = True
    minimum_os: ClassVar[str] = "9.3"
    user_name: str | None = payload_field("UserName")
    force_deletion: bool | None = payload_field("ForceDeletion")
    delete_all_users: bool | None = payload_field("DeleteAllUsers")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOutUser(Command):
    """Logs out the current user of a Shared iPad."""

    request_type: ClassVar[str] = "LogOutUser"
    timeout: ClassVar[timedelta] = DAY
    minimum_os: ClassVar[str] = "9.3"


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshCellularPlans(Command):
    """Asks a carrier's server for an eSIM plan."""

    request_type: ClassVar[str] = "RefreshCellularPlans"
    minimum_os: ClassVar[str] = "13.0"
    esim_server_url: str = payload_field("eSIMServerURL", required=True)
