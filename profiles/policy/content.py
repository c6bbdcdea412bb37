"""What a version holds: values and locks by mode, and the presets that it takes in. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self
from uuid import UUID

from profiles.catalog.composites import expand_composites, list_expanded_keys
from profiles.catalog.merge import combine
from profiles.catalog.settings import load_catalog
from profiles.policy.kinds import ALL_MODES, AppUse
from profiles.schedule.modes import Mode

ByMode = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class PresetUse:
    """A preset that a document takes in, in all modes or in one. `use` says what becomes of the apps of a bundle."""

    preset_id: UUID
    mode: str = ALL_MODES
    use: AppUse | None = None

    def applies_in(self, mode: Mode) -> bool:
        """Return whether the document takes it in in a mode."""
        return self.mode in (ALL_MODES, mode.value)

    def to_json(self) -> dict[str, Any]:
        """Return it as it is stored."""
        return {"preset_id": str(self.preset_id), "mode": self.mode, "use": self.use.value if self.use else None}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Read what `to_json` made."""
        return cls(UUID(stored["preset_id"]), stored["mode"], AppUse(stored["use"]) if stored["use"] else None)


@dataclass(frozen=True, slots=True)
class PolicyContent:
    """The content of one version, in the words in which it was written."""

    values: ByMode = field(default_factory=dict)
    locks: Mapping[str, Sequence[str]] = field(default_factory=dict)
    presets: tuple[PresetUse, ...] = ()

    def get_values(self, mode: Mode) -> dict[str, Any]:
        """Return its own values in a mode, in catalogue keys: what is set for the mode goes before what is set for all modes."""
        return {**expand_composites(self.values.get(ALL_MODES, {})), **expand_composites(self.values.get(mode.value, {}))}

    def get_locks(self, mode: Mode) -> frozenset[str]:
        """Return the catalogue keys that it locks in a mode: a lock on a composite locks all that the composite stands for."""
        everywhere, here = self.locks.get(ALL_MODES, ()), self.locks.get(mode.value, ())
        parts = [self.values.get(part, {}) for part in (ALL_MODES, mode.value)]
        # What a composite stands for may depend on its value: a lock for all modes takes the values of every mode.
        composed = {key for part in self.values.values() for lock in everywhere for key in list_expanded_keys(lock, part)}
        composed |= {key for part in parts for lock in here for key in list_expanded_keys(lock, part)}
        return frozenset({*everywhere, *here, *composed})


def apply_app_use(values: Mapping[str, Any], use: AppUse | None) -> dict[str, Any]:
    """Return the values of a bundle as a document uses them: all of its apps under the one setting of that use."""
    if use is None:
        return dict(values)
    apps = {app for each in AppUse for app in values.get(each.setting, ())}
    return {use.setting: sorted(apps)} if apps else {}


def take_in_presets(own: Mapping[str, Any], presets: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return own values over those of presets. Own values replace a choice of presets and add to lists that add up."""
    known = load_catalog()
    by_key: dict[str, list[Any]] = {}
    for preset in presets:
        for key, value in preset.items():
            by_key.setdefault(key, []).append(value)
    merged = dict(own)
    for key, values in by_key.items():
        setting = known.get(key)
        if setting is None:
            continue
        value = combine(setting, values)
        if setting.opposite is not None and setting.opposite in own:
            value = [entry for entry in value if entry not in own[setting.opposite]]
        if key not in own:
            merged[key] = value
        elif setting.adds_up:
            merged[key] = combine(setting, [own[key], value])
    return merged


def compare_contents(before: PolicyContent, after: PolicyContent) -> list[str]:
    """Return the paths of what differs between two contents: `values.school.allowCamera`, `locks.all`, `presets`."""
    paths = []
    for mode in sorted({*before.values, *after.values}):
        old, new = before.values.get(mode, {}), after.values.get(mode, {})
        paths += [f"values.{mode}.{key}" for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
    for mode in sorted({*before.locks, *after.locks}):
        if set(before.locks.get(mode, ())) != set(after.locks.get(mode, ())):
            paths.append(f"locks.{mode}")
    return [*paths, "presets"] if set(before.presets) != set(after.presets) else paths
