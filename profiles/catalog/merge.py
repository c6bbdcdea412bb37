"""Merging what places set into one value for each setting, with its explanation. Pure: the walk that finds a value explains it.

Sources are walked from the widest place to the narrowest. A narrower place replaces the value, or adds to it where the setting
adds up. A lock binds the places narrower than its own. What bounds the result of all places (the safety baseline, the meaning of
a mode, a class session, guardians) comes last. See docs/domain/policy.md#merge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import groupby
from typing import Any

from profiles.catalog.settings import MergeRule, Setting


@dataclass(frozen=True, slots=True)
class PolicySource:
    """What one place sets in one mode: values by key. The larger `depth`, the narrower the place.

    `locks` are the keys that no narrower place may loosen.
    """

    name: str
    depth: int
    values: Mapping[str, Any]
    locks: frozenset[str] = field(default=frozenset())
    #: Who wrote it, for people; never the name of a guardian.
    author: str = ""
    until: datetime | None = None
    #: The names of the presets that a value was taken from, by key.
    presets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Constraint:
    """Values that bound the result of all places. It makes a value stricter, never looser."""

    name: str
    values: Mapping[str, Any]
    author: str = ""


class StepOutcome(StrEnum):
    """What became of the value of one source."""

    CHOSEN = "chosen"  # it is the value in force
    ADDED = "added"  # some of its entries are in a list to which several contribute
    BOUNDED = "bounded"  # a lock, a constraint or an equal place made it stricter
    REPLACED = "replaced"  # a narrower place chose another value
    LOOSER = "looser"  # a lock or constraint that the value in force exceeds already


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the walk: a source, its value, and what became of it. `by` names the sources that replaced or bounded it."""

    source: str
    value: Any
    outcome: StepOutcome
    by: tuple[str, ...] = ()
    is_locked: bool = False
    is_constraint: bool = False
    author: str = ""
    until: datetime | None = None
    presets: tuple[str, ...] = ()

    @property
    def is_in_force(self) -> bool:
        """Whether the value in force comes from it."""
        return self.outcome in (StepOutcome.CHOSEN, StepOutcome.ADDED)


@dataclass(frozen=True, slots=True)
class Resolved:
    """The value of one setting, and the walk that led to it: what is in force first."""

    key: str
    value: Any
    steps: tuple[Step, ...]

    @property
    def deciding(self) -> tuple[str, ...]:
        """The sources that the value comes from. Where several lists bound each other and none is the value: all of them."""
        in_force = tuple(step.source for step in self.steps if step.is_in_force)
        return in_force or tuple(step.source for step in self.steps if step.outcome is not StepOutcome.REPLACED)

    @property
    def overruled(self) -> tuple[str, ...]:
        """The sources that set something else."""
        deciding = self.deciding
        return tuple(step.source for step in self.steps if step.source not in deciding)


def resolve(
    sources: Iterable[PolicySource], constraints: Sequence[Constraint], catalog: Mapping[str, Setting]
) -> dict[str, Resolved]:
    """Return the value of every setting that a source or constraint names. `constraints` go from the weakest to the strongest.

    Keys that the catalogue does not know are left out: what is unknown adds nothing.
    """
    ordered = sorted(sources, key=lambda source: (source.depth, source.name))
    keys = {key for source in ordered for key in source.values} | {key for each in constraints for key in each.values}
    return {key: _resolve_one(catalog[key], ordered, constraints) for key in sorted(keys & catalog.keys())}


def _resolve_one(setting: Setting, ordered: Sequence[PolicySource], constraints: Sequence[Constraint]) -> Resolved:
    """Walk from the widest place to the narrowest, then over the constraints."""
    key = setting.key
    relevant = [source for source in ordered if key in source.values or setting.opposite in source.values]
    bounding = [constraint for constraint in constraints if key in constraint.values]
    value: Any = None
    bound: Any = None
    for _, group in groupby(relevant, key=lambda source: source.depth):
        equals = list(group)
        value = _take_in(setting, value, equals)
        if bound is not None and value is not None:
            value = merge(setting, [bound, value])
        bound = _tighten(setting, bound, value, equals)
    for constraint in bounding:
        own = constraint.values[key]
        value = own if value is None else merge(setting, [own, value])
    if value is not None:
        value = merge(setting, [value])  # in the order that lists have in a configuration
    return Resolved(key, value, _explain(setting, value, relevant, bounding))


def _take_in(setting: Setting, value: Any, equals: Sequence[PolicySource]) -> Any:
    """Return the value after places of equal width: theirs, or theirs beside the wider ones' where the setting adds up."""
    key = setting.key
    if setting.opposite is not None and value is not None:
        opposed = {entry for source in equals for entry in source.values.get(setting.opposite, ())}
        value = [entry for entry in value if entry not in opposed]
    named = [source.values[key] for source in equals if key in source.values]
    if not named:
        return value
    own = combine(setting, named)
    return combine(setting, [own, value]) if setting.adds_up and value is not None else own


def _tighten(setting: Setting, bound: Any, value: Any, equals: Sequence[PolicySource]) -> Any:
    """Return the bound for narrower places: the stricter of the former one and of what these places lock."""
    key = setting.key
    locked = [source.values[key] for source in equals if key in source.values and key in source.locks]
    if not locked:
        return bound
    # Where offers of several widths add up, what is locked is all that is offered so far.
    own = value if setting.is_offered else combine(setting, locked)
    return own if bound is None else merge(setting, [bound, own])


def combine(setting: Setting, values: Sequence[Any]) -> Any:
    """Put values side by side, strongest first: all entries where the setting adds up, else the stricter of them."""
    if setting.is_offered:
        return sorted(set().union(*values))
    return merge(setting, values)


def merge(setting: Setting, values: Sequence[Any]) -> Any:
    """Return the stricter of values, strongest first. Lists come out sorted, so that order never changes a configuration."""
    return _RULES[setting.merge_rule](setting, values)


def _choose_smallest_but_zero(_setting: Setting, values: Sequence[Any]) -> Any:
    return min((value for value in values if value), default=0)


def _unite_entries(setting: Setting, values: Sequence[Any]) -> list[Any]:
    """Return every entry once; of two with the same identity, the one of the strongest."""
    entries: dict[str, Any] = {}
    for value in values:
        for entry in value:
            entries.setdefault(setting.get_entry_identity(entry), entry)
    return [entries[identity] for identity in sorted(entries)]


_RULES: dict[MergeRule, Callable[[Setting, Sequence[Any]], Any]] = {
    MergeRule.ALL: lambda _, values: all(values),
    MergeRule.ANY: lambda _, values: any(values),
    MergeRule.SMALLEST: lambda _, values: min(values),
    MergeRule.SMALLEST_BUT_ZERO: _choose_smallest_but_zero,
    MergeRule.LARGEST: lambda _, values: max(values),
    MergeRule.INTERSECTION: lambda _, values: sorted(set.intersection(*(set(value) for value in values))),
    MergeRule.UNION: lambda _, values: sorted(set().union(*values)),
    MergeRule.EACH: _unite_entries,
    MergeRule.STRICTEST: lambda setting, values: min(values, key=setting.choices.index),
    MergeRule.AGREE: lambda _, values: values[0],
}


def _explain(setting: Setting, value: Any, relevant: Sequence[PolicySource], bounding: Sequence[Constraint]) -> tuple[Step, ...]:
    """Return what became of each source's value: what is in force first, then the narrowest first."""
    key = setting.key
    naming = [source for source in relevant if key in source.values]
    steps = [_explain_constraint(setting, value, constraint) for constraint in bounding]
    for source in reversed(naming):
        outcome, by = _find_outcome(setting, value, source, relevant, bounding)
        steps.append(
            Step(
                source.name,
                source.values[key],
                outcome,
                by,
                is_locked=key in source.locks,
                author=source.author,
                until=source.until,
                presets=source.presets.get(key, ()),
            )
        )
    return tuple(sorted(steps, key=lambda step: not step.is_in_force))


def _explain_constraint(setting: Setting, value: Any, constraint: Constraint) -> Step:
    own = constraint.values[setting.key]
    if merge(setting, [own]) == value:
        outcome = StepOutcome.CHOSEN
    else:
        outcome = StepOutcome.ADDED if setting.merge_rule in (MergeRule.UNION, MergeRule.EACH) else StepOutcome.LOOSER
    return Step(constraint.name, own, outcome, is_constraint=True, author=constraint.author)


def _find_outcome(
    setting: Setting, value: Any, source: PolicySource, relevant: Sequence[PolicySource], bounding: Sequence[Constraint]
) -> tuple[StepOutcome, tuple[str, ...]]:
    """Return what became of the value of a source, and the names of those that replaced or bounded it."""
    key, own = setting.key, source.values[setting.key]
    narrower = [each for each in relevant if each.depth > source.depth and key in each.values]
    is_locked = key in source.locks
    if narrower and not setting.adds_up and not is_locked:
        narrowest = narrower[-1].depth
        return StepOutcome.REPLACED, tuple(each.name for each in narrower if each.depth == narrowest)
    if merge(setting, [own]) == value:
        return StepOutcome.CHOSEN, ()
    if setting.adds_up:
        return _find_outcome_of_entries(setting, value, source, relevant, bounding)
    if narrower:
        return StepOutcome.LOOSER, ()
    return StepOutcome.BOUNDED, _list_bounds(setting, source, relevant, bounding)


def _find_outcome_of_entries(
    setting: Setting, value: Any, source: PolicySource, relevant: Sequence[PolicySource], bounding: Sequence[Constraint]
) -> tuple[StepOutcome, tuple[str, ...]]:
    """Return the outcome where lists add up: whether the entries of a source are in the value, as they are."""
    own = source.values[setting.key]
    missing = [entry for entry in own if entry not in value]
    if not missing:
        return StepOutcome.ADDED, ()
    opposing = tuple(
        each.name
        for each in relevant
        if each.depth >= source.depth and setting.opposite and set(missing) & set(each.values.get(setting.opposite, ()))
    )
    if setting.merge_rule is MergeRule.EACH:
        same = {setting.get_entry_identity(entry) for entry in missing}
        opposing = tuple(
            each.name
            for each in relevant
            if each is not source and any(setting.get_entry_identity(entry) in same for entry in each.values[setting.key])
        )
    if len(missing) < len(own):
        return StepOutcome.ADDED, opposing
    if opposing:
        return StepOutcome.REPLACED, opposing
    return StepOutcome.BOUNDED, _list_bounds(setting, source, relevant, bounding)


def _list_bounds(
    setting: Setting, source: PolicySource, relevant: Sequence[PolicySource], bounding: Sequence[Constraint]
) -> tuple[str, ...]:
    """Return the names of wider locks, equal places and constraints, each of which alone would make a source's value stricter."""
    key, own = setting.key, source.values[setting.key]
    bounds = [
        (each.name, each.values[key])
        for each in relevant
        if key in each.values
        and each is not source
        and (each.depth == source.depth or (each.depth < source.depth and key in each.locks))
    ]
    bounds += [(each.name, each.values[key]) for each in bounding]
    return tuple(name for name, other in bounds if merge(setting, [other, own]) != merge(setting, [own]))
