"""What is acceptable in a version of a document or preset, and the form in which it is stored. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from profiles.catalog.composites import expand_composites, list_authorable_fields
from profiles.catalog.hosts import clean_host
from profiles.catalog.kinds import SettingGroup
from profiles.catalog.settings import find_value_problem, load_catalog
from profiles.catalog.text_formats import TextFormat
from profiles.policy.content import PolicyContent
from profiles.policy.kinds import ALL_MODES, AppUse, PlaceKind, PresetKind
from profiles.schedule.modes import Mode

MAX_SETTINGS = 400
MAX_PRESETS = 50
_MODES = frozenset({ALL_MODES, *(mode.value for mode in Mode)})
#: The parts of the catalogue that presets of a kind hold; none: all.
_PRESET_GROUPS: dict[PresetKind, frozenset[SettingGroup]] = {
    PresetKind.BUNDLE: frozenset({SettingGroup.APPS}),
    PresetKind.FILTER: frozenset({SettingGroup.WEB}),
    PresetKind.HOME_SCREEN: frozenset({SettingGroup.HOME}),
    PresetKind.EVALUATION: frozenset(),
}
#: A path of the content and what is wrong there.
Problem = tuple[str, str]


def normalise(values: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the values as they are stored: hosts of filters without scheme and path, in lower case, once each and sorted."""
    return {mode: {key: _normalise_value(key, value) for key, value in part.items()} for mode, part in values.items()}


def _normalise_value(key: str, value: Any) -> Any:
    field = list_authorable_fields().get(key)
    if field is None or field.text_format is not TextFormat.FILTER_HOST or not isinstance(value, list):
        return value
    hosts = [(clean_host(entry) or entry) if isinstance(entry, str) else entry for entry in value]
    return sorted(set(hosts)) if all(isinstance(host, str) for host in hosts) else hosts


def find_problem(content: PolicyContent, place: PlaceKind | None) -> Problem | None:
    """Return the first thing that is not acceptable in a document of such a place, or in a preset (`place` is None)."""
    return _find_values_problem(content.values, place) or _find_lock_problem(content) or _find_preset_problem(content)


def find_preset_problem(content: PolicyContent, kind: PresetKind) -> Problem | None:
    """Return the first thing that is not acceptable in a preset of a kind."""
    if content.presets:
        return "presets", "a preset takes in no other presets"
    if content.locks:
        return "locks", "a preset locks nothing: the documents that take it in do"
    groups, known = _PRESET_GROUPS[kind], load_catalog()
    for mode, part in content.values.items():
        for key in expand_composites(part):
            if groups and key in known and known[key].group not in groups:
                return f"values.{mode}.{key}", f"not a setting of a {kind.value}"
    return find_problem(content, None)


def _find_values_problem(values: Mapping[str, Any], place: PlaceKind | None) -> Problem | None:
    if sum(len(part) if isinstance(part, Mapping) else 1 for part in values.values()) > MAX_SETTINGS:
        return "values", f"more than {MAX_SETTINGS} settings"
    for mode, part in values.items():
        if mode not in _MODES:
            return f"values.{mode[:20]}", "unknown mode"
        if not isinstance(part, Mapping):
            return f"values.{mode}", "not a set of settings"
        for key, value in part.items():
            problem = _find_setting_problem(key, value, mode, place)
            if problem is not None:
                return f"values.{mode}.{key[:80]}", problem
    return None


def _find_setting_problem(key: str, value: Any, mode: str, place: PlaceKind | None) -> str | None:
    field = list_authorable_fields().get(key)
    if field is None:
        return "unknown setting"
    setting = load_catalog().get(key)
    if setting is not None and setting.all_modes_only and mode != ALL_MODES:
        return "set for all modes only"
    if setting is not None and setting.places and (place is None or place.value not in setting.places):
        return f"set only for: {', '.join(setting.places)}"
    problem = find_value_problem(field, value)
    return None if problem is None else str(problem)


def _find_lock_problem(content: PolicyContent) -> Problem | None:
    known = list_authorable_fields()
    for mode, locks in content.locks.items():
        if mode not in _MODES:
            return f"locks.{mode[:20]}", "unknown mode"
        if isinstance(locks, str) or not isinstance(locks, Sequence):
            return f"locks.{mode}", "not a list of settings"
        parts = content.values.values() if mode == ALL_MODES else [content.values.get(each, {}) for each in (ALL_MODES, mode)]
        named = {key for part in parts for key in (*part, *expand_composites(part))}
        for key in locks:
            # What presets set may be locked too: which keys those are is known when the document is in force.
            if key not in known or (key not in named and not content.presets):
                return f"locks.{mode}.{key[:80]}", "the document does not set it"
    return None


def _find_preset_problem(content: PolicyContent) -> Problem | None:
    if len(content.presets) > MAX_PRESETS:
        return "presets", f"more than {MAX_PRESETS} presets"
    for index, use in enumerate(content.presets):
        if use.mode not in _MODES:
            return f"presets[{index}].mode", "unknown mode"
        if use.use is AppUse.REQUIRED and use.mode != ALL_MODES:
            return f"presets[{index}].mode", "apps are required in all modes only"
    return None
