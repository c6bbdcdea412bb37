"""What a draft would do to the reach of tablets, before it is published: the risks of all its situations. Writes nothing.

See docs/domain/policy.md#reachability.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cartable.unit_of_work import UnitOfWork
from enrollment.facts import load_facts
from profiles.catalog.merge import Resolved
from profiles.effective.draft_groups import DraftGroup, build_place_groups, group_tablets, replace_content
from profiles.effective.situation import PolicyData, load_policy
from profiles.policy.content import PolicyContent
from profiles.policy.documents import list_concerned
from profiles.policy.reachability import ReachabilityRule, Risk, Severity, find_risks
from profiles.policy.repository import Versioned
from profiles.schedule.modes import Mode


@dataclass(frozen=True, slots=True)
class RiskFinding:
    """A risk, the modes in which it holds, on how many tablets; none: it waits for the first tablet that joins the place."""

    risk: Risk
    modes: tuple[Mode, ...]
    tablets: int


@dataclass(frozen=True, slots=True)
class Assessment:
    """What a publication must know of a draft: how many tablets it concerns, whether it changes apps alone, and its risks.

    `confirmation` is the code with which a person confirms these very risks; None where there is nothing to confirm.
    """

    tablets: int
    changes_apps_alone: bool
    findings: tuple[RiskFinding, ...]
    confirmation: str | None

    @property
    def refused(self) -> tuple[RiskFinding, ...]:
        """The findings that no confirmation helps."""
        return tuple(each for each in self.findings if each.risk.severity is Severity.REFUSED)


class RiskTally:
    """Collects the risks of groups of tablets, mode by mode."""

    def __init__(self, *, has_resolver: bool) -> None:
        self.has_resolver = has_resolver
        self._findings: dict[Risk, tuple[dict[Mode, None], int]] = {}
        self._values: dict[tuple[ReachabilityRule, str], set[str]] = {}

    def add_group(self, group: DraftGroup, policy: PolicyData, drafted: PolicyData) -> None:
        """Add what the draft brings into force for a group."""
        modes_by_risk: dict[Risk, list[Mode]] = {}
        server = policy.get_server_host(group.after.town_id)
        for mode in Mode:
            before, after = policy.get_settings(group.before, mode), drafted.get_settings(group.after, mode)
            risks = find_risks(_Values(before), _Values(after), server, has_resolver=self.has_resolver)
            for risk in dict.fromkeys(risks):
                modes_by_risk.setdefault(risk, []).append(mode)
                for key in risk.settings:
                    value = after[key].value if key in after else None
                    self._values.setdefault((risk.rule, key), set()).add(json.dumps(value, sort_keys=True, default=repr))
        for risk, modes in modes_by_risk.items():
            known, tablets = self._findings.get(risk, ({}, 0))
            self._findings[risk] = (known | dict.fromkeys(modes), tablets + group.tablets)

    def list_findings(self) -> tuple[RiskFinding, ...]:
        """Return what was collected: what refuses first, then by rule."""
        findings = [RiskFinding(risk, tuple(sorted(modes)), count) for risk, (modes, count) in self._findings.items()]
        return tuple(sorted(findings, key=lambda each: (each.risk.severity is not Severity.REFUSED, each.risk.rule)))

    def build_confirmation(self) -> str | None:
        """Return the code that stands for these risks with these values. It does not depend on the number of tablets."""
        if not self._findings:
            return None
        described = sorted([rule.value, key, sorted(values)] for (rule, key), values in self._values.items())
        return hashlib.sha256(json.dumps(described).encode()).hexdigest()[:8]


class _Values(Mapping[str, Any]):
    """The values of resolved settings, without a copy of all of them."""

    def __init__(self, resolved: Mapping[str, Resolved]) -> None:
        self._resolved = resolved

    def __getitem__(self, key: str) -> Any:
        return self._resolved[key].value

    def __iter__(self) -> Any:
        return iter(self._resolved)

    def __len__(self) -> int:
        return len(self._resolved)


def assess_draft(work: UnitOfWork, owner: Versioned, content: PolicyContent) -> Assessment:
    """Return what this content would do if it were live, for all tablets that it concerns and for those that join later.

    Costs a constant number of statements, and time by the number of situations.
    """
    facts = list(load_facts(work, list_concerned(work, owner)).values())
    policy = load_policy(work, facts, [owner.town_id] if owner.town_id else [])
    drafted = replace_content(policy, owner, content)
    groups = list(group_tablets(work, facts, policy, drafted, owner))
    return assess_groups([*groups, *build_place_groups(policy, drafted, owner)], policy, drafted)


def assess_groups(groups: Iterable[DraftGroup], policy: PolicyData, drafted: PolicyData) -> Assessment:
    """Return the assessment of a draft whose tablets are grouped already."""
    tally = RiskTally(has_resolver=policy.resolver is not None)
    tablets, changes_apps_alone = 0, True
    for group in groups:
        tablets += group.tablets
        tally.add_group(group, policy, drafted)
        changes_apps_alone = changes_apps_alone and not any(
            _changes_other_settings(group, policy, drafted, mode) for mode in Mode
        )
    return Assessment(tablets, changes_apps_alone, tally.list_findings(), tally.build_confirmation())


_APP_SETTINGS = frozenset({"allowListedAppBundleIDs", "blockedAppBundleIDs"})


def _changes_other_settings(group: DraftGroup, policy: PolicyData, drafted: PolicyData, mode: Mode) -> bool:
    """Return whether a draft changes more for a group than which apps it has and shows."""
    before, after = policy.get_settings(group.before, mode), drafted.get_settings(group.after, mode)
    if before is after:
        return False
    return any(
        (before[key].value if key in before else None) != (after[key].value if key in after else None)
        for key in before.keys() | after.keys()
        if key not in _APP_SETTINGS and not key.startswith("apps.")
    )
