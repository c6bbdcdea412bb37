"""Commands of apps, books and media (docs/domain/commands.md#apps)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from mdm.protocol.commands.base import BadArguments, Command, payload_field

MANAGE = 1  # ManagementFlags: remove with the MDM profile
MANAGED = "Managed"  # ChangeManagementState: take over the management of an app that a person has installed
DEVICE_LICENCE = 1  # PurchaseMethod: Apps and Books


@dataclass(frozen=True, slots=True)
class InstallApplicationResponse:
    """The tablet's response to InstallApplication: accepted with a `state`, or refused with a `rejection` reason."""

    identifier: str | None
    state: str | None
    rejection: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallApplication(Command):
    """Asks the tablet to install an app. Acknowledged means that the request was accepted, not that the app is installed."""

    request_type: ClassVar[str] = "InstallApplication"
    minimum_os: ClassVar[str] = "5.0"
    itunes_store_id: int | None = payload_field("iTunesStoreID")
    identifier: str | None = payload_field("Identifier")
    manifest_url: str | None = payload_field("ManifestURL")
    options: dict[str, Any] | None = payload_field("Options")
    management_flags: int | None = payload_field("ManagementFlags")
    configuration: dict[str, Any] | None = payload_field("Configuration")
    attributes: dict[str, Any] | None = payload_field("Attributes")
    change_management_state: str | None = payload_field("ChangeManagementState")

    def __post_init__(self) -> None:
        if sum(source is not None for source in (self.itunes_store_id, self.identifier, self.manifest_url)) != 1:
            raise BadArguments("InstallApplication needs exactly one of itunes_store_id, identifier, manifest_url")

    def dedupe_key(self) -> str:
        return f"{self.request_type}:{self.itunes_store_id or self.identifier or self.manifest_url}"[:96]

    def parse_response(self, body: dict[str, Any]) -> InstallApplicationResponse:
        texts = [body.get(name) for name in ("Identifier", "State", "RejectionReason")]
        return InstallApplicationResponse(*(text if isinstance(text, str) else None for text in texts))

    def parse_failure(self, body: dict[str, Any]) -> InstallApplicationResponse:
        """Tablets send the reason of a refusal with Status Error, some also with Acknowledged."""
        return self.parse_response(body)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveApplication(Command):
    """Removes a managed app and its data."""

    request_type: ClassVar[str] = "RemoveApplication"
    expires_after_restore: ClassVar[bool] = True
    minimum_os: ClassVar[str] = "5.0"
    identifier: str = payload_field("Identifier", required=True)

    def dedupe_key(self) -> str:
        return f"{self.request_type}:{self.identifier}"[:96]


@dataclass(frozen=True, slots=True, kw_only=True)
class InviteToProgram(Command):
    """Invites a person to user licences."""

    request_type: ClassVar[str] = "InviteToProgram"
    retried_after_silence: ClassVar[bool] = False
    minimum_os: ClassVar[str] = "7.0"
    program_id: str = payload_field("ProgramID", default="com.apple.cloudvpp")
    invitation_url: str = payload_field("InvitationURL", required=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidateApplications(Command):
    """Validates in-house apps."""

    request_type: ClassVar[str] = "ValidateApplications"
    minimum_os: ClassVar[str] = "9.2"
    identifiers: tuple[str, ...] | None = payload_field("Identifiers")


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallMedia(Command):
    """Installs a book from the store or from a URL."""

    request_type: ClassVar[str] = "InstallMedia"
    minimum_os: ClassVar[str] = "8.0"
    media_type: str = payload_field("MediaType", default="Book")
    itunes_store_id: int | None = payload_field("iTunesStoreID")
    media_url: str | None = payload_field("MediaURL")
    persistent_id: str | None = payload_field("PersistentID")
    kind: str | None = payload_field("Kind")
    version: str | None = payload_field("Version")
    author: str | None = payload_field("Author")
    title: str | None = payload_field("Title")

    def __post_init__(self) -> None:
        if (self.itunes_store_id is None) == (self.media_url is None):
            raise BadArguments("InstallMedia needs either itunes_store_id or media_url")


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveMedia(Command):
    """Removes a managed book."""

    request_type: ClassVar[str] = "RemoveMedia"
    expires_after_restore: ClassVar[bool] = True
    minimum_os: ClassVar[str] = "8.0"
    media_type: str = payload_field("MediaType", default="Book")
    itunes_store_id: int | None = payload_field("iTunesStoreID")
    persistent_id: str | None = payload_field("PersistentID")
