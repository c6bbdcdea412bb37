"""Renders Apple configuration profiles from settings. Pure: equal input gives the same bytes.

See docs/domain/payloads.md#envelope.
"""

from __future__ import annotations

import hashlib
import json
import plistlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import uuid5

from profiles.catalog.settings import Setting
from profiles.render.payloads import (
    PAYLOAD_NAMESPACE,
    PlannedPayload,
    TabletCapabilities,
    build_payload,
    build_payloads,
    plan_payloads,
    select_with_references,
)

#: All versions have the same identifier, so that on the tablet the newer replaces the older.
PROFILE_IDENTIFIER = "fr.cartable.policy"
_RESTRICTIONS = "restrictions"
_RESTRICTIONS_TYPE = "com.apple.applicationaccess"


@dataclass(frozen=True, slots=True)
class ProfileContent:
    """The content of the profile of one tablet in one mode, and the settings that were omitted.

    `restrictions` are the keys of the one restrictions payload; `composed_payloads` are the web filter's payloads by type;
    `planned_payloads` are all other payloads by slot.
    """

    restrictions: Mapping[str, Any]
    composed_payloads: Mapping[str, Mapping[str, Any]]
    omitted_settings: tuple[str, ...]
    planned_payloads: Mapping[str, PlannedPayload] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether a profile with this content would have no payload."""
        return not (self.restrictions or self.composed_payloads or self.planned_payloads)

    @property
    def digest(self) -> str:
        """64 hexadecimal characters; equal contents have the same digest."""
        planned = {slot: [payload.type, payload.content] for slot, payload in self.planned_payloads.items()}
        serialized = json.dumps([self.restrictions, self.composed_payloads, planned], sort_keys=True, default=repr)
        return hashlib.sha256(serialized.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class ProfileDocument:
    """A rendered profile. Its UUID is derived from its content."""

    identifier: str
    uuid: str
    plist: bytes

    @property
    def sha256(self) -> str:
        """The SHA-256 of the profile, under which it is stored and served."""
        return hashlib.sha256(self.plist).hexdigest()


def build_content(
    values: Mapping[str, Any],
    catalog: Mapping[str, Setting],
    composed_payloads: Mapping[str, Mapping[str, Any]],
    *,
    os: tuple[int, ...] | None,
    supervised: bool | None,
) -> ProfileContent:
    """Return the content that a tablet supports. A setting that it does not support is omitted and listed, never an error."""
    plan = plan_payloads(values, catalog, TabletCapabilities(os, supervised))
    # A payload type that was composed (the web filter) exists once: a planned payload of that type would be a second one.
    duplicates = [slot for slot, payload in plan.slots.items() if payload.type in composed_payloads]
    planned_payloads = {slot: payload for slot, payload in plan.slots.items() if slot not in duplicates}
    restrictions = planned_payloads.pop(_RESTRICTIONS).content if _RESTRICTIONS in planned_payloads else {}
    # Settings of the product itself have no payload, so they are listed as omitted too.
    omitted_settings = (*map(str, plan.omissions), *plan.product_settings, *duplicates)
    return ProfileContent(restrictions, composed_payloads, omitted_settings, planned_payloads)


def split_by_payload_type(content: ProfileContent, types: Collection[str]) -> tuple[ProfileContent, ProfileContent]:
    """Split content in two: everything except payloads of these types, and the payloads of these types only."""

    def select(is_listed: bool) -> ProfileContent:
        restrictions = content.restrictions if (_RESTRICTIONS_TYPE in types) is is_listed else {}
        composed = {kind: payload for kind, payload in content.composed_payloads.items() if (kind in types) is is_listed}
        slots = [slot for slot, payload in content.planned_payloads.items() if (payload.type in types) is is_listed]
        return ProfileContent(restrictions, composed, content.omitted_settings, select_slots(content.planned_payloads, slots))

    return select(is_listed=False), select(is_listed=True)


def split_common_content(contents: Mapping[Any, ProfileContent]) -> tuple[ProfileContent, dict[Any, ProfileContent]]:
    """Return the content that all modes have in common, and what each mode adds to it.

    No setting is in two payloads that are active at the same time.
    """
    all_contents = list(contents.values())
    first = all_contents[0]
    common_restrictions = {
        key: value
        for key, value in first.restrictions.items()
        if all(key in content.restrictions and content.restrictions[key] == value for content in all_contents)
    }
    common_composed = {
        kind: payload
        for kind, payload in first.composed_payloads.items()
        if all(content.composed_payloads.get(kind) == payload for content in all_contents)
    }
    common_slots = [
        slot
        for slot, payload in first.planned_payloads.items()
        if all(content.planned_payloads.get(slot) == payload for content in all_contents)
    ]
    common = ProfileContent(
        common_restrictions, common_composed, first.omitted_settings, select_slots(first.planned_payloads, common_slots)
    )
    by_mode = {
        mode: ProfileContent(
            {key: value for key, value in content.restrictions.items() if key not in common_restrictions},
            {kind: payload for kind, payload in content.composed_payloads.items() if kind not in common_composed},
            (),
            # A certificate that a payload of the mode refers to is included here, even if all modes have it.
            select_slots(content.planned_payloads, [slot for slot in content.planned_payloads if slot not in common_slots]),
        )
        for mode, content in contents.items()
    }
    return common, by_mode


def select_slots(payloads: Mapping[str, PlannedPayload], slots: Sequence[str]) -> dict[str, PlannedPayload]:
    """Return the payloads in these slots, with the certificates that they refer to."""
    return {payload.slot: payload for payload in select_with_references(payloads, slots)}


def render_profile(
    town: str, content: ProfileContent, part: str = "", *, removed_after: timedelta | None = None
) -> ProfileDocument | None:
    """Render one profile; None when a part has no payload.

    `part` is appended to the identifier when the profile is one of several on a tablet. With `removed_after` the tablet itself
    removes the profile that long after it was installed, in contact or not.
    """
    identifier = f"{PROFILE_IDENTIFIER}.{part}" if part else PROFILE_IDENTIFIER
    payloads = []
    if content.restrictions:
        payloads.append(build_payload(town, identifier, _RESTRICTIONS_TYPE, _RESTRICTIONS, content.restrictions))
    for kind, payload in sorted(content.composed_payloads.items()):
        payloads.append(build_payload(town, identifier, kind, kind.rpartition(".")[2], payload))
    payloads += build_payloads(town, identifier, content.planned_payloads.values())
    if part and not payloads:
        return None
    profile: dict[str, Any] = {
        "PayloadType": "Configuration",
        "PayloadVersion": 1,
        "PayloadIdentifier": identifier,
        "PayloadDisplayName": "Cartable",
        "PayloadDescription": "Règles de la tablette / Rules of this tablet",
        "PayloadScope": "System",
        "PayloadContent": payloads,
    }
    if removed_after is not None:
        profile["DurationUntilRemoval"] = removed_after.total_seconds()
    # The UUID is derived from the content, so that a ProfileList shows which version a tablet has.
    uuid = str(uuid5(PAYLOAD_NAMESPACE, hashlib.sha256(plistlib.dumps(profile)).hexdigest())).upper()
    return ProfileDocument(identifier, uuid, plistlib.dumps({**profile, "PayloadUUID": uuid}))
