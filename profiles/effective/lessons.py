"""Class sessions as teachers start them: what a lesson is limited to must be something that the tablets of the class have. Never commits.

How long a session lasts, and what ends it, is in `profiles.schedule.sessions`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from cartable.errors import Invalid
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.facts import load_facts
from enrollment.tablets.repository import TabletRepository
from profiles.catalog.hosts import clean_host
from profiles.effective.errors import AppsNotOfClass, SitesClosed
from profiles.effective.situation import (
    Lesson,
    PolicyData,
    Situation,
    build_situation,
    compose_mode_apps,
    compose_mode_filter,
    load_policy,
)
from profiles.filters.errors import BadHost
from profiles.filters.repository import FilterRepository
from profiles.filters.rules import HostDecision, judge_host
from profiles.policy.baseline import BASE_APPS
from profiles.schedule import sessions
from profiles.schedule.models import ClassSession
from profiles.schedule.modes import Mode
from profiles.schedule.service import evaluate_modes
from profiles.schedule.session_rules import SessionPreset


@dataclass(frozen=True, slots=True)
class LessonPlan:
    """What a teacher asks for: how long, limited to what, and whether another person's session ends for it."""

    minutes: int
    preset: SessionPreset
    apps: Sequence[str] = ()
    sites: Sequence[str] = ()
    take_over: bool = False


def start_lesson(
    work: UnitOfWork, actor: Actor, town_id: UUID, school_id: UUID, class_id: UUID, plan: LessonPlan
) -> ClassSession:
    """Start a class session.

    Raises what `sessions.start_session` raises, `Invalid` for a limit to nothing, `BadHost`, `AppsNotOfClass` and `SitesClosed`.
    """
    actor.require_permission(Permission.TEACH, town_id, school_id, class_id)
    sites = [_clean_site(site) for site in plan.sites]
    if plan.preset is SessionPreset.FOCUS_APPS and not plan.apps:
        raise Invalid(field="apps")
    if plan.preset is SessionPreset.FOCUS_SITES and not sites:
        raise Invalid(field="sites")
    policy, situations = _load_situations(work, town_id, class_id)
    if situations:
        _check_apps(policy, situations, plan)
        _check_sites(work, policy, situations, plan, sites)
    return sessions.start_session(
        work, actor, town_id, school_id, class_id, minutes=plan.minutes, preset=plan.preset, apps=plan.apps, sites=sites,
        take_over=plan.take_over,
    )  # fmt: skip


def list_lesson_apps(work: UnitOfWork, town_id: UUID, class_id: UUID) -> list[tuple[str, str | None]]:
    """Return what a lesson of a class may be limited to: bundle identifiers, each with the name that the town's catalogue has for it."""
    policy, situations = _load_situations(work, town_id, class_id)
    names = ((each, policy.apps.get((town_id, each))) for each in _list_apps(policy, situations))
    return [(identifier, app.name if app is not None else None) for identifier, app in names]


def _load_situations(work: UnitOfWork, town_id: UUID, class_id: UUID) -> tuple[PolicyData, list[Situation]]:
    """Return the policy and the different situations of the tablets of a class, without a session."""
    tablet_ids = list(work.session.scalars(TabletRepository(work.session).select_by_class(class_id)))
    facts = [each for each in load_facts(work, tablet_ids).values() if each.town_id == town_id]
    policy = load_policy(work, facts, [town_id])
    evaluations = evaluate_modes(work, facts)
    situations = (_with_lesson(build_situation(each, policy, evaluations[each.tablet_id]), None) for each in facts)
    return policy, list({situation.settings_key: situation for situation in situations}.values())


def _with_lesson(situation: Situation, lesson: Lesson | None) -> Situation:
    return Situation(situation.town_id, situation.documents, lesson=lesson)


def _list_apps(policy: PolicyData, situations: Sequence[Situation]) -> list[str]:
    """Return the apps that at least one tablet of the class shows."""
    effective = [compose_mode_apps(situation, policy, Mode.CLASS_SESSION) for situation in situations]
    return sorted({app for apps in effective for app in {*apps.shown, *BASE_APPS} - {*apps.blocked}} - {"com.apple.webapp"})


def _check_apps(policy: PolicyData, situations: Sequence[Situation], plan: LessonPlan) -> None:
    if plan.preset is not SessionPreset.FOCUS_APPS:
        return
    missing = sorted(set(plan.apps).difference(_list_apps(policy, situations)))
    if missing:
        town_id = situations[0].town_id
        names = (policy.apps.get((town_id, app)) for app in missing)
        raise AppsNotOfClass(
            apps=", ".join(app.name if app is not None else each for each, app in zip(missing, names, strict=True)), field="apps"
        )


def _check_sites(
    work: UnitOfWork, policy: PolicyData, situations: Sequence[Situation], plan: LessonPlan, sites: Sequence[str]
) -> None:
    """Raise `SitesClosed` for sites that stay closed on every tablet of the class: nobody wants a lesson with them."""
    if not sites:
        return
    categories = FilterRepository(work.session).find_categories_of_hosts(situations[0].town_id, sites)

    def list_open(situation: Situation) -> Iterator[str]:
        lesson = Lesson(plan.preset, tuple(plan.apps), tuple(sites))
        web = compose_mode_filter(_with_lesson(situation, lesson), policy, Mode.CLASS_SESSION)
        return (site for site in sites if judge_host(web, site, categories[site]).decision is HostDecision.ALLOW)

    closed = set(sites).difference(*(list_open(situation) for situation in situations))
    if closed:
        raise SitesClosed(sites=", ".join(sorted(closed)), field="sites")


def _clean_site(text: str) -> str:
    """Return the host of the address that a teacher typed. Raises `BadHost`."""
    host = clean_host(text)
    if host is None:
        raise BadHost(host=text[:80], field="sites")
    return host
