"""Commands that install and remove profiles (docs/domain/commands.md#profiles)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import ClassVar

from mdm.protocol.commands.base import DAY, Command, payload_field


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallProfile(Command):
    """Installs a profile, or replaces the one with the same identifier.

    `identifier` is not sent, since the tablet reads it in the profile. It serves the dedupe key.
    """

    request_type: ClassVar[str] = "InstallProfile"
    timeout: ClassVar[timedelta] = 30 * DAY
    payload_data: bytes = payload_field("Payload", required=True)
    identifier: str = field(default="", metadata={"required": True})

    def dedupe_key(self) -> str:
        return f"{self.request_type}:{self.identifier}"[:96]

    def superseded_keys(self) -> tuple[str, ...]:
        return (self.dedupe_key(), f"RemoveProfile:{self.identifier}"[:96])


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveProfile(Command):
    """Removes a profile that this server installed. An Error for a profile that is not there counts as success."""

    request_type: ClassVar[str] = "RemoveProfile"
    expires_after_restore: ClassVar[bool] = True
    identifier: str = payload_field("Identifier", required=True)

    def dedupe_key(self) -> str:
        return f"{self.request_type}:{self.identifier}"[:96]

    def superseded_keys(self) -> tuple[str, ...]:
        return (f"InstallProfile:{self.identifier}"[:96],)


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallProvisioningProfile(Command):
    """Installs a provisioning profile for in-house apps."""

    request_type: ClassVar[str] = "InstallProvisioningProfile"
    provisioning_profile: bytes = payload_field("ProvisioningProfile", required=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveProvisioningProfile(Command):
    """Removes a provisioning profile."""

    request_type: ClassVar[str] = "RemoveProvisioningProfile"
    expires_after_restore: ClassVar[bool] = True
    uuid: str = payload_field("UUID", required=True)
