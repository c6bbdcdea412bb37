"""Merging opinions into values, with provenance. Pure: `(layers, catalogue) → resolved`. The explanation is the same run.

Two kinds of opinions. A binding one (the floor, a lock, a guardian) is a minimum: all of them hold together, merged towards
the stricter. An open one is a choice: the narrowest layer that has one chooses, equals merge towards the stricter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from profiles.catalog.settings import MergeRule, Setting


@dataclass(frozen=True, slots=True)
class Layer:
    """What one author says: settings by key. The larger `depth`, the narrower the layer: town, school, …, tablet.

    `locks` are the keys that nobody below may loosen; with `binding` every key is one.
    """

    name: str
    depth: int
    values: Mapping[str, Any]
    locks: frozenset[str] = field(default=frozenset())
    binding: bool = False
    #: Who wrote it, for people; a guardian is a role, never a name.
    author: str = ""

    def binds(self, key: str) -> bool:
        """Whether its word on a setting is a minimum."""
        return self.binding or key in self.locks


class Standing(StrEnum):
    """What became of one opinion."""

    WINS = "wins"  # the value is this one
    CONTRIBUTES = "contributes"  # a list to which several gave their part
    OVERRIDDEN = "overridden"  # a narrower layer chose
    LOOSER = "looser"  # a stricter word holds


@dataclass(frozen=True, slots=True)
class Voice:
    """One opinion and what became of it."""

    layer: str
    value: Any
    binding: bool
    standing: Standing
    author: str = ""


@dataclass(frozen=True, slots=True)
class Resolved:
    """The value of one setting, and every opinion on it: those that hold first."""

    key: str
    value: Any
    voices: tuple[Voice, ...]

    @property
    def winners(self) -> tuple[str, ...]:
        """The layers that the value comes from."""
        return tuple(voice.layer for voice in self.voices if voice.standing in _HOLD)

    @property
    def losers(self) -> tuple[str, ...]:
        """The layers that wanted something else."""
        return tuple(voice.layer for voice in self.voices if voice.standing not in _HOLD)


_HOLD = (Standing.WINS, Standing.CONTRIBUTES)
_LISTS = (MergeRule.INTERSECTION, MergeRule.UNION, MergeRule.EACH)
#: Lists to which every layer adds; a narrower one does not replace what a wider one said.
_ADDED_UP = (MergeRule.UNION, MergeRule.EACH)


def resolve(layers: Iterable[Layer], catalog: Mapping[str, Setting]) -> dict[str, Resolved]:
    """Merge all layers, setting by setting. Keys that the catalogue does not know are left out: unknown adds nothing."""
    opinions: dict[str, list[tuple[Layer, Any]]] = {}
    for layer in sorted(layers, key=lambda each: (each.depth, each.name)):
        for key, value in layer.values.items():
            if key in catalog:
                opinions.setdefault(key, []).append((layer, value))
    return {key: _resolved(catalog[key], said) for key, said in sorted(opinions.items())}


def _resolved(setting: Setting, said: Sequence[tuple[Layer, Any]]) -> Resolved:
    binding = [(layer, value) for layer, value in said if layer.binds(setting.key)]
    chosen, overridden = _chosen(setting, [(layer, value) for layer, value in said if not layer.binds(setting.key)])
    # Strongest first: what binds, then the narrowest choice.
    strongest = (*binding, *sorted(chosen, key=lambda each: -each[0].depth))
    value = merge(setting, [own for _, own in strongest])
    voices = [_voice(setting, layer, own, value) for layer, own in (*binding, *chosen)]
    voices += [Voice(layer.name, own, False, Standing.OVERRIDDEN, layer.author) for layer, own in reversed(overridden)]
    return Resolved(setting.key, value, tuple(sorted(voices, key=lambda voice: voice.standing not in _HOLD)))


def _chosen(
    setting: Setting, said: Sequence[tuple[Layer, Any]]
) -> tuple[Sequence[tuple[Layer, Any]], Sequence[tuple[Layer, Any]]]:
    """The open opinions that count, and those that a narrower layer overrides. Lists that forbid add up over all layers."""
    if not said or setting.merge_rule in _ADDED_UP:
        return said, ()
    narrowest = max(layer.depth for layer, _ in said)
    return [each for each in said if each[0].depth == narrowest], [each for each in said if each[0].depth != narrowest]


def _voice(setting: Setting, layer: Layer, own: Any, value: Any) -> Voice:
    if _same(setting, own, value):
        standing = Standing.WINS
    else:
        standing = Standing.CONTRIBUTES if setting.merge_rule in _LISTS else Standing.LOOSER
    return Voice(layer.name, own, layer.binds(setting.key), standing, layer.author)


def merge(setting: Setting, values: Sequence[Any]) -> Any:
    """Merge opinions, strongest first. Lists come out sorted, so that order never changes a configuration."""
    return _RULES[setting.merge_rule](setting, values)


def _smallest_but_zero(_setting: Setting, values: Sequence[Any]) -> Any:
    return min((value for value in values if value), default=0)


def _each(setting: Setting, values: Sequence[Any]) -> list[Any]:
    """Every entry once; of two that are the same, the one said by the strongest."""
    found: dict[str, Any] = {}
    for value in values:
        for entry in value:
            found.setdefault(setting.get_entry_identity(entry), entry)
    return [found[which] for which in sorted(found)]


_RULES: dict[MergeRule, Callable[[Setting, Sequence[Any]], Any]] = {
    MergeRule.ALL: lambda _, values: all(values),
    MergeRule.ANY: lambda _, values: any(values),
    MergeRule.SMALLEST: lambda _, values: min(values),
    MergeRule.SMALLEST_BUT_ZERO: _smallest_but_zero,
    MergeRule.LARGEST: lambda _, values: max(values),
    MergeRule.INTERSECTION: lambda _, values: sorted(set.intersection(*(set(value) for value in values))),
    MergeRule.UNION: lambda _, values: sorted(set().union(*values)),
    MergeRule.EACH: _each,
    MergeRule.AGREE: lambda _, values: values[0],
}


def _same(setting: Setting, own: Any, value: Any) -> bool:
    if setting.merge_rule in (MergeRule.INTERSECTION, MergeRule.UNION):
        return bool(sorted(own) == value)
    return bool(merge(setting, [own]) == value)
