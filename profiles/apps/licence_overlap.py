"""What the passage to the next year means for licences: app by app, needed before, needed after, and at once in between.

Licences follow tablets: pupils who move up give back and take, leavers hold theirs until they have given their tablet back, and
those who arrive need some from the first day. Reads; reserves nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.rollover import service as years
from enrollment.rollover.models import Rollover, RolloverDecision
from enrollment.rollover.repository import RolloverGroup, RolloverRepository
from profiles.apps.licence_repository import LicenceRepository
from profiles.apps.rules import Granted, apps_for
from profiles.effective.repository import PolicyRepository
from profiles.policy.kinds import TabletRole
from profiles.policy.rules import Place

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
    rollover = years.get_rollover(work, actor, rollover_id)
    actor.require_permission(Permission.SEE, rollover.town_id)
    groups = RolloverRepository(work.session).count_groups(rollover.id)
    policy, licences = PolicyRepository(work.session), LicenceRepository(work.session)
    grants = policy.grants([rollover.town_id])
    apps = {app.id: app.name for app in policy.apps_by_id([rollover.town_id]).values() if app.app_store_id is not None}
    owned = {app_id: pool.total for app_id, pool in licences.pools(list(apps)).items()}
    return sorted(
        (_told(apps[app_id], counted, owned.get(app_id)) for app_id, counted in _counted(groups, grants, rollover).items() if app_id in apps),
        key=lambda each: each.app,
    )  # fmt: skip


def _counted(groups: Iterable[RolloverGroup], grants: Sequence[Granted], rollover: Rollover) -> Mapping[UUID, Counter[str]]:
    """How many tablets need each app before and after, and how many hold it at once."""
    found: dict[UUID, Counter[str]] = {}
    for group in groups:
        before, after = _places(group, rollover)
        had = set(apps_for(grants, before).required) if before else set()
        has = set(apps_for(grants, after).required) if after else set()
        # Who has no tablet yet will have one: arrivals of the first level, and those whom a new list brought.
        awaits = group.pupils - group.with_tablet if _arrives(group) else 0
        for app_id in had | has:
            counted = found.setdefault(app_id, Counter())
            counted["before"] += group.with_tablet * (app_id in had)
            counted["after"] += (group.with_tablet + awaits) * (app_id in has)
            counted["given_back"] += group.with_tablet * (app_id in had - has)
            counted["taken"] += group.with_tablet * (app_id in has - had) + awaits * (app_id in has)
            counted["peak"] += group.with_tablet + awaits * (app_id in has)
    return found


def _arrives(group: RolloverGroup) -> bool:
    first = group.grade.value == "GS" and group.grade_after.value == "CP"
    return group.decision is RolloverDecision.ARRIVED or first


def _places(group: RolloverGroup, rollover: Rollover) -> tuple[Place | None, Place | None]:
    """Where a pupil's tablet stands in the year that ends and in the one that comes."""
    after = _place(rollover.town_id, group.school_after, group.class_after, group.grade_after.value)
    if group.decision is RolloverDecision.ABSENT:
        after = _place(rollover.town_id, group.school_id, group.class_id, group.grade.value)
        return after, after
    before = None
    if group.decision is not RolloverDecision.ARRIVED:
        before = _place(rollover.town_id, group.school_id, group.class_id, group.grade.value)
    return before, None if group.decision is RolloverDecision.LEAVER else after


def _place(town_id: UUID, school_id: UUID, class_id: UUID | None, level: str) -> Place:
    return Place(town_id, _NOBODY, school_id, class_id, None, level, TabletRole.PUPIL, frozenset())


def _told(app: str, counted: Counter[str], owned: int | None) -> Overlap:
    before, after, peak = counted["before"], counted["after"], counted["peak"]
    return Overlap(
        app, before, after, counted["given_back"], counted["taken"], peak, owned,
        missing=max(0, after - owned) if owned is not None else 0,
        missing_at_peak=max(0, peak - owned) if owned is not None else 0,
    )  # fmt: skip
