"""Licences: how many a place needs, reserving, assigning and giving them back. Never commits.

See docs/domain/apps.md#licences.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Select

from cartable import audit
from cartable.outbox import JobLane, Topic
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.tablets.repository import TabletRepository
from profiles.apps.errors import AppNotFound, LicencesFromService
from profiles.apps.licence_repository import IN_USE, LicenceRepository
from profiles.apps.licence_rules import ServingTokens, count_missing
from profiles.apps.models import Licence, LicencePool, LicenceState
from profiles.apps.repository import AppRepository

#: So long an app may still open on a tablet whose licence was taken back.
LICENCE_GRACE = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class LicenceNeed:
    """What requiring one app on some tablets needs. `needed` counts those that have no licence yet; `missing` is what must be bought.

    `held_elsewhere` of the owned ones are given to serial numbers that the town does not know.
    """

    app: str
    needed: int
    owned: int
    free: int
    missing: int
    held_elsewhere: int


@dataclass(frozen=True, slots=True)
class PoolStatus:
    """How the licences of an app in one account stand. `in_grace` are the account's again, and may still be used for a while.

    `token_id` and `location` are None where a person has written the total. `problem` is what the service last refused.
    """

    app_id: UUID
    app: str
    token_id: UUID | None
    location: str | None
    total: int
    assigned: int
    reserved: int
    in_grace: int
    held_elsewhere: int
    available: int
    problem: str | None


@dataclass(frozen=True, slots=True)
class FreedLicence:
    """A licence that has come free: of which app, and in which account; None for a number that a person wrote."""

    app_id: UUID
    token_id: UUID | None


def list_needs(work: UnitOfWork, town_id: UUID, identifiers: Collection[str], tablets: Select[UUID]) -> list[LicenceNeed]:
    """Return what requiring apps on these tablets would need, by the app's name. Apps without a pool are not counted."""
    repository = LicenceRepository(work.session)
    apps = {app.id: app for app in AppRepository(work.session).list_apps_with_identifiers(town_id, identifiers)}
    tokens = repository.load_serving_tokens([town_id])[town_id]
    tablets_by_school = repository.count_tablets_by_school(tablets)
    licensed = repository.count_licensed_by_school(list(apps), tablets)
    sources = {source for school_id in tablets_by_school for source in tokens.list_sources(school_id)}
    pools = [pool for pool in repository.list_pools(list(apps)) if not sources or pool.token_id in sources]
    in_use = repository.count_in_use([pool.id for pool in pools])
    needs = []
    for app_id in sorted({pool.app_id for pool in pools}, key=lambda app_id: apps[app_id].name):
        of_app = [pool for pool in pools if pool.app_id == app_id]
        free_by_token = {pool.token_id: pool.total - in_use.get(pool.id, 0) - pool.held_elsewhere for pool in of_app}
        needed_by_school = {
            school_id: count - licensed.get((app_id, school_id), 0) for school_id, count in tablets_by_school.items()
        }
        needs.append(
            LicenceNeed(
                app=apps[app_id].name,
                needed=sum(needed_by_school.values()),
                owned=sum(pool.total for pool in of_app),
                free=sum(max(0, free) for free in free_by_token.values()),
                missing=count_missing(needed_by_school, tokens, free_by_token),
                held_elsewhere=sum(pool.held_elsewhere for pool in of_app),
            )
        )
    return needs


def set_pool_total(work: UnitOfWork, actor: Actor, app_id: UUID, total: int) -> LicencePool:
    """Say how many licences of an app the town owns; tablets that waited for one are decided again.

    Raises `AppNotFound`, and `LicencesFromService` where Apple's numbers hold for every school.
    """
    app = AppRepository(work.session).get_app(actor, app_id)
    if app is None:
        raise AppNotFound
    actor.require_permission(Permission.AUTHOR, app.town_id)
    repository = LicenceRepository(work.session)
    if app.app_store_id is not None and repository.load_serving_tokens([app.town_id])[app.town_id].town_wide is not None:
        raise LicencesFromService
    audit.record_event(work, actor, "licences.total", "app", app.id, town_id=app.town_id, total=total)
    pool = next((pool for pool in repository.lock_pools(app.id) if pool.token_id is None), None)
    if pool is None:
        pool = LicencePool(app_id=app.id, town_id=app.town_id, total=total, held_elsewhere=0, updated_at=work.now)
        work.session.add(pool)
    pool.total, pool.updated_at = total, work.now
    work.session.flush()
    work.enqueue_selected_jobs(
        Topic.RECONCILE, TabletRepository(work.session).select_by_town(app.town_id), lane=JobLane.BACKGROUND
    )
    return pool


def list_pools(work: UnitOfWork, actor: Actor, town_id: UUID) -> list[PoolStatus]:
    """Return how the licences of a town stand, by app and account."""
    apps = {app.id: app for app in AppRepository(work.session).list_all_apps(actor, town_id)}
    repository = LicenceRepository(work.session)
    pools = repository.list_pools(list(apps))
    counted = repository.count_by_state([pool.id for pool in pools], work.now)
    locations = repository.get_locations(town_id)
    statuses = []
    for pool in pools:
        states = counted.get(pool.id, {})
        assigned, reserved = states.get(LicenceState.ASSIGNED, 0), states.get(LicenceState.RESERVED, 0)
        statuses.append(
            PoolStatus(
                app_id=pool.app_id,
                app=apps[pool.app_id].name,
                token_id=pool.token_id,
                location=locations.get(pool.token_id) if pool.token_id is not None else None,
                total=pool.total,
                assigned=assigned,
                reserved=reserved,
                in_grace=states.get(LicenceState.IN_GRACE, 0),
                held_elsewhere=pool.held_elsewhere,
                available=pool.total - assigned - reserved - pool.held_elsewhere,
                problem=pool.problem,
            )
        )
    return sorted(statuses, key=lambda each: (each.app, each.location or "", str(each.token_id)))


def reserve_licences(work: UnitOfWork, town_id: UUID, app_id: UUID, tablet_ids: Iterable[UUID]) -> set[UUID]:
    """Reserve a licence of a store app for each tablet, as far as they go, in the account of its school, else in the town's.

    Returns the tablets that may install: with a licence that is given, or where the app is not counted. Two workers never give
    out the same last one: the pools are locked.
    """
    distinct_ids = list(dict.fromkeys(tablet_ids))
    repository = LicenceRepository(work.session)
    pools = {pool.token_id: pool for pool in repository.lock_pools(app_id)}
    tokens = repository.load_serving_tokens([town_id])[town_id]
    schools = repository.get_schools(distinct_ids)
    licences = _group_by_tablet(repository.list_licences([pool.id for pool in pools.values()], distinct_ids))
    in_use = repository.count_in_use([pool.id for pool in pools.values()])
    free = {pool.id: pool.total - in_use.get(pool.id, 0) - pool.held_elsewhere for pool in pools.values()}
    ready: set[UUID] = set()
    to_sync: set[UUID] = set()
    for tablet_id in distinct_ids:
        sources = tokens.list_sources(schools.get(tablet_id))
        usable = [pools[source] for source in sources if source in pools]
        if not usable:
            # Without a token the app is not counted. With one, Apple's number is read before the first installation.
            to_sync.update(source for source in sources if source is not None)
            if None in sources:
                ready.add(tablet_id)
            continue
        row = _reserve_licence(work, tablet_id, usable, licences.get(tablet_id, {}), free)
        if row is None:
            continue
        pool = next(pool for pool in usable if pool.id == row.pool_id)
        if pool.token_id is None or row.state is LicenceState.ASSIGNED:
            ready.add(tablet_id)
        else:
            to_sync.add(pool.token_id)
    work.session.flush()
    if to_sync:
        work.enqueue_job(Topic.LICENCE_SYNC, *to_sync)
    return ready


def _group_by_tablet(rows: Sequence[Licence]) -> dict[UUID, dict[UUID, Licence]]:
    grouped: dict[UUID, dict[UUID, Licence]] = {}
    for row in rows:
        grouped.setdefault(row.tablet_id, {})[row.pool_id] = row
    return grouped


def _reserve_licence(
    work: UnitOfWork, tablet_id: UUID, usable: Sequence[LicencePool], known: Mapping[UUID, Licence], free: dict[UUID, int]
) -> Licence | None:
    """Return the licence in use of a tablet, an assigned one first, else one that is reserved now. None when no pool has a free one."""
    in_use = [known[pool.id] for pool in usable if pool.id in known and known[pool.id].state in IN_USE]
    if in_use:
        return min(in_use, key=lambda row: row.state is not LicenceState.ASSIGNED)
    for pool in usable:
        if free[pool.id] <= 0:
            continue
        row = known.get(pool.id)
        if row is None:
            row = Licence(pool_id=pool.id, tablet_id=tablet_id, town_id=pool.town_id)
            work.session.add(row)
        row.state, row.since, row.until, row.returned = LicenceState.RESERVED, work.now, None, False
        free[pool.id] -= 1
        return row
    return None


def mark_assigned(work: UnitOfWork, app_id: UUID, tablet_id: UUID) -> None:
    """Mark the licence of an app that is there as assigned. Where a service gives licences, only its answer does so."""
    for row, pool in LicenceRepository(work.session).list_licences_of_app(app_id, tablet_id):
        if pool.token_id is None and row.state is LicenceState.RESERVED:
            row.state, row.since = LicenceState.ASSIGNED, work.now


def enqueue_licence_sync(work: UnitOfWork, app_id: UUID, tablet_id: UUID) -> None:
    """Compare licence by licence with Apple's the account that a tablet's licence of an app is from."""
    repository = LicenceRepository(work.session)
    for _, pool in repository.list_licences_of_app(app_id, tablet_id):
        if pool.token_id is not None:
            repository.request_comparison(pool.token_id)
            work.enqueue_job(Topic.LICENCE_SYNC, pool.token_id)


def release_licence(work: UnitOfWork, app_id: UUID, tablet_id: UUID) -> list[FreedLicence]:
    """Give back the licence of an app: the number is free at once, the app is in grace."""
    return _start_grace(work, LicenceRepository(work.session).list_licences_of_app(app_id, tablet_id))


def release_licences_of_tablets(work: UnitOfWork, tablet_ids: Collection[UUID]) -> None:
    """Give back every licence of tablets that are given up."""
    if tablet_ids:
        _start_grace(work, LicenceRepository(work.session).list_in_use_by_tablets(tablet_ids))


def release_other_licences(work: UnitOfWork, app_ids_by_tablet: Mapping[UUID, Collection[UUID]]) -> list[FreedLicence]:
    """Give back what these tablets have besides the licences of these apps."""
    rows = LicenceRepository(work.session).list_in_use_by_tablets(list(app_ids_by_tablet))
    return _start_grace(work, [(row, pool) for row, pool in rows if pool.app_id not in app_ids_by_tablet[row.tablet_id]])


def release_licences_of_other_schools(
    work: UnitOfWork, town_by_tablet: Mapping[UUID, UUID], school_by_tablet: Mapping[UUID, UUID | None]
) -> list[FreedLicence]:
    """Give back licences from accounts that do not serve the school of the tablet: it has moved, or the account's schools were changed."""
    rows = LicenceRepository(work.session).list_in_use_by_tablets(list(school_by_tablet))
    if not rows:
        return []
    tokens = LicenceRepository(work.session).load_serving_tokens(set(town_by_tablet.values()))
    return _start_grace(
        work,
        [
            (row, pool)
            for row, pool in rows
            if not _may_use(tokens[town_by_tablet[row.tablet_id]], school_by_tablet[row.tablet_id], pool)
        ],
    )


def _may_use(tokens: ServingTokens, school_id: UUID | None, pool: LicencePool) -> bool:
    return pool.token_id in tokens.list_sources(school_id)


def _start_grace(work: UnitOfWork, rows: Iterable[tuple[Licence, LicencePool]]) -> list[FreedLicence]:
    freed = []
    for row, pool in rows:
        if row.state is not LicenceState.IN_GRACE:
            row.state, row.since, row.until = LicenceState.IN_GRACE, work.now, work.now + LICENCE_GRACE
            freed.append(FreedLicence(pool.app_id, pool.token_id))
    if to_sync := {each.token_id for each in freed if each.token_id is not None}:
        work.enqueue_job(Topic.LICENCE_SYNC, *to_sync)
    return freed
