"""Licences: how many a place needs, reserving, assigning and giving them back. Never commits.

See docs/domain/apps.md#licences.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Select

from cartable import audit
from cartable.outbox import JobLane, Topic
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.tablets.repository import TabletRepository
from profiles.apps.errors import AppNotFound
from profiles.apps.licence_repository import LicenceRepository
from profiles.apps.models import Licence, LicencePool, LicenceState
from profiles.apps.repository import AppRepository

#: So long an app may still open on a tablet whose licence was taken back.
LICENCE_GRACE = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class LicenceNeed:
    """What requiring one app on some tablets needs. `needed` counts those that hold no licence yet; `missing` is what must be bought."""

    app: str
    needed: int
    owned: int
    free: int
    missing: int


@dataclass(frozen=True, slots=True)
class PoolStatus:
    """How the licences of an app stand. `in_grace` are the town's again, and may still be used for a while."""

    app_id: UUID
    app: str
    total: int
    assigned: int
    reserved: int
    in_grace: int
    available: int


def list_needs(work: UnitOfWork, town_id: UUID, identifiers: Collection[str], tablets: Select[UUID]) -> list[LicenceNeed]:
    """Return what requiring apps on these tablets would need, by the app's name. Apps without a pool are not counted."""
    repository = LicenceRepository(work.session)
    apps = {app.id: app for app in AppRepository(work.session).list_apps_with_identifiers(town_id, identifiers)}
    pools = repository.get_pools(list(apps))
    held = repository.count_in_use(list(pools))
    needs = []
    for app_id, pool in sorted(pools.items(), key=lambda item: apps[item[0]].name):
        needed = repository.count_without_licence(app_id, tablets)
        free = pool.total - held.get(app_id, 0)
        needs.append(LicenceNeed(apps[app_id].name, needed, pool.total, free, max(0, needed - free)))
    return needs


def set_pool_total(work: UnitOfWork, actor: Actor, app_id: UUID, total: int) -> LicencePool:
    """Say how many licences of an app the town owns; tablets that waited for one are decided again. Raises `AppNotFound`."""
    app = AppRepository(work.session).get_app(actor, app_id)
    if app is None:
        raise AppNotFound
    actor.require_permission(Permission.AUTHOR, app.town_id)
    audit.record_event(work, actor, "licences.total", "app", app.id, town_id=app.town_id, total=total)
    repository = LicenceRepository(work.session)
    pool = repository.get_pools([app.id]).get(app.id)
    if pool is None:
        pool = LicencePool(app_id=app.id, town_id=app.town_id, total=total, updated_at=work.now)
        work.session.add(pool)
    pool.total, pool.updated_at = total, work.now
    work.session.flush()
    work.enqueue_selected_jobs(
        Topic.RECONCILE, TabletRepository(work.session).select_by_town(app.town_id), lane=JobLane.BACKGROUND
    )
    return pool


def list_pools(work: UnitOfWork, actor: Actor, town_id: UUID) -> list[PoolStatus]:
    """How the licences of a town stand, app by app."""
    apps = {app.id: app for app in AppRepository(work.session).list_all_apps(actor, town_id)}
    repository = LicenceRepository(work.session)
    counted = repository.count_by_state(list(apps), work.now)
    found = []
    for app_id, pool in repository.get_pools(list(apps)).items():
        states = counted.get(app_id, {})
        assigned, reserved = states.get(LicenceState.ASSIGNED, 0), states.get(LicenceState.RESERVED, 0)
        grace = states.get(LicenceState.IN_GRACE, 0)
        found.append(
            PoolStatus(app_id, apps[app_id].name, pool.total, assigned, reserved, grace, pool.total - assigned - reserved)
        )
    return sorted(found, key=lambda each: each.app)


def reserve_licences(work: UnitOfWork, town_id: UUID, app_id: UUID, tablet_ids: Iterable[UUID]) -> set[UUID]:
    """Reserve a licence for each tablet, as far as they go. Returns the tablets that may install: with a licence, or where
    the app has no pool. Two workers never give out the same last one: the pool's row is locked.
    """
    wanted = list(dict.fromkeys(tablet_ids))
    repository = LicenceRepository(work.session)
    pool = repository.lock_pool(app_id)
    if pool is None:
        return set(wanted)
    known = repository.get_licences(app_id, wanted)
    free = pool.total - repository.count_in_use([app_id]).get(app_id, 0)
    served = {t for t, row in known.items() if row.state is not LicenceState.IN_GRACE}
    for tablet_id in wanted:
        if tablet_id in served or free <= 0:
            continue
        row = known.get(tablet_id)
        if row is None:
            row = Licence(app_id=app_id, tablet_id=tablet_id, town_id=town_id)
            work.session.add(row)
        row.state, row.since, row.until, row.returned = LicenceState.RESERVED, work.now, None, False
        served.add(tablet_id)
        free -= 1
    work.session.flush()
    if not repository.has_token(town_id):
        return served
    # Licences come from a service: what is reserved must be given before the tablet may install.
    given = {t for t, row in repository.get_licences(app_id, wanted).items() if row.state is LicenceState.ASSIGNED}
    if served - given:
        work.enqueue_job(Topic.LICENCE_SYNC, town_id)
    return given


def mark_assigned(work: UnitOfWork, app_id: UUID, tablet_id: UUID) -> None:
    """The app is there: the licence counts as assigned. Where a service gives licences, only its answer says so."""
    repository = LicenceRepository(work.session)
    row = repository.get_licences(app_id, [tablet_id]).get(tablet_id)
    if row is not None and row.state is LicenceState.RESERVED and not repository.has_token(row.town_id):
        row.state, row.since = LicenceState.ASSIGNED, work.now


def release_licence(work: UnitOfWork, app_id: UUID, tablet_id: UUID) -> None:
    """The tablet gives its licence back: the number is free at once, the app is in grace."""
    row = LicenceRepository(work.session).get_licences(app_id, [tablet_id]).get(tablet_id)
    if row is not None:
        _start_grace(work, [row])


def release_licences_of_tablets(work: UnitOfWork, tablet_ids: Collection[UUID]) -> None:
    """These tablets are given up: every licence they hold comes back."""
    if tablet_ids:
        _start_grace(work, LicenceRepository(work.session).list_in_use_by_tablets(tablet_ids))


def release_other_licences(work: UnitOfWork, kept: Mapping[UUID, Collection[UUID]]) -> Counter[UUID]:
    """These tablets keep licences of these apps alone. Returns how many of each other app have come free."""
    rows = [
        row for row in LicenceRepository(work.session).list_in_use_by_tablets(list(kept)) if row.app_id not in kept[row.tablet_id]
    ]
    _start_grace(work, rows)
    return Counter(row.app_id for row in rows)


def _start_grace(work: UnitOfWork, rows: Iterable[Licence]) -> None:
    for row in rows:
        if row.state is not LicenceState.IN_GRACE:
            row.state, row.since, row.until = LicenceState.IN_GRACE, work.now, work.now + LICENCE_GRACE
            work.enqueue_job(Topic.LICENCE_SYNC, row.town_id)
