"""Plain values in, Apple configuration profiles out (payloads.md sections 1, 3, 4). Pure: the same in, the same bytes out."""

from __future__ import annotations

import hashlib
import plistlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from profiles.catalog.settings import RESTRICTIONS, Kind, Setting

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
class Content:
    """What one tablet shall hold in one mode: payload slots with their content, and the settings left out.

    A slot is a place that exists once on a tablet: restrictions by key, the web filter.
    """

    restrictions: Mapping[str, Any]
    web: Mapping[str, Any] | None
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rendered:
    """A profile, its UUID, which is made of its content."""

    identifier: str
    uuid: str
    plist: bytes

    @property
    def sha256(self) -> str:
        """Its address."""
        return hashlib.sha256(self.plist).hexdigest()


def content_of(
    values: Mapping[str, Any],
    catalog: Mapping[str, Setting],
    web: Filter | None,
    *,
    os: tuple[int, ...] | None,
    supervised: bool | None,
) -> Content:
    """What a tablet can take of the values. A setting that it cannot is left out and named, never an error."""
    restrictions, left_out = _restrictions(values, catalog, os=os, supervised=supervised)
    return Content(restrictions, _filter(web) if web is not None and supervised is not False else None, tuple(left_out))


def split(contents: Mapping[Any, Content]) -> tuple[Content, dict[Any, Content]]:
    """What all modes have in common, and what each adds: no setting is ever in two payloads that are in force together."""
    every = list(contents.values())
    first = every[0]
    same = {
        key: value
        for key, value in first.restrictions.items()
        if all(key in each.restrictions and each.restrictions[key] == value for each in every)
    }
    web = first.web if all(each.web == first.web for each in every) else None
    common = Content(same, web, first.left_out)
    own = {
        mode: Content(
            {key: value for key, value in each.restrictions.items() if key not in same},
            None if web is not None else each.web,
            (),
        )
        for mode, each in contents.items()
    }
    return common, own


def render(town: str, content: Content, part: str = "") -> Rendered | None:
    """Render one profile; None when it would hold nothing. `part` makes the identifier of a profile that others accompany."""
    identifier = f"{IDENTIFIER}.{part}" if part else IDENTIFIER
    payloads = []
    if content.restrictions:
        payloads.append(_payload(town, identifier, "com.apple.applicationaccess", "restrictions", content.restrictions))
    if content.web is not None:
        payloads.append(_payload(town, identifier, "com.apple.webcontent-filter", "filter", content.web))
    if part and not payloads:
        return None
    profile = {
        "PayloadType": "Configuration",
        "PayloadVersion": 1,
        "PayloadIdentifier": identifier,
        "PayloadDisplayName": "Cartable",
        "PayloadDescription": "Règles de la tablette / Rules of this tablet",
        "PayloadScope": "System",
        "PayloadContent": payloads,
    }
    # The UUID comes from the content: a ProfileList then proves which version a tablet has.
    uuid = str(uuid5(_NAMESPACE, hashlib.sha256(plistlib.dumps(profile)).hexdigest())).upper()
    return Rendered(identifier, uuid, plistlib.dumps({**profile, "PayloadUUID": uuid}))


def _restrictions(
    values: Mapping[str, Any], catalog: Mapping[str, Setting], *, os: tuple[int, ...] | None, supervised: bool | None
) -> tuple[dict[str, Any], list[str]]:
    rendered: dict[str, Any] = {}
    left_out = []
    for key, value in sorted(values.items()):
        setting = catalog.get(key)
        if setting is None or not setting.supports(os, supervised=supervised) or setting.problem(value):
            left_out.append(key)
        elif setting.payload != RESTRICTIONS:
            left_out.append(key)  # another payload's: never among the restrictions
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


def _payload(town: str, identifier: str, kind: str, slot: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """A payload whose identifier and UUID stay the same over all versions of one town's policy."""
    return {
        "PayloadType": kind,
        "PayloadVersion": 1,
        "PayloadIdentifier": f"{identifier}.{slot}",
        "PayloadUUID": str(uuid5(_NAMESPACE, f"{town}/{identifier}/{slot}")).upper(),
        **content,
    }
