"""What the rules want of one host: on a tablet now, or at a place in a mode. Whether a tablet does it is seen in `mdm.care.web_filter`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

from cartable.unit_of_work import UnitOfWork
from enrollment.facts import TabletFacts
from profiles.catalog.hosts import clean_host
from profiles.effective.contents import build_mode_content
from profiles.effective.resolving import build_resolver_filter
from profiles.effective.situation import PolicyData, Situation, build_situation, compose_mode_filter, load_policy
from profiles.filters.errors import BadHost
from profiles.filters.proved_filter import FilterPart, list_tokens, read_proved_filter
from profiles.filters.repository import FilterRepository
from profiles.filters.resolver_filter import decide_name
from profiles.filters.rules import (
    HELD_BY_BUILT_IN,
    MAX_BUILT_IN,
    DeliveryKind,
    EffectiveFilter,
    HostVerdict,
    find_covering_entry,
    judge_host,
)
from profiles.policy.kinds import TabletRole
from profiles.policy.rules import TabletPlace, apply_documents
from profiles.schedule.modes import Mode
from profiles.schedule.service import evaluate_modes


@dataclass(frozen=True, slots=True)
class HostExplanation:
    """What the rules want of a host: the host as lists write it, the mode, the categories that list it, the verdict, and how the filter
    is to reach tablets. `is_built_in_enough`: whether the filter of the system alone can hold the verdict.
    """

    host: str
    mode: Mode
    categories: Sequence[str]
    verdict: HostVerdict
    delivery_kind: DeliveryKind
    is_built_in_enough: bool


@dataclass(frozen=True, slots=True)
class PlaceExplanation:
    """What the rules want of a host at a place, and the parts of the filter of a supervised tablet there that close it."""

    wanted: HostExplanation
    closing: tuple[FilterPart, ...]


def explain_host(work: UnitOfWork, facts: TabletFacts, host: str) -> HostExplanation:
    """Return what the rules want of a host on a tablet now, and why. Raises `BadHost`."""
    now = evaluate_modes(work, [facts])[facts.tablet_id]
    policy = load_policy(work, [facts])
    return _explain(work, build_situation(facts, policy, now), policy, now.mode, host)


def explain_host_at_place(
    work: UnitOfWork, town_id: UUID, grade: str | None, school_id: UUID | None, mode: Mode, host: str
) -> PlaceExplanation:
    """Return what the rules of a place want of a host in a mode, for the tablet of a pupil there. Raises `BadHost`."""
    policy = load_policy(work, (), [town_id])
    situation = _build_place_situation(policy, town_id, grade, school_id)
    wanted = _explain(work, situation, policy, mode, host)
    payloads = [
        {"PayloadType": kind, **payload}
        for kind, payload in build_mode_content(situation, policy, mode).composed_payloads.items()
    ]
    served = {}
    if policy.resolver is not None:
        web = compose_mode_filter(situation, policy, mode)
        server_host, own_hosts = policy.get_server_host(town_id), policy.resolver.get_own_hosts(town_id)
        content = build_resolver_filter(web, policy.resolver, server_host, own_hosts)
        served = dict.fromkeys(list_tokens(payloads), content)
    return PlaceExplanation(wanted, read_proved_filter(payloads, served).list_closing(wanted.host, wanted.categories))


def load_town_filter(work: UnitOfWork, town_id: UUID) -> EffectiveFilter:
    """Return the filter that the rules of a town make for any of its pupils at home."""
    policy = load_policy(work, (), [town_id])
    return compose_mode_filter(_build_place_situation(policy, town_id, None, None), policy, Mode.HOME)


def _build_place_situation(policy: PolicyData, town_id: UUID, grade: str | None, school_id: UUID | None) -> Situation:
    place = TabletPlace(town_id, uuid4(), school_id, None, None, grade, TabletRole.PUPIL, frozenset())
    is_trial = policy.resolver is not None and school_id in policy.resolver.trial_schools
    return Situation(town_id, apply_documents(policy.documents, policy.presets, place), supervised=True, is_trial=is_trial)


def _explain(work: UnitOfWork, situation: Situation, policy: PolicyData, mode: Mode, host: str) -> HostExplanation:
    clean = clean_host(host)
    if clean is None:
        raise BadHost(host=host[:80], field="host")
    web = compose_mode_filter(situation, policy, mode)
    categories = FilterRepository(work.session).find_categories(situation.town_id, clean, is_trial=situation.is_trial)
    if web.delivery_kind is DeliveryKind.RESOLVER and policy.resolver is not None:
        server_host, own_hosts = policy.get_server_host(situation.town_id), policy.resolver.get_own_hosts(situation.town_id)
        verdict = decide_name(build_resolver_filter(web, policy.resolver, server_host, own_hosts), clean, categories)
    else:
        verdict = judge_host(web, clean, categories)
    is_enough = verdict.reason in HELD_BY_BUILT_IN and find_covering_entry(clean, web.denied[MAX_BUILT_IN:]) is None
    return HostExplanation(clean, mode, categories, verdict, web.delivery_kind, is_enough)
