"""What the rollover to the next school year means for licences: app by app, needed before, after, and at once in between.

Licences follow tablets: pupils who move up return some and need others, leavers keep theirs until their tablet is returned, and
arrivals need some from the first day. Reads; reserves nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.rollover import service as rollovers
from enrollment.rollover.models import Rollover, RolloverDecision
from enrollment.rollover.repository import RolloverGroup, RolloverRepository
from profiles.apps.licence_repository import LicenceRepository
from profiles.apps.repository import AppRepository
from profiles.effective.contents import list_wanted_apps
from profiles.effective.situation import PolicyData, Situation
from profiles.policy.kinds import TabletRole
from profiles.policy.repository import PolicyRepository
from profiles.policy.rules import TabletPlace, apply_documents

_NO_TABLET = UUID(int=0)


@dataclass(frozen=True, slots=True)
class LicenceOverlap:
    """One app around a rollover. `peak` is what is in use at once while no tablet has been returned and none of those that change
    grade has answered. `missing` must be bought for good, `missing_at_peak` waits until licences come back. `owned` counts all
    accounts of the town, without what is held elsewhere; None for an app without a pool.
    """

    app: str
    before: int
    after: int
    given_back: int
    taken: int
    peak: int
    owned: int | None
    missing: int
    missing_at_peak: int


def list_licence_overlaps(work: UnitOfWork, actor: Actor, rollover_id: UUID) -> list[LicenceOverlap]:
    """Return what a town needs of each app around a rollover, by the app's name. Raises `RolloverNotFound`, `Forbidden`."""
    rollover = rollovers.get_rollover(work, actor, rollover_id)
    actor.require_permission(Permission.SEE, rollover.town_id)
    groups = RolloverRepository(work.session).count_groups(rollover.id)
    repository, licences = PolicyRepository(work.session), LicenceRepository(work.session)
    policy = PolicyData(
        documents=repository.get_published_documents([rollover.town_id]),
        presets=repository.get_published_presets([rollover.town_id]),
        apps=AppRepository(work.session).get_apps_by_identifier([rollover.town_id]),
        groups={},
    )
    apps = {app.id: app.name for app in policy.apps.values() if app.app_store_id is not None}
    owned: Counter[UUID] = Counter()
    for pool in licences.list_pools(list(apps)):
        owned[pool.app_id] += pool.total - pool.held_elsewhere
    counts = _count_apps(groups, policy, rollover)
    overlaps = (_to_overlap(apps[app_id], count, owned.get(app_id)) for app_id, count in counts.items() if app_id in apps)
    return sorted(overlaps, key=lambda each: each.app)


def _count_apps(groups: Iterable[RolloverGroup], policy: PolicyData, rollover: Rollover) -> Mapping[UUID, Counter[str]]:
    """Return how many tablets need each app before and after, and how many hold it at once."""
    counts: dict[UUID, Counter[str]] = {}
    for group in groups:
        before, after = _list_places(group, rollover)
        had = _list_required_apps(policy, before) if before else set()
        has = _list_required_apps(policy, after) if after else set()
        # Pupils without a tablet who will get one: those who enter the first grade, and those whom a new roster brings.
        awaits = group.pupils - group.with_tablet if _arrives(group) else 0
        for app_id in had | has:
            count = counts.setdefault(app_id, Counter())
            count["before"] += group.with_tablet * (app_id in had)
            count["after"] += (group.with_tablet + awaits) * (app_id in has)
            count["given_back"] += group.with_tablet * (app_id in had - has)
            count["taken"] += group.with_tablet * (app_id in has - had) + awaits * (app_id in has)
            count["peak"] += group.with_tablet + awaits * (app_id in has)
    return counts


def _list_required_apps(policy: PolicyData, place: TabletPlace) -> set[UUID]:
    situation = Situation(place.town_id, apply_documents(policy.documents, policy.presets, place))
    return {app.id for app in list_wanted_apps(situation, policy)}


def _arrives(group: RolloverGroup) -> bool:
    first = group.grade.value == "GS" and group.grade_after.value == "CP"
    return group.decision is RolloverDecision.ARRIVED or first


def _list_places(group: RolloverGroup, rollover: Rollover) -> tuple[TabletPlace | None, TabletPlace | None]:
    """Return where a pupil's tablet stands in the year that ends and in the one that comes."""
    after = _build_place(rollover.town_id, group.school_after, group.class_after, group.grade_after.value)
    if group.decision is RolloverDecision.ABSENT:
        after = _build_place(rollover.town_id, group.school_id, group.class_id, group.grade.value)
        return after, after
    before = None
    if group.decision is not RolloverDecision.ARRIVED:
        before = _build_place(rollover.town_id, group.school_id, group.class_id, group.grade.value)
    return before, None if group.decision is RolloverDecision.LEAVER else after


def _build_place(town_id: UUID, school_id: UUID, class_id: UUID | None, grade: str) -> TabletPlace:
    return TabletPlace(town_id, _NO_TABLET, school_id, class_id, None, grade, TabletRole.PUPIL, frozenset())


def _to_overlap(app: str, counted: Counter[str], owned: int | None) -> LicenceOverlap:
    before, after, peak = counted["before"], counted["after"], counted["peak"]
    return LicenceOverlap(
        app, before, after, counted["given_back"], counted["taken"], peak, owned,
        missing=max(0, after - owned) if owned is not None else 0,
        missing_at_peak=max(0, peak - owned) if owned is not None else 0,
    )  # fmt: skip
