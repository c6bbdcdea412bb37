"""What the passage to the next year means for licences: app by app, needed before, needed after, and at once in between.

Licences follow tablets: pupils who move up give back and take, leavers hold theirs until they have given their tablet back, and
those who arrive need some from the first day. Reads; reserves nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.rollover import service as years
from enrollment.rollover.models import Decision, Rollover
from enrollment.rollover.repository import Group, YearRepository
from profiles.apps.licence_repository import LicenceRepository
from profiles.apps.repository import AppRepository
from profiles.effective.compile import list_wanted_apps
from profiles.effective.situation import PolicyData, Situation
from profiles.policy.kinds import TabletRole
from profiles.policy.repository import PolicyRepository
from profiles.policy.rules import TabletPlace, apply_documents

_NOBODY = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Overlap:
    """One app at the turn of the year. `peak` is what is held at once while nobody has given back yet: leavers' tablets are out,
    those of pupils who move up have not answered. `missing` is what must be bought for good, `missing_at_peak` what waits until
    others have given back. `owned` is None where nobody counts.
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


def overlap(work: UnitOfWork, actor: Actor, rollover_id: UUID) -> list[Overlap]:
    """The licence needs of a town around a passage, by the app's name. Raises `RolloverUnknown`, `Forbidden`."""
    rollover = years.get(work, actor, rollover_id)
    actor.require_permission(Permission.SEE, rollover.town_id)
    groups = YearRepository(work.session).groups(rollover.id)
    repository, licences = PolicyRepository(work.session), LicenceRepository(work.session)
    policy = PolicyData(
        documents=repository.get_published_documents([rollover.town_id]),
        presets=repository.get_published_presets([rollover.town_id]),
        apps=AppRepository(work.session).get_apps_by_identifier([rollover.town_id]),
        groups={},
    )
    apps = {app.id: app.name for app in policy.apps.values() if app.app_store_id is not None}
    owned = {app_id: pool.total for app_id, pool in licences.pools(list(apps)).items()}
    counts = _count_apps(groups, policy, rollover)
    overlaps = (_to_overlap(apps[app_id], count, owned.get(app_id)) for app_id, count in counts.items() if app_id in apps)
    return sorted(overlaps, key=lambda each: each.app)


def _count_apps(groups: Iterable[Group], policy: PolicyData, rollover: Rollover) -> Mapping[UUID, Counter[str]]:
    """How many tablets need each app before and after, and how many hold it at once."""
    counts: dict[UUID, Counter[str]] = {}
    for group in groups:
        before, after = _places(group, rollover)
        had = _required_apps(policy, before) if before else set()
        has = _required_apps(policy, after) if after else set()
        # Who has no tablet yet will have one: arrivals of the first level, and those whom a new list brought.
        awaits = group.pupils - group.with_tablet if _arrives(group) else 0
        for app_id in had | has:
            count = counts.setdefault(app_id, Counter())
            count["before"] += group.with_tablet * (app_id in had)
            count["after"] += (group.with_tablet + awaits) * (app_id in has)
            count["given_back"] += group.with_tablet * (app_id in had - has)
            count["taken"] += group.with_tablet * (app_id in has - had) + awaits * (app_id in has)
            count["peak"] += group.with_tablet + awaits * (app_id in has)
    return counts


def _required_apps(policy: PolicyData, place: TabletPlace) -> set[UUID]:
    situation = Situation(place.town_id, apply_documents(policy.documents, policy.presets, place))
    return {app.id for app in list_wanted_apps(situation, policy)}


def _arrives(group: Group) -> bool:
    first = group.level.value == "GS" and group.level_after.value == "CP"
    return group.decision is Decision.ARRIVED or first


def _places(group: Group, rollover: Rollover) -> tuple[TabletPlace | None, TabletPlace | None]:
    """Where a pupil's tablet stands in the year that ends and in the one that comes."""
    after = _place(rollover.town_id, group.school_after, group.class_after, group.level_after.value)
    if group.decision is Decision.ABSENT:
        after = _place(rollover.town_id, group.school_id, group.class_id, group.level.value)
        return after, after
    before = None
    if group.decision is not Decision.ARRIVED:
        before = _place(rollover.town_id, group.school_id, group.class_id, group.level.value)
    return before, None if group.decision is Decision.LEAVER else after


def _place(town_id: UUID, school_id: UUID, class_id: UUID | None, level: str) -> TabletPlace:
    return TabletPlace(town_id, _NOBODY, school_id, class_id, None, level, TabletRole.PUPIL, frozenset())


def _to_overlap(app: str, counted: Counter[str], owned: int | None) -> Overlap:
    before, after, peak = counted["before"], counted["after"], counted["peak"]
    return Overlap(
        app, before, after, counted["given_back"], counted["taken"], peak, owned,
        missing=max(0, after - owned) if owned is not None else 0,
        missing_at_peak=max(0, peak - owned) if owned is not None else 0,
    )  # fmt: skip
