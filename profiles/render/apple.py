"""Plain values in, an Apple configuration profile out (payloads.md sections 1, 3, 4). Pure: the same in, the same bytes out."""

from __future__ import annotations

import hashlib
import plistlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from profiles.catalog.settings import Kind, Setting

#: One identifier for every version: the newer replaces the older on the tablet.
IDENTIFIER = "fr.cartable.policy"
_NAMESPACE = UUID("4d7b4f0a-3b1e-4f6d-8a43-8e5d52cf4f5e")
MAX_DENIED = 500


@dataclass(frozen=True, slots=True)
class Filter:
    """The built-in web filter: hosts refused, and hosts permitted although the heuristic would refuse them."""

    auto: bool
    denied: tuple[str, ...]
    permitted: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rendered:
    """A profile, its UUID, which is made of its content, and the settings that this system does not understand."""

    identifier: str
    uuid: str
    plist: bytes
    left_out: tuple[str, ...]


def render_policy(
    town: str,
    values: Mapping[str, Any],
    catalog: Mapping[str, Setting],
    web: Filter | None,
    *,
    os: tuple[int, ...] | None,
    supervised: bool | None,
) -> Rendered:
    """Render one policy profile. A setting that this tablet cannot take is left out and named, never an error."""
    restrictions, left_out = _restrictions(values, catalog, os=os, supervised=supervised)
    payloads = [_payload(town, "com.apple.applicationaccess", "restrictions", restrictions)] if restrictions else []
    if web is not None and supervised is not False:
        payloads.append(_payload(town, "com.apple.webcontent-filter", "filter", _filter(web)))
    content = {
        "PayloadType": "Configuration",
        "PayloadVersion": 1,
        "PayloadIdentifier": IDENTIFIER,
        "PayloadDisplayName": "Cartable",
        "PayloadDescription": "Règles de la tablette / Rules of this tablet",
        "PayloadScope": "System",
        "PayloadContent": payloads,
    }
    # The UUID comes from the content: a ProfileList then proves which version a tablet has.
    uuid = str(uuid5(_NAMESPACE, hashlib.sha256(plistlib.dumps(content)).hexdigest())).upper()
    return Rendered(IDENTIFIER, uuid, plistlib.dumps({**content, "PayloadUUID": uuid}), tuple(left_out))


def _restrictions(
    values: Mapping[str, Any], catalog: Mapping[str, Setting], *, os: tuple[int, ...] | None, supervised: bool | None
) -> tuple[dict[str, Any], list[str]]:
    rendered: dict[str, Any] = {}
    left_out = []
    for key, value in sorted(values.items()):
        setting = catalog.get(key)
        if setting is None or not setting.supports(os, supervised=supervised) or setting.problem(value):
            left_out.append(key)
        else:
            rendered[key] = float(value) if setting.kind is Kind.REAL else value
    return rendered, left_out


def _filter(web: Filter) -> dict[str, Any]:
    made: dict[str, Any] = {"FilterType": "BuiltIn", "AutoFilterEnabled": web.auto}
    denied = _urls(web.denied)[:MAX_DENIED]
    if denied:
        made["DenyListURLs"] = denied
    if web.auto and web.permitted:
        made["PermittedURLs"] = _urls(web.permitted)
    return made


def _urls(hosts: Sequence[str]) -> list[str]:
    """Both schemes for each host: the built-in filter matches by prefix."""
    return [f"{scheme}://{host}" for host in sorted(hosts) for scheme in ("http", "https")]


def _payload(town: str, kind: str, slot: str, content: dict[str, Any]) -> dict[str, Any]:
    """A payload whose identifier and UUID stay the same over all versions of one town's policy."""
    return {
        "PayloadType": kind,
        "PayloadVersion": 1,
        "PayloadIdentifier": f"{IDENTIFIER}.{slot}",
        "PayloadUUID": str(uuid5(_NAMESPACE, f"{town}/{slot}")).upper(),
        **content,
    }
