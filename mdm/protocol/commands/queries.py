"""Queries (docs/domain/commands.md#queries): commands that ask for the tablet's inventory and change nothing on it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

from mdm.protocol.commands.base import DAY, Command, LaneHint, payload_field, require_dicts, require_key


@dataclass(frozen=True, slots=True, kw_only=True)
class Query(Command):
    """Base class of the queries."""

    lane: ClassVar[LaneHint] = LaneHint.BACKGROUND
    timeout: ClassVar[timedelta] = 7 * DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceInformation(Query):
    """Asks for the named properties. One that the tablet does not know is missing from its response."""

    request_type: ClassVar[str] = "DeviceInformation"
    queries: tuple[str, ...] = payload_field("Queries", required=True, default=())
    attestation_nonce: bytes | None = payload_field("DeviceAttestationNonce")

    def parse_response(self, body: dict[str, Any]) -> dict[str, Any]:
        return dict(require_key(body, "QueryResponses", dict))


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityInfo(Query):
    """Asks for the state of passcode, encryption and management."""

    request_type: ClassVar[str] = "SecurityInfo"

    def parse_response(self, body: dict[str, Any]) -> dict[str, Any]:
        return dict(require_key(body, "SecurityInfo", dict))


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledApplicationList(Query):
    """Asks for the apps on the tablet. `items` limits the keys per app, which makes the response much smaller."""

    request_type: ClassVar[str] = "InstalledApplicationList"
    minimum_os: ClassVar[str] = "5.0"
    identifiers: tuple[str, ...] | None = payload_field("Identifiers")
    managed_apps_only: bool | None = payload_field("ManagedAppsOnly")
    items: tuple[str, ...] | None = payload_field("Items")

    def dedupe_key(self) -> str:
        return f"{self.request_type}:{bool(self.managed_apps_only)}"

    def parse_response(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        return require_dicts(body, "InstalledApplicationList")


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagedApplicationList(Query):
    """Asks for the installation status of each managed app."""

    request_type: ClassVar[str] = "ManagedApplicationList"
    minimum_os: ClassVar[str] = "5.0"
    identifiers: tuple[str, ...] | None = payload_field("Identifiers")

    def dedupe_key(self) -> str:
        return self.request_type

    def parse_response(self, body: dict[str, Any]) -> dict[str, dict[str, Any]]:
        apps_by_identifier = require_key(body, "ManagedApplicationList", dict)
        return {identifier: app for identifier, app in apps_by_identifier.items() if isinstance(app, dict)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagedApplicationAttributes(Query):
    """Asks for the attributes of managed apps."""

    request_type: ClassVar[str] = "ManagedApplicationAttributes"
    minimum_os: ClassVar[str] = "7.0"
    identifiers: tuple[str, ...] = payload_field("Identifiers", required=True, default=())

    def parse_response(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        return require_dicts(body, "ApplicationAttributes")


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagedApplicationConfiguration(Query):
    """Asks for the configurations of managed apps."""

    request_type: ClassVar[str] = "ManagedApplicationConfiguration"
    minimum_os: ClassVar[str] = "7.0"
    identifiers: tuple[str, ...] = payload_field("Identifiers", required=True, default=())

    def parse_response(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        return require_dicts(body, "ApplicationConfigurations")


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagedApplicationFeedback(Query):
    """Asks for the feedback that managed apps left for the server. `delete_feedback` deletes it afterwards."""

    request_type: ClassVar[str] = "ManagedApplicationFeedback"
    minimum_os: ClassVar[str] = "7.0"
    identifiers: tuple[str, ...] = payload_field("Identifiers", required=True, default=())
    delete_feedback: bool | None = payload_field("DeleteFeedback")

    def parse_response(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        return require_dicts(body, "ManagedApplicationFeedback")


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagedMediaList(Query):
    """Asks for the managed books."""

    request_type: ClassVar[str] = "ManagedMediaList"
    minimum_os: ClassVar[str] = "8.0"

    def parse_response(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        return require_dicts(body, "Books")


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateList(Query):
    """Asks for the certificates on the tablet."""

    request_type: ClassVar[str] = "CertificateList"
    managed_only: bool | None = payload_field("ManagedOnly")

    def dedupe_key(self) -> str:
        return self.request_type

    def parse_response(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        return require_dicts(body, "CertificateList")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileList(Query):
    """Asks for the installed configuration profiles."""

    request_type: ClassVar[str] = "ProfileList"
    managed_only: bool | None = payload_field("ManagedOnly")

    def dedupe_key(self) -> str:
        return self.request_type

    def parse_response(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        return require_dicts(body, "ProfileList")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvisioningProfileList(Query):
    """Asks for the installed provisioning profiles."""

    request_type: ClassVar[str] = "ProvisioningProfileList"
    managed_only: bool | None = payload_field("ManagedOnly")

    def parse_response(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        return require_dicts(body, "ProvisioningProfileList")


@dataclass(frozen=True, slots=True, kw_only=True)
class Restrictions(Query):
    """Asks for the restrictions in force, from all sources."""

    request_type: ClassVar[str] = "Restrictions"
    profile_restrictions: bool | None = payload_field("ProfileRestrictions")

    def parse_response(self, body: dict[str, Any]) -> dict[str, Any]:
        return dict(require_key(body, "GlobalRestrictions", dict))


@dataclass(frozen=True, slots=True, kw_only=True)
class UserList(Query):
    """Asks for the users with an account on a Shared iPad."""

    request_type: ClassVar[str] = "UserList"
    minimum_os: ClassVar[str] = "9.3"

    def parse_response(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        return require_dicts(body, "Users")
