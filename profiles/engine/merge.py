"""Merging opinions into values, with provenance. Pure: `(layers, catalogue) → resolved`. The explanation is the same run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from profiles.catalog.settings import Merge, Setting


@dataclass(frozen=True, slots=True)
class Layer:
    """What one author says: settings by key. A lower `rank` is stronger where a setting cannot be merged."""

    name: str
    rank: int
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Resolved:
    """The value of one setting and where it comes from: `winners` agree with it, `losers` wanted something else."""

    key: str
    value: Any
    winners: tuple[str, ...]
    losers: tuple[str, ...]


def resolve(layers: Iterable[Layer], catalog: Mapping[str, Setting]) -> dict[str, Resolved]:
    """Merge all layers, setting by setting. Keys that the catalogue does not know are left out: unknown adds nothing."""
    opinions: dict[str, list[tuple[Layer, Any]]] = {}
    for layer in sorted(layers, key=lambda each: (each.rank, each.name)):
        for key, value in layer.values.items():
            if key in catalog:
                opinions.setdefault(key, []).append((layer, value))
    return {key: _resolved(catalog[key], said) for key, said in sorted(opinions.items())}


def _resolved(setting: Setting, said: Sequence[tuple[Layer, Any]]) -> Resolved:
    value = merge(setting.merge, [value for _, value in said])
    winners = tuple(layer.name for layer, own in said if _same(own, value))
    losers = tuple(layer.name for layer, own in said if not _same(own, value))
    return Resolved(setting.key, value, winners, losers)


def merge(rule: Merge, values: Sequence[Any]) -> Any:
    """Merge opinions, strongest first. Lists come out sorted, so that order never changes a configuration."""
    return _RULES[rule](values)


_RULES: dict[Merge, Callable[[Sequence[Any]], Any]] = {
    Merge.ALL: all,
    Merge.ANY: any,
    Merge.SMALLEST: min,
    Merge.LARGEST: max,
    Merge.INTERSECTION: lambda values: sorted(set.intersection(*(set(value) for value in values))),
    Merge.UNION: lambda values: sorted(set().union(*values)),
    Merge.AGREE: lambda values: values[0],
}


def _same(own: Any, value: Any) -> bool:
    return bool(sorted(own) == value if isinstance(own, list) else own == value)
