"""What a draft would change before it is saved: how many tablets, which settings, in which modes. Writes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

from cartable.scope import Actor
from cartable.unit_of_work import UnitOfWork
from enrollment.facts import load_facts
from profiles.catalog.composites import expand_composites, list_authorable_fields
from profiles.catalog.diff import Change, diff
from profiles.effective.situation import Policy, Situation, read_policy, resolved, situation_of
from profiles.errors import BadSetting
from profiles.policy import service
from profiles.policy.models import PolicyLayer
from profiles.policy.rules import Authored, wrong
from profiles.schedule.modes import Mode
from profiles.schedule.service import evaluate_modes


@dataclass(frozen=True, slots=True)
class Effect:
    """One setting that changes, in some modes, on some tablets."""

    change: Change
    modes: tuple[Mode, ...]
    tablets: int


@dataclass(frozen=True, slots=True)
class Preview:
    """All that a draft would change. `without_effect` are its settings that something above or below overrules everywhere."""

    tablets: int
    changed: int
    effects: tuple[Effect, ...]
    without_effect: tuple[str, ...]
    loosened_in_vain: tuple[str, ...]


def preview(
    work: UnitOfWork, actor: Actor, layer_id: UUID, settings: Mapping[str, Mapping[str, Any]], locks: Sequence[str] = ()
) -> Preview:
    """What this version of the layer would change, tablet by tablet, setting by setting. Raises `BadSetting`."""
    layer = service.find(work, actor, layer_id)
    problem = wrong(settings, locks, list_authorable_fields())
    if problem is not None:
        raise BadSetting(field=problem[0], why=problem[1])
    facts = load_facts(work, service.reach(work, actor, layer.id))
    modes = evaluate_modes(work, facts.values())
    policy = read_policy(work, facts.values())
    with_draft = replace_version(policy, layer, settings, locks)
    groups: dict[tuple[object, ...], tuple[Situation, Situation, int]] = {}
    for each in facts.values():
        before = situation_of(each, policy, modes[each.tablet_id])
        after = situation_of(each, with_draft, modes[each.tablet_id])
        key = (before.key, after.key)
        known = groups.get(key)
        groups[key] = (before, after, 1 if known is None else known[2] + 1)
    return _summed(list(groups.values()), policy, with_draft, settings)


def replace_version(
    policy: Policy, layer: PolicyLayer, settings: Mapping[str, Mapping[str, Any]], locks: Sequence[str]
) -> Policy:
    """The policy as it would be with this version of a layer in force for all."""
    draft = Authored(
        layer_id=layer.id, version_id=uuid4(), town_id=layer.town_id, kind=layer.kind, target=layer.target, name=layer.name,
        settings=settings, locks=frozenset(locks),
    )  # fmt: skip
    others = [each for each in policy.authored if each.layer_id != layer.id]
    return replace(policy, authored=[*others, draft])


def _summed(
    groups: list[tuple[Situation, Situation, int]],
    policy: Policy,
    with_draft: Policy,
    settings: Mapping[str, Mapping[str, Any]],
) -> Preview:
    effects: dict[tuple[str, str, str], tuple[Change, set[Mode], int]] = {}
    total = changed = 0
    for before, after, count in groups:
        total += count
        seen: dict[tuple[str, str, str], tuple[Change, set[Mode]]] = {}
        for mode in Mode:
            for change in diff(resolved(before, policy, mode), resolved(after, with_draft, mode)):
                key = (change.key, repr(change.before), repr(change.after))
                seen.setdefault(key, (change, set()))[1].add(mode)
        changed += count if seen else 0
        for key, (change, modes) in seen.items():
            known = effects.get(key)
            effects[key] = (change, modes | (known[1] if known else set()), count + (known[2] if known else 0))
    touched = {change.key for change, _, _ in effects.values()}
    said = {key for part in settings.values() for key in expand_composites(part)}
    overruled = tuple(sorted(said - touched))
    return Preview(
        tablets=total,
        changed=changed,
        effects=tuple(
            Effect(change, tuple(sorted(modes)), count)
            for _, (change, modes, count) in sorted(effects.items(), key=lambda item: item[0])
        ),
        without_effect=overruled,
        loosened_in_vain=_in_vain(groups, with_draft, settings, overruled),
    )


def _in_vain(
    groups: list[tuple[Situation, Situation, int]],
    with_draft: Policy,
    settings: Mapping[str, Mapping[str, Any]],
    overruled: Sequence[str],
) -> tuple[str, ...]:
    """The settings that a lock above keeps stricter than the draft wants."""
    wanted = {key: value for part in settings.values() for key, value in expand_composites(part).items() if key in overruled}
    held: set[str] = set()
    for _, after, _ in groups[:1]:
        now = resolved(after, with_draft, Mode.SCHOOL)
        held |= {key for key, value in wanted.items() if key in now and now[key].value != value}
    return tuple(sorted(held))
