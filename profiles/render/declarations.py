"""Plain values in, Apple declarations out (declarative.md sections 3, 5, 6). Pure: the same in, the same tokens out.

All modes are on the tablet; one small `management.properties` says which of them holds. Activations compare it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from profiles.schedule.modes import Mode

PREFIX = "fr.cartable"
PROPERTIES = f"{PREFIX}.properties"
BASE = f"{PREFIX}.base"
ALWAYS = f"{PREFIX}.always"
SUBSCRIPTIONS = f"{PREFIX}.status"
_STATUS_ITEMS = (
    "app.managed.list",
    "device.operating-system.build-version",
    "device.operating-system.version",
    "passcode.is-compliant",
    "passcode.is-present",
    "softwareupdate.install-state",
    "softwareupdate.pending-version",
)


class DeclarationKind(StrEnum):
    """Kinds, as they stand in the path of a fetch."""

    ACTIVATION = "activation"
    CONFIGURATION = "configuration"
    ASSET = "asset"
    MANAGEMENT = "management"


@dataclass(frozen=True, slots=True)
class Declaration:
    """One declaration. Its server token is made of its content: it changes exactly when the content does."""

    kind: DeclarationKind
    identifier: str
    type: str
    payload: Mapping[str, Any]

    @property
    def server_token(self) -> str:
        """64 hexadecimal characters."""
        return hashlib.sha256(dump({"Type": self.type, "Payload": self.payload})).hexdigest()

    def document(self) -> dict[str, Any]:
        """As the tablet fetches it."""
        return {
            "Type": self.type,
            "Identifier": self.identifier,
            "ServerToken": self.server_token,
            "Payload": self.payload,
        }


@dataclass(frozen=True, slots=True)
class ManagedApp:
    """An app that is delivered by declaration."""

    bundle_identifier: str
    app_store_id: int | None
    manifest_url: str | None


def declarations(
    base_url: str, organisation: str, base: str | None, modes: Mapping[Mode, str | None], apps: Iterable[ManagedApp] = ()
) -> list[Declaration]:
    """The declarations that tablets of one situation share. `base` and `modes` are the addresses of profiles, None: empty."""
    made = [
        _configuration(SUBSCRIPTIONS, "management.status-subscriptions", {"StatusItems": [{"Name": n} for n in _STATUS_ITEMS]}),
        Declaration(
            DeclarationKind.MANAGEMENT, f"{PREFIX}.organization", "com.apple.management.organization-info", {"Name": organisation}
        ),
    ]
    always = [SUBSCRIPTIONS]
    if base is not None:
        made.append(_profile(BASE, base_url, base))
        always.append(BASE)
    for app in sorted(apps, key=lambda each: each.bundle_identifier):
        identifier = f"{PREFIX}.app.{hashlib.sha256(app.bundle_identifier.encode()).hexdigest()[:16]}"
        made.append(_configuration(identifier, "app.managed", _app(app)))
        always.append(identifier)
    made.append(_activation(ALWAYS, always, None))
    by_profile: dict[str, list[Mode]] = {}
    for mode, sha256 in modes.items():
        if sha256 is not None:
            by_profile.setdefault(sha256, []).append(mode)
    for sha256, members in sorted(by_profile.items()):
        identifier = f"{PREFIX}.mode.{sha256[:16]}"
        made.append(_profile(identifier, base_url, sha256))
        made.append(_activation(f"{PREFIX}.in.{sha256[:16]}", [identifier], predicate(members)))
    return made


def predicate(modes: Iterable[Mode]) -> str:
    """Whether the tablet is in one of these modes."""
    return " OR ".join(f'(@property(mode) == "{mode.value}")' for mode in sorted(modes))


def properties(mode: Mode) -> Declaration:
    """The one declaration that a switch of mode changes."""
    return Declaration(DeclarationKind.MANAGEMENT, PROPERTIES, "com.apple.management.properties", {"mode": mode.value})


def dump(document: Any) -> bytes:
    """JSON whose bytes depend on the content alone."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _profile(identifier: str, base_url: str, sha256: str) -> Declaration:
    return _configuration(identifier, "legacy", {"ProfileURL": f"{base_url}/mdm/profiles/{sha256}"})


def _configuration(identifier: str, kind: str, payload: Mapping[str, Any]) -> Declaration:
    return Declaration(DeclarationKind.CONFIGURATION, identifier, f"com.apple.configuration.{kind}", payload)


def _activation(identifier: str, configurations: list[str], condition: str | None) -> Declaration:
    payload: dict[str, Any] = {"StandardConfigurations": sorted(configurations)}
    if condition is not None:
        payload["Predicate"] = condition
    return Declaration(DeclarationKind.ACTIVATION, identifier, "com.apple.activation.simple", payload)


def _app(app: ManagedApp) -> dict[str, Any]:
    source: dict[str, Any] = {"ManifestURL": app.manifest_url} if app.manifest_url else {"AppStoreID": str(app.app_store_id)}
    licence = {} if app.manifest_url else {"License": {"Assignment": "Device"}}
    return {**source, "InstallBehavior": {"Install": "Required", **licence}}
