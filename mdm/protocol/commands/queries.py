"""Queries (commands.md section 2): what the tablet is, has and runs. Only the newest of a kind matters."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

from mdm.protocol.commands.base import DAY, Command, LaneHint, dicts, expect, key


@dataclass(frozen=True, slots=True, kw_only=True)
class Query(Command):
    """Mother of the queries."""

    lane: ClassVar[LaneHint] = LaneHint.BACKGROUND
    timeout: ClassVar[timedelta] = 7 * DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceInformation(Query):
    """Asks for named facts; one that the tablet does not know is simply missing from the answer."""

    request_type: ClassVar[str] = "DeviceInformation"
    never_not_now: ClassVar[bool] = True
    user_channel: ClassVar[bool] = True
    queries: tuple[str, ...] = key("Queries", required=True, audited=True, default=())
    attestation_nonce: bytes | None = key("DeviceAttestationNonce")

    def read(self, body: dict[str, Any]) -> dict[str, Any]:
        return dict(expect(body, "QueryResponses", dict))


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityInfo(Query):
    """Passcode, encryption and management."""

    request_type: ClassVar[str] = "SecurityInfo"
    access_right: ClassVar[int] = 1024

    def read(self, body: dict[str, Any]) -> dict[str, Any]:
        return dict(expect(body, "SecurityInfo", dict))


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledApplicationList(Query):
    """The apps on the tablet; `items` names the wanted keys and makes the answer much smaller."""

    request_type: ClassVar[str] = "InstalledApplicationList"
    never_not_now: ClassVar[bool] = True
    minimum_os: ClassVar[str] = "5.0"
    access_right: ClassVar[int] = 256
    identifiers: tuple[str, ...] | None = key("Identifiers", audited=True)
    managed_apps_only: bool | None = key("ManagedAppsOnly", audited=True)
    items: tuple[str, ...] | None = key("Items", audited=True)

    def dedupe_key(self) -> str:
        return f"{self.request_type}:{bool(self.managed_apps_only)}"

    def read(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        return dicts(body, "InstalledApplicationList")


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagedApplicationList(Query):
    """Where each managed app stands."""

    request_type: ClassVar[str] = "ManagedApplicationList"
    minimum_os: ClassVar[str] = "5.0"
    access_right: ClassVar[int] = 4096
    identifiers: tuple[str, ...] | None = key("Identifiers", audited=True)

    def dedupe_key(self) -> str:
        return self.request_type

    def read(self, body: dict[str, Any]) -> dict[str, dict[str, Any]]:
        listed = expect(body, "ManagedApplicationList", dict)
        return {name: facts for name, facts in listed.items() if isinstance(facts, dict)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagedApplicationAttributes(Query):
    """Attributes of managed apps."""

    request_type: ClassVar[str] = "ManagedApplicationAttributes"
    minimum_os: ClassVar[str] = "7.0"
    access_right: ClassVar[int] = 4096
    identifiers: tuple[str, ...] = key("Identifiers", required=True, audited=True, default=())

    def read(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        return dicts(body, "ApplicationAttributes")


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagedApplicationConfiguration(Query):
    """Configurations of managed apps."""

    request_type: ClassVar[str] = "ManagedApplicationConfiguration"
    minimum_os: ClassVar[str] = "7.0"
    access_right: ClassVar[int] = 4096
    identifiers: tuple[str, ...] = key("Identifiers", required=True, audited=True, default=())

    def read(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        return dicts(body, "ApplicationConfigurations")


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagedApplicationFeedback(Query):
    """What managed apps left for the server; `delete_feedback` empties it."""

    request_type: ClassVar[str] = "ManagedApplicationFeedback"
    minimum_os: ClassVar[str] = "7.0"
    access_right: ClassVar[int] = 4096
    identifiers: tuple[str, ...] = key("Identifiers", required=True, audited=True, default=())
    delete_feedback: bool | None = key("DeleteFeedback", audited=True)

    def read(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        return dicts(body, "ManagedApplicationFeedback")


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagedMediaList(Query):
    """Managed books."""

    request_type: ClassVar[str] = "ManagedMediaList"
    minimum_os: ClassVar[str] = "8.0"
    access_right: ClassVar[int] = 4096

    def read(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        return dicts(body, "Books")


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateList(Query):
    """Certificates on the tablet."""

    request_type: ClassVar[str] = "CertificateList"
    access_right: ClassVar[int] = 1
    managed_only: bool | None = key("ManagedOnly", audited=True)

    def dedupe_key(self) -> str:
        return self.request_type

    def read(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        return dicts(body, "CertificateList")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileList(Query):
    """Installed configuration profiles."""

    request_type: ClassVar[str] = "ProfileList"
    never_not_now: ClassVar[bool] = True
    user_channel: ClassVar[bool] = True
    access_right: ClassVar[int] = 1
    managed_only: bool | None = key("ManagedOnly", audited=True)

    def dedupe_key(self) -> str:
        return self.request_type

    def read(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        return dicts(body, "ProfileList")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvisioningProfileList(Query):
    """Installed provisioning profiles."""

    request_type: ClassVar[str] = "ProvisioningProfileList"
    never_not_now: ClassVar[bool] = True
    access_right: ClassVar[int] = 64
    managed_only: bool | None = key("ManagedOnly", audited=True)

    def read(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        return dicts(body, "ProvisioningProfileList")


@dataclass(frozen=True, slots=True, kw_only=True)
class Restrictions(Query):
    """The restrictions in force, from all sources."""

    request_type: ClassVar[str] = "Restrictions"
    never_not_now: ClassVar[bool] = True
    user_channel: ClassVar[bool] = True
    access_right: ClassVar[int] = 512
    profile_restrictions: bool | None = key("ProfileRestrictions", audited=True)

    def read(self, body: dict[str, Any]) -> dict[str, Any]:
        return dict(expect(body, "GlobalRestrictions", dict))


@dataclass(frozen=True, slots=True, kw_only=True)
class UserList(Query):
    """Users with an account on a Shared iPad."""

    request_type: ClassVar[str] = "UserList"
    shared_ipad_only: ClassVar[bool] = True
    minimum_os: ClassVar[str] = "9.3"

    def read(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        return dicts(body, "Users")
