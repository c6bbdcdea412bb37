"""The kinds of layers, from the widest to the narrowest, and the settings that one layer holds. Pure names and shapes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Any

from profiles.catalog.composites import expand_composites, list_expanded_keys
from profiles.schedule.modes import Mode

#: The part of a layer that holds in every mode.
ALWAYS = "all"


class LayerKind(StrEnum):
    """For whom a layer is written. The order is the order of precedence: the later, the narrower."""

    OPERATOR = "operator"
    TOWN = "town"
    ROLE = "role"
    SCHOOL = "school"
    GRADE = "grade"
    CLASS = "class"
    GROUP = "group"
    PUPIL = "pupil"
    TABLET = "tablet"

    @property
    def depth(self) -> int:
        """How narrow it is."""
        return list(LayerKind).index(self)


#: A class session chooses over every place; a guardian's rule binds.
SESSION_DEPTH = len(LayerKind)


class TabletRole(StrEnum):
    """What a tablet is used as (schools.md section 8)."""

    PUPIL = "pupil"
    STAFF = "staff"
    CART = "cart"


class VersionState(StrEnum):
    """Life of one version of a layer."""

    DRAFT = "draft"
    ROLLING = "rolling"  # holds for its stage only
    LIVE = "live"
    STOPPED = "stopped"  # a roll-out that was stopped, by a person or by itself
    SUPERSEDED = "superseded"


class StageKind(StrEnum):
    """How far a roll-out is."""

    TABLET = "tablet"
    CLASS = "class"
    SCHOOL = "school"
    ALL = "all"


def values_in(settings: Mapping[str, Mapping[str, Any]], mode: Mode) -> dict[str, Any]:
    """What a layer says in a mode, in catalogue keys: its words for the mode go before its words for all modes."""
    return {**expand_composites(settings.get(ALWAYS, {})), **expand_composites(settings.get(mode.value, {}))}


def locked_in(settings: Mapping[str, Mapping[str, Any]], locks: Collection[str]) -> frozenset[str]:
    """The catalogue keys that a layer locks: a lock on one word of the town's locks all that it stands for."""
    return frozenset(locks) | {key for part in settings.values() for lock in locks for key in list_expanded_keys(lock, part)}
