"""What a town chooses for its filter beside the rules of places: its own sites, and the schools that get new lists first. Never commits."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from cartable import audit, locks
from cartable.outbox import JobLane, Topic
from cartable.references import require_all_in_town
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.places.models import School
from enrollment.tablets.repository import TabletRepository
from profiles.catalog.hosts import clean_host
from profiles.filters.errors import BadFilterOptions, BadHost
from profiles.filters.models import FilterOptions
from profiles.filters.repository import FilterRepository

MAX_OWN_HOSTS = 200
DEFAULT_TRIAL_HOURS, MAX_TRIAL_HOURS = 24, 14 * 24


def load_options(work: UnitOfWork, town_id: UUID) -> FilterOptions:
    """Return what a town chose, or what holds where it has chosen nothing."""
    rows = FilterRepository(work.session).list_options([town_id])
    return (
        rows[0]
        if rows
        else FilterOptions(
            town_id=town_id, own_hosts=[], trial_schools=[], trial_hours=DEFAULT_TRIAL_HOURS, counts_questions=False
        )
    )


def get_options(work: UnitOfWork, actor: Actor, town_id: UUID) -> FilterOptions:
    """Return what a town chose. Raises `Forbidden`."""
    actor.require_permission(Permission.SEE, town_id)
    return load_options(work, town_id)


def set_own_hosts(work: UnitOfWork, actor: Actor, town_id: UUID, hosts: Sequence[str]) -> FilterOptions:
    """Store the sites of a town and its schools, which only the categories closed to every child close. Raises `Forbidden`, `BadHost`.

    What the resolver serves changes with them; tablets keep their addresses.
    """
    row = _lock(work, actor, town_id)
    row.own_hosts = sorted({_clean(host) for host in hosts})
    if len(row.own_hosts) > MAX_OWN_HOSTS:
        raise BadFilterOptions(hosts=MAX_OWN_HOSTS, hours=MAX_TRIAL_HOURS, field="hosts")
    _save(work, actor, row)
    return row


def set_trial_schools(work: UnitOfWork, actor: Actor, town_id: UUID, school_ids: Collection[UUID], hours: int) -> FilterOptions:
    """Store which schools of a town get new lists first, and for how many hours; none: all get them at once.

    Tablets of schools that come or go get another address. Raises `Forbidden`, `NotFound`, `BadFilterOptions`.
    """
    row = _lock(work, actor, town_id)
    require_all_in_town(work, School, school_ids, town_id, field="school_ids")
    if not 1 <= hours <= MAX_TRIAL_HOURS:
        raise BadFilterOptions(hosts=MAX_OWN_HOSTS, hours=MAX_TRIAL_HOURS, field="hours")
    row.trial_schools, row.trial_hours = sorted(str(each) for each in set(school_ids)), hours
    _save(work, actor, row)
    return row


def _lock(work: UnitOfWork, actor: Actor, town_id: UUID) -> FilterOptions:
    actor.require_permission(Permission.AUTHOR, town_id)
    locks.lock_town(work, town_id)
    return load_options(work, town_id)


def _save(work: UnitOfWork, actor: Actor, row: FilterOptions) -> None:
    audit.record_event(
        work, actor, "filter.options", "town", row.town_id, town_id=row.town_id, own_hosts=row.own_hosts,
        trial_schools=row.trial_schools, trial_hours=row.trial_hours,
    )  # fmt: skip
    FilterRepository(work.session).save_options(row)
    tablets = TabletRepository(work.session).select_by_town(row.town_id)
    work.enqueue_selected_jobs(Topic.RECONCILE, tablets, lane=JobLane.BACKGROUND)


def _clean(host: str) -> str:
    clean = clean_host(host)
    if clean is None:
        raise BadHost(host=host[:80], field="hosts")
    return clean
