"""Builds Apple declarations from settings. Pure: equal input gives equal server tokens.

The configurations of all modes are on the tablet. One small `management.properties` declaration names the current mode, and
the activations' predicates compare it. See docs/domain/declarations.md#activations.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from profiles.schedule.modes import Mode

IDENTIFIER_PREFIX = "fr.cartable"
PROPERTIES_IDENTIFIER = f"{IDENTIFIER_PREFIX}.properties"
BASE_IDENTIFIER = f"{IDENTIFIER_PREFIX}.base"
ALWAYS_IDENTIFIER = f"{IDENTIFIER_PREFIX}.always"
UPDATE_IDENTIFIER = f"{IDENTIFIER_PREFIX}.update"
SUBSCRIPTIONS_IDENTIFIER = f"{IDENTIFIER_PREFIX}.status"
#: Common to the identifiers of everything that is declared of apps: their configurations, and the assets with their values.
APP_PREFIX = f"{IDENTIFIER_PREFIX}.app"
#: Where a tablet fetches the values that an app reads, as a property list: the app and the digest of its entries follow.
APP_VALUES_PATH = "/mdm/app-values/"
APP_VALUES_MEDIA_TYPE = "application/x-plist"
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
    """The kinds of declarations, as in the path under which a tablet fetches one."""

    ACTIVATION = "activation"
    CONFIGURATION = "configuration"
    ASSET = "asset"
    MANAGEMENT = "management"


@dataclass(frozen=True, slots=True)
class Declaration:
    """One declaration. Its server token is derived from its content, so it changes exactly when the content does."""

    kind: DeclarationKind
    identifier: str
    type: str
    payload: Mapping[str, Any]

    @property
    def server_token(self) -> str:
        """64 hexadecimal characters."""
        return hashlib.sha256(serialize_canonical({"Type": self.type, "Payload": self.payload})).hexdigest()

    def to_document(self) -> dict[str, Any]:
        """Return the declaration as a tablet fetches it."""
        return {
            "Type": self.type,
            "Identifier": self.identifier,
            "ServerToken": self.server_token,
            "Payload": self.payload,
        }


@dataclass(frozen=True, slots=True)
class ManagedApp:
    """An app that is delivered by declaration. `values` is where its managed configuration is, below `APP_VALUES_PATH`."""

    bundle_identifier: str
    app_store_id: int | None
    manifest_url: str | None
    values: str | None = None


def build_declarations(
    base_url: str,
    organisation: str,
    base: str | None,
    modes: Mapping[Mode, str | None],
    apps: Iterable[ManagedApp] = (),
    dns: Mapping[Mode, Mapping[str, Any]] = MappingProxyType({}),
    update: Mapping[str, Any] | None = None,
) -> list[Declaration]:
    """Build the declarations that tablets in the same situation share.

    `base` and `modes` are the SHA-256 addresses of profiles, for all modes and by mode; None where there is no profile. `dns` are the
    DNS settings by mode where they are declarations of their own; `update` is the payload that enforces a version of the system.
    """
    declarations = [
        _build_configuration(
            SUBSCRIPTIONS_IDENTIFIER, "management.status-subscriptions", {"StatusItems": [{"Name": n} for n in _STATUS_ITEMS]}
        ),
        Declaration(
            DeclarationKind.MANAGEMENT,
            f"{IDENTIFIER_PREFIX}.organization",
            "com.apple.management.organization-info",
            {"Name": organisation},
        ),
    ]
    always = [SUBSCRIPTIONS_IDENTIFIER]
    if base is not None:
        declarations.append(_build_profile_configuration(BASE_IDENTIFIER, base_url, base))
        always.append(BASE_IDENTIFIER)
    if update is not None:
        declarations.append(_build_configuration(UPDATE_IDENTIFIER, "softwareupdate.enforcement.specific", update))
        always.append(UPDATE_IDENTIFIER)
    for app in sorted(apps, key=lambda app: app.bundle_identifier):
        identifier = build_app_identifier(app.bundle_identifier)
        declarations.append(_build_configuration(identifier, "app.managed", _build_app_payload(app)))
        always.append(identifier)
        if app.values is not None:
            declarations.append(_build_values_asset(base_url, app.values))
    declarations.append(_build_activation(ALWAYS_IDENTIFIER, always, None))
    modes_by_profile: dict[str, list[Mode]] = {}
    for mode, sha256 in modes.items():
        if sha256 is not None:
            modes_by_profile.setdefault(sha256, []).append(mode)
    for sha256, profile_modes in sorted(modes_by_profile.items()):
        identifier = f"{IDENTIFIER_PREFIX}.mode.{sha256[:16]}"
        declarations.append(_build_profile_configuration(identifier, base_url, sha256))
        declarations.append(
            _build_activation(f"{IDENTIFIER_PREFIX}.in.{sha256[:16]}", [identifier], build_predicate(profile_modes))
        )
    return [*declarations, *_build_dns_declarations(dns)]


def _build_dns_declarations(dns: Mapping[Mode, Mapping[str, Any]]) -> Iterator[Declaration]:
    """Yield each DNS setting once, with the activation of the modes that have it."""
    modes_by_digest: dict[str, list[Mode]] = {}
    for mode, payload in dns.items():
        modes_by_digest.setdefault(hashlib.sha256(serialize_canonical(payload)).hexdigest()[:16], []).append(mode)
    for digest, modes in sorted(modes_by_digest.items()):
        identifier = f"{IDENTIFIER_PREFIX}.dns.{digest}"
        yield _build_configuration(identifier, "network.dns-settings", dns[modes[0]])
        yield _build_activation(f"{IDENTIFIER_PREFIX}.dns-in.{digest}", [identifier], build_predicate(modes))


def build_predicate(modes: Iterable[Mode]) -> str:
    """Return the predicate that is true while the tablet is in one of these modes."""
    return " OR ".join(f'(@property(mode) == "{mode.value}")' for mode in sorted(modes))


def build_mode_properties(mode: Mode) -> Declaration:
    """Build the declaration that names the current mode: the only one that a change of mode changes."""
    return Declaration(DeclarationKind.MANAGEMENT, PROPERTIES_IDENTIFIER, "com.apple.management.properties", {"mode": mode.value})


def build_set_items(
    shared: Iterable[Mapping[str, Any]], mode: Mode, repairs: Mapping[str, int] | None = None
) -> list[dict[str, Any]]:
    """Return the declarations of a tablet as its manifest names them: those of its set, and the properties of its mode.

    `shared` are the stored documents with their kind. A declaration in `repairs`, by identifier, gets another server token at each
    attempt: a tablet fetches and applies again only what has a new one.
    """
    properties = build_mode_properties(mode)
    items = [*shared, {"Kind": properties.kind.value, **properties.to_document()}]
    return [
        {**item, "ServerToken": renew_token(str(item["ServerToken"]), (repairs or {}).get(str(item["Identifier"]), 0))}
        for item in items
    ]


def renew_token(server_token: str, attempt: int) -> str:
    """Return the server token of a declaration at an attempt; the first one, which is 0, has the token of the content."""
    return server_token if attempt == 0 else hashlib.sha256(f"{server_token}:{attempt}".encode()).hexdigest()


def select_effective_identifiers(items: Iterable[Mapping[str, Any]], mode: Mode) -> set[str]:
    """Return the identifiers of the activations that apply in a mode, and of the configurations that they name."""
    effective: set[str] = set()
    for item in items:
        if item["Kind"] == DeclarationKind.ACTIVATION and _applies_in(item["Payload"], mode):
            effective |= {str(item["Identifier"]), *item["Payload"]["StandardConfigurations"]}
    return effective


def _applies_in(activation: Mapping[str, Any], mode: Mode) -> bool:
    """Return whether the predicate of an activation, as `build_predicate` writes it, is true in a mode."""
    predicate = activation.get("Predicate")
    return predicate is None or build_predicate([mode]) in str(predicate)


def serialize_canonical(document: Any) -> bytes:
    """Return JSON whose bytes depend only on the content."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _build_profile_configuration(identifier: str, base_url: str, sha256: str) -> Declaration:
    return _build_configuration(identifier, "legacy", {"ProfileURL": f"{base_url}/mdm/profiles/{sha256}"})


def _build_configuration(identifier: str, kind: str, payload: Mapping[str, Any]) -> Declaration:
    return Declaration(DeclarationKind.CONFIGURATION, identifier, f"com.apple.configuration.{kind}", payload)


def _build_activation(identifier: str, configurations: list[str], condition: str | None) -> Declaration:
    payload: dict[str, Any] = {"StandardConfigurations": sorted(configurations)}
    if condition is not None:
        payload["Predicate"] = condition
    return Declaration(DeclarationKind.ACTIVATION, identifier, "com.apple.activation.simple", payload)


def build_app_identifier(bundle_identifier: str) -> str:
    """Return the identifier of the configuration that installs an app."""
    return f"{APP_PREFIX}.{hashlib.sha256(bundle_identifier.encode()).hexdigest()[:16]}"


def build_values_identifier(values: str) -> str:
    """Return the identifier of the asset with the values of an app: another one for other entries, so that the app's changes too."""
    return f"{APP_PREFIX}-values.{hashlib.sha256(values.encode()).hexdigest()[:16]}"


def _build_app_payload(app: ManagedApp) -> dict[str, Any]:
    source: dict[str, Any] = {"ManifestURL": app.manifest_url} if app.manifest_url else {"AppStoreID": str(app.app_store_id)}
    licence = {} if app.manifest_url else {"License": {"Assignment": "Device"}}
    values = {} if app.values is None else {"LegacyAppConfigAssetReference": build_values_identifier(app.values)}
    return {**source, "InstallBehavior": {"Install": "Required", **licence}, **values}


def _build_values_asset(base_url: str, values: str) -> Declaration:
    """Build the asset with the values of an app. Size and hash are left out: the values may name the tablet that fetches them."""
    reference = {"DataURL": f"{base_url}{APP_VALUES_PATH}{values}", "ContentType": APP_VALUES_MEDIA_TYPE}
    return Declaration(
        DeclarationKind.ASSET,
        build_values_identifier(values),
        "com.apple.asset.data",
        {"Reference": reference, "Authentication": {"Type": "MDM"}},
    )
