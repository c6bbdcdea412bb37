"""Which layers concern a tablet, in which version, and what is acceptable in one. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from profiles.catalog.fields import Field
from profiles.catalog.merge import Layer
from profiles.policy.kinds import ALWAYS, LayerKind, StageKind, TabletRole, locked_in, values_in
from profiles.schedule.modes import Mode

MAX_SETTINGS = 400


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tablet stands among the layers."""

    town_id: UUID
    tablet_id: UUID
    school_id: UUID | None
    class_id: UUID | None
    pupil_id: UUID | None
    level: str | None
    role: TabletRole
    groups: frozenset[UUID]


@dataclass(frozen=True, slots=True)
class Authored:
    """One version of a layer that may hold for tablets. `stage` is set while it is being rolled out."""

    layer_id: UUID
    version_id: UUID
    town_id: UUID | None
    kind: LayerKind
    target: str
    name: str
    settings: Mapping[str, Mapping[str, Any]]
    locks: frozenset[str]
    stage: StageKind | None = None
    stage_target: UUID | None = None
    author: str = ""

    def concerns(self, place: Place) -> bool:
        """Whether the layer is one of this tablet's."""
        return self.town_id in (None, place.town_id) and self.target in targets(self.kind, place)

    def reached(self, place: Place) -> bool:
        """Whether the roll-out of this version has come to the tablet."""
        match self.stage:
            case StageKind.TABLET:
                return self.stage_target == place.tablet_id
            case StageKind.CLASS:
                return self.stage_target == place.class_id
            case StageKind.SCHOOL:
                return self.stage_target == place.school_id
            case _:
                return True

    def layer(self, mode: Mode) -> Layer:
        """What it says in a mode. The operator's layer binds as a whole: it is the floor."""
        label = f"{self.kind.value} {self.name}" if self.name else self.kind.value
        values, binding = values_in(self.settings, mode), self.kind is LayerKind.OPERATOR
        return Layer(label, self.kind.depth, values, locked_in(self.settings, self.locks), binding=binding, author=self.author)


def targets(kind: LayerKind, place: Place) -> set[str]:
    """The names under which a layer of a kind speaks to a tablet."""
    named: dict[LayerKind, object] = {
        LayerKind.ROLE: place.role.value,
        LayerKind.SCHOOL: place.school_id,
        LayerKind.GRADE: place.level,
        LayerKind.CLASS: place.class_id,
        LayerKind.PUPIL: place.pupil_id,
        LayerKind.TABLET: place.tablet_id,
    }
    if kind is LayerKind.GROUP:
        return {str(group) for group in place.groups}
    return {str(named[kind])} if named.get(kind) is not None else set() if kind in named else {""}


def in_force(authored: Iterable[Authored], place: Place) -> tuple[Authored, ...]:
    """The versions that hold for a tablet, widest first: of each layer the one being rolled out, where it has come."""
    chosen: dict[UUID, Authored] = {}
    for version in authored:
        if not version.concerns(place) or not version.reached(place):
            continue
        if version.layer_id not in chosen or version.stage is not None:
            chosen[version.layer_id] = version
    return tuple(sorted(chosen.values(), key=lambda each: (each.kind.depth, each.name, str(each.layer_id))))


def wrong(settings: Mapping[str, Any], locks: Iterable[str], vocabulary: Mapping[str, Field]) -> tuple[str, str] | None:
    """The first thing in a layer that is not acceptable: the field's path and why. None: all is well."""
    if sum(len(part) if isinstance(part, Mapping) else 1 for part in settings.values()) > MAX_SETTINGS:
        return "settings", f"more than {MAX_SETTINGS} settings"
    modes = {ALWAYS, *(mode.value for mode in Mode)}
    said: set[str] = set()
    for mode, part in settings.items():
        if mode not in modes:
            return f"settings.{mode[:20]}", "unknown mode"
        if not isinstance(part, Mapping):
            return f"settings.{mode}", "not a set of settings"
        for key, value in part.items():
            known = vocabulary.get(key)
            problem = "unknown setting" if known is None else known.describe_problem(value)
            if problem:
                return f"settings.{mode}.{key[:80]}", problem
            said.add(key)
    for key in locks:
        if key not in said:
            return f"locks.{key[:80]}", "the layer says nothing about it"
    return None
