"""Turns resolved settings into payloads of an Apple profile. Pure: equal input gives equal output.

There are two steps, because the UUID of a payload depends on the profile that contains it: `plan_payloads` decides what is in
which slot of a tablet; `build_payloads` gives the slots of one profile their UUIDs and resolves references between them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from profiles.catalog.settings import Setting
from profiles.render.planning import Omission, OmissionReason, PayloadPlanner, PayloadReference, TabletCapabilities

__all__ = [
    "Omission",
    "OmissionReason",
    "PayloadPlan",
    "PlannedPayload",
    "TabletCapabilities",
    "build_payload",
    "build_payloads",
    "group_by_type",
    "plan_payloads",
    "select_with_references",
]

PAYLOAD_NAMESPACE = UUID("4d7b4f0a-3b1e-4f6d-8a43-8e5d52cf4f5e")
_CERTIFICATES = "com.apple.security."


@dataclass(frozen=True, slots=True)
class PlannedPayload:
    """One payload: its slot on the tablet, Apple's payload type, its own keys, and the slots that it refers to."""

    slot: str
    type: str
    content: Mapping[str, Any]
    references: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class PayloadPlan:
    """Every payload of one tablet by slot, certificates first; what was omitted; and settings that are not Apple's.

    `product_settings` are answered by the server itself and have no payload.
    """

    slots: Mapping[str, PlannedPayload]
    omissions: tuple[Omission, ...]
    product_settings: Mapping[str, Any]


def plan_payloads(values: Mapping[str, Any], catalog: Mapping[str, Setting], tablet: TabletCapabilities) -> PayloadPlan:
    """Plan the payloads that a tablet supports. What it does not support is omitted and listed; nothing is raised."""
    planner = PayloadPlanner(catalog, tablet)

    def sort_certificates_first(key: str) -> tuple[bool, str]:
        """Return the sort key of a setting: other payloads refer to certificates, so these are planned before."""
        return key not in catalog or not catalog[key].payload_type.startswith(_CERTIFICATES), key

    for key in sorted(values, key=sort_certificates_first):
        planner.add_setting(key, values)
    slots = {
        slot: PlannedPayload(slot, planner.types[slot], content, frozenset(_find_references(content)))
        for slot, content in planner.contents.items()
    }
    return PayloadPlan(slots, tuple(planner.omissions), planner.product_settings)


def build_payloads(owner: str, identifier: str, planned: Iterable[PlannedPayload]) -> list[dict[str, Any]]:
    """Build the payloads of one profile. Identifiers and UUIDs stay the same in all versions of the profile.

    A payload whose certificate is not in the same profile is left out, because a reference cannot leave its profile.
    """
    planned = list(planned)
    slots = {payload.slot for payload in planned}
    return [
        build_payload(owner, identifier, payload.type, payload.slot, _resolve_references(payload.content, owner, identifier))
        for payload in planned
        if payload.references <= slots
    ]


def group_by_type(payloads: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Group payloads by Apple's payload type."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for payload in payloads:
        groups.setdefault(payload["PayloadType"], []).append(payload)
    return groups


def select_with_references(slots: Mapping[str, PlannedPayload], names: Iterable[str]) -> list[PlannedPayload]:
    """Return the named slots and the certificates that they refer to, in the plan's order: a part that is complete by itself."""
    selected = {slot for name in names if name in slots for slot in (name, *slots[name].references)}
    return [payload for slot, payload in slots.items() if slot in selected]


def build_payload(owner: str, identifier: str, kind: str, slot: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """Build one payload. Its identifier and UUID stay the same in all versions of one owner's profile."""
    return {
        "PayloadType": kind,
        "PayloadVersion": 1,
        "PayloadIdentifier": f"{identifier}.{slot}",
        "PayloadUUID": _compute_payload_uuid(owner, identifier, slot),
        **content,
    }


def _compute_payload_uuid(owner: str, identifier: str, slot: str) -> str:
    return str(uuid5(PAYLOAD_NAMESPACE, f"{owner}/{identifier}/{slot}")).upper()


def _resolve_references(value: Any, owner: str, identifier: str) -> Any:
    if isinstance(value, PayloadReference):
        return _compute_payload_uuid(owner, identifier, value.slot)
    if isinstance(value, Mapping):
        return {key: _resolve_references(item, owner, identifier) for key, item in value.items()}
    if isinstance(value, list):
        return [_resolve_references(item, owner, identifier) for item in value]
    return value


def _find_references(value: Any) -> Iterable[str]:
    if isinstance(value, PayloadReference):
        yield value.slot
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _find_references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _find_references(item)
