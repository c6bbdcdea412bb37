"""What a draft of a document or preset would change: tablets, settings by mode, licences, the web. Writes nothing.

See docs/domain/policy.md#preview.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cartable.unit_of_work import UnitOfWork
from enrollment.facts import load_facts
from profiles.apps.licences import LicenceNeed
from profiles.catalog.diff import Change, diff
from profiles.catalog.merge import Resolved, Step, StepOutcome
from profiles.effective.assessment import Assessment, assess_groups
from profiles.effective.contents import build_mode_content, list_wanted_apps
from profiles.effective.draft_groups import DraftGroup, build_place_groups, group_tablets, is_of, replace_content
from profiles.effective.situation import PolicyData, Situation, compose_mode_filter, load_policy
from profiles.effective.system_updates import find_update_payload
from profiles.filters.rules import compare_filters
from profiles.policy.checks import find_content_problem, lint_content, list_licence_needs, normalise_content
from profiles.policy.content import PolicyContent
from profiles.policy.documents import list_concerned, select_concerned
from profiles.policy.errors import BadSetting
from profiles.policy.lint import Finding
from profiles.policy.models import PolicyDocument
from profiles.policy.repository import Versioned
from profiles.schedule.modes import Mode

MAX_SAMPLES = 50


@dataclass(frozen=True, slots=True)
class SettingEffect:
    """One setting that changes, in some modes, on some tablets."""

    change: Change
    modes: tuple[Mode, ...]
    tablets: int


@dataclass(frozen=True, slots=True)
class DraftOutcome:
    """What becomes of one setting of the draft, in some modes, on some tablets; `by` names what replaces or bounds it."""

    key: str
    outcome: StepOutcome
    by: tuple[str, ...]
    modes: tuple[Mode, ...]
    tablets: int


@dataclass(frozen=True, slots=True)
class Preview:
    """All that a draft would change.

    `tablets` are concerned, `changed` would get another configuration. `opens` and `closes` are samples of what changes on the web.
    """

    tablets: int
    changed: int
    effects: tuple[SettingEffect, ...]
    outcomes: tuple[DraftOutcome, ...]
    licences: tuple[LicenceNeed, ...]
    opens: tuple[str, ...]
    closes: tuple[str, ...]
    findings: tuple[Finding, ...]
    assessment: Assessment

    @property
    def ineffective_settings(self) -> tuple[str, ...]:
        """The settings of the draft that are in force on no tablet in no mode."""
        named = {outcome.key for outcome in self.outcomes}
        in_force = {each.key for each in self.outcomes if each.outcome in (StepOutcome.CHOSEN, StepOutcome.ADDED)}
        return tuple(sorted(named - in_force))


@dataclass(slots=True)
class _Tally:
    """What is counted over all groups."""

    total: int = 0
    changed: int = 0
    effects: dict[tuple[str, str, str], tuple[Change, dict[Mode, None], int]] = field(default_factory=dict)
    outcomes: dict[tuple[str, StepOutcome, tuple[str, ...]], tuple[dict[Mode, None], int]] = field(default_factory=dict)
    opens: set[str] = field(default_factory=set)
    closes: set[str] = field(default_factory=set)


def preview(work: UnitOfWork, owner: Versioned, content: PolicyContent) -> Preview:
    """Return what this content would change if it were live, for all tablets that it concerns. Raises `BadSetting`."""
    content = normalise_content(content)
    problem = find_content_problem(work, owner, content)
    if problem is not None:
        raise BadSetting(field=problem[0], why=problem[1])
    facts = list(load_facts(work, list_concerned(work, owner)).values())
    policy = load_policy(work, facts, [owner.town_id] if owner.town_id else [])
    drafted = replace_content(policy, owner, content)
    groups = list(group_tablets(work, facts, policy, drafted, owner))
    tally = _Tally()
    for group in groups:
        _count_group(tally, group, policy, drafted, owner)
    assessment = assess_groups([*groups, *build_place_groups(policy, drafted, owner)], policy, drafted)
    return Preview(
        tablets=tally.total,
        changed=tally.changed,
        effects=tuple(
            SettingEffect(change, tuple(sorted(modes)), tablets)
            for _, (change, modes, tablets) in sorted(tally.effects.items(), key=lambda item: item[0])
        ),
        outcomes=tuple(
            DraftOutcome(*key, tuple(sorted(modes)), tablets) for key, (modes, tablets) in sorted(tally.outcomes.items())
        ),
        licences=tuple(list_licence_needs(work, owner, content, select_concerned(work, owner))),
        opens=tuple(sorted(tally.opens)[:MAX_SAMPLES]),
        closes=tuple(sorted(tally.closes)[:MAX_SAMPLES]),
        findings=tuple(lint_content(content, policy.presets)),
        assessment=assessment,
    )


def _count_group(tally: _Tally, group: DraftGroup, policy: PolicyData, drafted: PolicyData, owner: Versioned) -> None:
    effects: dict[tuple[str, str, str], tuple[Change, list[Mode]]] = {}
    outcomes: dict[tuple[str, StepOutcome, tuple[str, ...]], list[Mode]] = {}
    differing = []
    for mode in Mode:
        after = drafted.get_settings(group.after, mode)
        changes = diff(policy.get_settings(group.before, mode), after)
        if changes:
            differing.append(mode)
        for change in changes:
            key = (change.key, repr(change.before), repr(change.after))
            effects.setdefault(key, (change, []))[1].append(mode)
        for setting, step in _list_draft_steps(after, group.after, owner):
            outcomes.setdefault((setting, step.outcome, step.by), []).append(mode)
        if any(change.key.startswith("web.") for change in changes):
            opens, closes = compare_filters(
                compose_mode_filter(group.before, policy, mode), compose_mode_filter(group.after, drafted, mode)
            )
            tally.opens.update(opens)
            tally.closes.update(closes)
    tally.total += group.tablets
    tally.changed += group.tablets if _is_configuration_changed(group, policy, drafted, differing) else 0
    for key, (change, modes) in effects.items():
        _, known_modes, known = tally.effects.get(key, (change, {}, 0))
        tally.effects[key] = (change, known_modes | dict.fromkeys(modes), known + group.tablets)
    for outcome, modes in outcomes.items():
        known_modes, known = tally.outcomes.get(outcome, ({}, 0))
        tally.outcomes[outcome] = (known_modes | dict.fromkeys(modes), known + group.tablets)


def _list_draft_steps(settings: Mapping[str, Resolved], situation: Situation, owner: Versioned) -> Iterable[tuple[str, Step]]:
    """Return the steps of the draft's own settings in a mode."""
    labels = {document.document.label for document in situation.documents if is_of(document, owner)}
    for key, resolved in settings.items():
        for step in resolved.steps:
            if step.source in labels and (isinstance(owner, PolicyDocument) or owner.name in step.presets):
                yield key, step


def _is_configuration_changed(group: DraftGroup, policy: PolicyData, drafted: PolicyData, differing: Sequence[Mode]) -> bool:
    """Return whether what these tablets are sent changes: a setting that they cannot take changes nothing."""
    if not differing:
        return False
    if [app.id for app in list_wanted_apps(group.before, policy)] != [app.id for app in list_wanted_apps(group.after, drafted)]:
        return True
    if find_update_payload(group.before, policy) != find_update_payload(group.after, drafted):
        return True
    return any(
        build_mode_content(group.before, policy, mode).digest != build_mode_content(group.after, drafted, mode).digest
        for mode in differing
    )
