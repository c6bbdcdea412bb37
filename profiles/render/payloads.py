"""Resolved settings in, payloads of an Apple profile out (payloads.md sections 1, 2, 11). Pure: the same in, the same out.

Two steps, because a payload's UUID belongs to the profile that it travels in: `plan` says what stands in which slot of a
tablet, `payloads` gives the slots of one profile their identities and their references to one another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from profiles.catalog.settings import Setting
from profiles.render.planning import Omission, Planner, Reference, Tablet, Why

__all__ = ["Omission", "Plan", "Planned", "Tablet", "Why", "by_type", "payload", "payloads", "plan", "with_needs"]

NAMESPACE = UUID("4d7b4f0a-3b1e-4f6d-8a43-8e5d52cf4f5e")
_CERTIFICATES = "com.apple.security."


@dataclass(frozen=True, slots=True)
class Planned:
    """One payload: its slot on the tablet, Apple's type, its own keys, and the slots that it refers to."""

    slot: str
    type: str
    content: Mapping[str, Any]
    needs: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Plan:
    """Every payload of one tablet by its slot, certificates first; what was left out; what the product itself answers."""

    slots: Mapping[str, Planned]
    left_out: tuple[Omission, ...]
    own: Mapping[str, Any]


def plan(values: Mapping[str, Any], catalog: Mapping[str, Setting], tablet: Tablet) -> Plan:
    """What a tablet can take of the values. Whatever it cannot is left out and named; nothing raises."""
    made = Planner(catalog, tablet)
    # Certificates first: others refer to them.
    for key in sorted(values, key=lambda key: (key not in catalog or not catalog[key].payload.startswith(_CERTIFICATES), key)):
        made.add(key, values)
    slots = {
        slot: Planned(slot, made.types[slot], content, frozenset(_references(content))) for slot, content in made.contents.items()
    }
    return Plan(slots, tuple(made.left_out), made.own)


def payloads(owner: str, identifier: str, slots: Iterable[Planned]) -> list[dict[str, Any]]:
    """The payloads of one profile. Identifiers and UUIDs stay the same over all versions of it.

    A payload whose certificate does not travel with it is not made: references end at the profile's edge.
    """
    given = list(slots)
    present = {each.slot for each in given}
    return [
        payload(owner, identifier, each.type, each.slot, _resolved(each.content, owner, identifier))
        for each in given
        if each.needs <= present
    ]


def by_type(made: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Payloads by Apple's payload type."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for each in made:
        found.setdefault(each["PayloadType"], []).append(each)
    return found


def with_needs(slots: Mapping[str, Planned], wanted: Iterable[str]) -> list[Planned]:
    """The wanted slots and the certificates that they refer to, in the plan's order: a part that can travel by itself."""
    names = {name for each in wanted if each in slots for name in (each, *slots[each].needs)}
    return [planned for slot, planned in slots.items() if slot in names]


def payload(owner: str, identifier: str, kind: str, slot: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """One payload, whose identifier and UUID stay the same over all versions of one owner's profile."""
    return {
        "PayloadType": kind,
        "PayloadVersion": 1,
        "PayloadIdentifier": f"{identifier}.{slot}",
        "PayloadUUID": _uuid(owner, identifier, slot),
        **content,
    }


def _uuid(owner: str, identifier: str, slot: str) -> str:
    return str(uuid5(NAMESPACE, f"{owner}/{identifier}/{slot}")).upper()


def _resolved(value: Any, owner: str, identifier: str) -> Any:
    if isinstance(value, Reference):
        return _uuid(owner, identifier, value.slot)
    if isinstance(value, Mapping):
        return {key: _resolved(below, owner, identifier) for key, below in value.items()}
    if isinstance(value, list):
        return [_resolved(below, owner, identifier) for below in value]
    return value


def _references(value: Any) -> Iterable[str]:
    if isinstance(value, Reference):
        yield value.slot
    elif isinstance(value, Mapping):
        for below in value.values():
            yield from _references(below)
    elif isinstance(value, list):
        for below in value:
            yield from _references(below)
