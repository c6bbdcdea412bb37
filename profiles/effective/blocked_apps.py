"""Which apps the rules keep off tablets in every mode, and the places whose rules do so. Reads only."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from cartable.unit_of_work import UnitOfWork
from enrollment.facts import load_facts
from profiles.catalog.merge import Resolved
from profiles.effective.contents import MODES
from profiles.effective.situation import PolicyData, Situation, build_tablet_place, load_policy
from profiles.policy.kinds import AppUse
from profiles.policy.rules import apply_documents


def find_blocking_places(
    work: UnitOfWork, tablet_ids: Sequence[UUID], identifiers: Collection[str]
) -> dict[UUID, dict[str, tuple[str, ...]]]:
    """Return for each tablet those of these apps that are blocked in every mode, each with the labels of the places that block it.

    What is blocked in some modes only is installed and hidden there, so it is not returned. The number of queries is constant.
    """
    facts = list(load_facts(work, tablet_ids).values())
    policy = load_policy(work, facts)
    blocked_by_situation: dict[tuple[object, ...], dict[str, tuple[str, ...]]] = {}
    blocked_by_tablet = {}
    for each in facts:
        documents = apply_documents(policy.documents, policy.presets, build_tablet_place(each, policy))
        situation = Situation(each.town_id, documents)
        if situation.settings_key not in blocked_by_situation:
            blocked_by_situation[situation.settings_key] = _list_blocked(situation, policy, identifiers)
        blocked_by_tablet[each.tablet_id] = blocked_by_situation[situation.settings_key]
    return blocked_by_tablet


def _list_blocked(situation: Situation, policy: PolicyData, identifiers: Collection[str]) -> dict[str, tuple[str, ...]]:
    by_mode = [policy.get_settings(situation, mode) for mode in MODES]
    places = {identifier: [_list_places(settings, identifier) for settings in by_mode] for identifier in identifiers}
    return {
        identifier: tuple(dict.fromkeys(place for found in each for place in found))
        for identifier, each in places.items()
        if all(each)
    }


def _list_places(settings: Mapping[str, Resolved], identifier: str) -> list[str]:
    """Return the places that block an app in a mode."""
    resolved = settings.get(AppUse.BLOCKED.setting)
    if resolved is None:
        return []
    return [step.source for step in resolved.steps if step.is_in_force and identifier in step.value]
