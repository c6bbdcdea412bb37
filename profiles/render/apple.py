"""Plain values in, Apple configuration profiles out (payloads.md sections 1, 3, 4). Pure: the same in, the same bytes out."""

from __future__ import annotations

import hashlib
import json
import plistlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid5

from profiles.catalog.settings import Setting
from profiles.render.payloads import NAMESPACE, Planned, Tablet, payload, payloads, plan, with_needs

#: One identifier for every version: the newer replaces the older on the tablet.
IDENTIFIER = "fr.cartable.policy"
_RESTRICTIONS = "restrictions"
_TYPE = "com.apple.applicationaccess"


@dataclass(frozen=True, slots=True)
class Content:
    """What one tablet shall hold in one mode: payload slots with their content, and the settings left out.

    A slot is a place that exists once on a tablet: restrictions by key, the composed filter by its payload types, every other
    payload as a whole.
    """

    restrictions: Mapping[str, Any]
    others: Mapping[str, Mapping[str, Any]]
    left_out: tuple[str, ...]
    more: Mapping[str, Planned] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether a profile of it would hold nothing."""
        return not (self.restrictions or self.others or self.more)

    @property
    def digest(self) -> str:
        """64 hexadecimal characters: the same, the same content."""
        more = {slot: [planned.type, planned.content] for slot, planned in self.more.items()}
        parts = json.dumps([self.restrictions, self.others, more], sort_keys=True, default=repr)
        return hashlib.sha256(parts.encode()).hexdigest()


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
    others: Mapping[str, Mapping[str, Any]],
    *,
    os: tuple[int, ...] | None,
    supervised: bool | None,
) -> Content:
    """What a tablet can take of the values. A setting that it cannot is left out and named, never an error."""
    planned = plan(values, catalog, Tablet(os, supervised))
    # What was composed (the filter) exists once: a layer's own payload of that type would be a second one.
    second = [slot for slot, each in planned.slots.items() if each.type in others]
    more = {slot: each for slot, each in planned.slots.items() if slot not in second}
    restrictions = more.pop(_RESTRICTIONS).content if _RESTRICTIONS in more else {}
    # What the product itself answers is no payload; until something answers it, it is left out as well.
    refused = (*map(str, planned.left_out), *planned.own, *second)
    return Content(restrictions, others, refused, more)


def apart(content: Content, types: Collection[str]) -> tuple[Content, Content]:
    """What a tablet shall hold without payloads of these types, and these alone."""

    def part(inside: bool) -> Content:
        restrictions = content.restrictions if (_TYPE in types) is inside else {}
        others = {kind: each for kind, each in content.others.items() if (kind in types) is inside}
        slots = [slot for slot, planned in content.more.items() if (planned.type in types) is inside]
        return Content(restrictions, others, content.left_out, _part_of(content.more, slots))

    return part(inside=False), part(inside=True)


def split(contents: Mapping[Any, Content]) -> tuple[Content, dict[Any, Content]]:
    """What all modes have in common, and what each adds: no setting is ever in two payloads that are in force together."""
    every = list(contents.values())
    first = every[0]
    same = {
        key: value
        for key, value in first.restrictions.items()
        if all(key in each.restrictions and each.restrictions[key] == value for each in every)
    }
    composed = {
        kind: content for kind, content in first.others.items() if all(each.others.get(kind) == content for each in every)
    }
    shared = [slot for slot, planned in first.more.items() if all(each.more.get(slot) == planned for each in every)]
    common = Content(same, composed, first.left_out, _part_of(first.more, shared))
    own = {
        mode: Content(
            {key: value for key, value in each.restrictions.items() if key not in same},
            {kind: content for kind, content in each.others.items() if kind not in composed},
            (),
            # A certificate that a mode's own payload refers to travels with it, even if all modes have it.
            _part_of(each.more, [slot for slot in each.more if slot not in shared]),
        )
        for mode, each in contents.items()
    }
    return common, own


def _part_of(more: Mapping[str, Planned], slots: Sequence[str]) -> dict[str, Planned]:
    return {planned.slot: planned for planned in with_needs(more, slots)}


def render(town: str, content: Content, part: str = "") -> Rendered | None:
    """Render one profile; None when it would hold nothing. `part` makes the identifier of a profile that others accompany."""
    identifier = f"{IDENTIFIER}.{part}" if part else IDENTIFIER
    made = []
    if content.restrictions:
        made.append(payload(town, identifier, _TYPE, _RESTRICTIONS, content.restrictions))
    for kind, other in sorted(content.others.items()):
        made.append(payload(town, identifier, kind, kind.rpartition(".")[2], other))
    made += payloads(town, identifier, content.more.values())
    if part and not made:
        return None
    profile = {
        "PayloadType": "Configuration",
        "PayloadVersion": 1,
        "PayloadIdentifier": identifier,
        "PayloadDisplayName": "Cartable",
        "PayloadDescription": "Règles de la tablette / Rules of this tablet",
        "PayloadScope": "System",
        "PayloadContent": made,
    }
    # The UUID comes from the content: a ProfileList then proves which version a tablet has.
    uuid = str(uuid5(NAMESPACE, hashlib.sha256(plistlib.dumps(profile)).hexdigest())).upper()
    return Rendered(identifier, uuid, plistlib.dumps({**profile, "PayloadUUID": uuid}))
