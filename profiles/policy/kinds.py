"""The vocabulary of policy documents: kinds of places and presets, states and stages of versions. Names only.

See docs/domain/policy.md#places.
"""

from __future__ import annotations

from enum import StrEnum

#: The part of a document that holds in every mode.
ALL_MODES = "all"


class PlaceKind(StrEnum):
    """For whom a document is written. The order is the order of precedence: the later, the narrower."""

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
        return _DEPTHS[self]


_DEPTHS = {kind: depth for depth, kind in enumerate(PlaceKind)}


class TabletRole(StrEnum):
    """What a tablet is used as."""

    PUPIL = "pupil"
    STAFF = "staff"
    CART = "cart"


class PresetKind(StrEnum):
    """What a preset names. Each holds settings of its own part of the catalogue."""

    BUNDLE = "bundle"  # a set of apps
    FILTER = "filter"  # what is open and closed on the web
    HOME_SCREEN = "home_screen"
    EVALUATION = "evaluation"


class AppUse(StrEnum):
    """What a document makes of the apps of a bundle. Where places differ: blocked goes before required, required before available."""

    REQUIRED = "required"  # installed, and comes back
    AVAILABLE = "available"  # may be used where it is, is not installed
    BLOCKED = "blocked"  # removed and hidden

    @property
    def setting(self) -> str:
        """The key of the setting that lists such apps."""
        return f"apps.{self.value}"


class VersionState(StrEnum):
    """The life of one version."""

    DRAFT = "draft"
    ROLLING = "rolling"  # in force for its stage only
    LIVE = "live"
    STOPPED = "stopped"  # a roll-out that a person or the server stopped
    SUPERSEDED = "superseded"


IN_FORCE = (VersionState.LIVE, VersionState.ROLLING)


class StageKind(StrEnum):
    """How far a roll-out goes."""

    TABLET = "tablet"
    CLASS = "class"
    SCHOOL = "school"
    ALL = "all"
