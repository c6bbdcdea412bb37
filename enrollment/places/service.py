"""Lists towns and schools, sets their zones, returns the date there. They are created in `towns` and `schools`. Never commits."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from uuid import UUID
from zoneinfo import ZoneInfo

from cartable import audit, locks
from cartable.errors import NotFound
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.places.errors import UnknownTimeZone
from enrollment.places.models import School, Town
from enrollment.places.repository import PlaceRepository
from enrollment.places.zones import HolidayZone, is_time_zone


def set_town_zones(work: UnitOfWork, actor: Actor, town_id: UUID, *, zone: HolidayZone, time_zone: str) -> Town:
    """Set the holiday zone and the time zone of a town and return it. Raises `NotFound`, `Forbidden`, `UnknownTimeZone`."""
    actor.require_permission(Permission.AUTHOR, town_id)
    locks.lock_town(work, town_id)
    town = work.session.get(Town, town_id, populate_existing=True)
    if town is None:
        raise NotFound
    _check_time_zone(time_zone)
    audit.record_event(
        work, actor, "town.set_zones", "town", town.id, town_id=town.id, zone=zone.value, time_zone=time_zone,
        zone_before=str(town.zone), time_zone_before=town.time_zone,
    )  # fmt: skip
    town.zone, town.time_zone = zone, time_zone
    work.session.flush()
    return town


def set_school_zones(
    work: UnitOfWork, actor: Actor, school_id: UUID, *, zone: HolidayZone | None, time_zone: str | None
) -> School:
    """Set the holiday zone and the time zone of a school, None for those of its town, and return it.

    Raises `NotFound`, `Forbidden`, `UnknownTimeZone`.
    """
    school = require_school(work, actor, school_id, Permission.AUTHOR)
    locks.lock_town(work, school.town_id)
    work.session.refresh(school)
    if time_zone is not None:
        _check_time_zone(time_zone)
    audit.record_event(
        work, actor, "school.set_zones", "school", school.id, town_id=school.town_id, zone=zone and zone.value, time_zone=time_zone,
        zone_before=school.zone and str(school.zone), time_zone_before=school.time_zone,
    )  # fmt: skip
    school.zone, school.time_zone = zone, time_zone
    work.session.flush()
    return school


def _check_time_zone(name: str) -> None:
    if not is_time_zone(name):
        raise UnknownTimeZone(name=name[:40], field="time_zone")


def list_towns(work: UnitOfWork, actor: Actor) -> Sequence[Town]:
    """Return the towns in which the actor has a role; the operator sees the name of every town."""
    return PlaceRepository(work.session).list_towns(actor)


def list_schools(
    work: UnitOfWork, actor: Actor, town_id: UUID | None = None, *, include_closed: bool = False
) -> Sequence[School]:
    """Return the schools that the actor may see, without the closed ones unless they are asked for."""
    return PlaceRepository(work.session).list_schools(actor, town_id, include_closed=include_closed)


def require_school(work: UnitOfWork, actor: Actor, school_id: UUID, permission: Permission) -> School:
    """Return a school in which the actor has a permission. Raises `NotFound`, `Forbidden`."""
    school = PlaceRepository(work.session).find_school(actor, school_id)
    if school is None:
        raise NotFound
    actor.require_permission(permission, school.town_id, school.id)
    return school


def get_town_zone(work: UnitOfWork, town_id: UUID) -> ZoneInfo:
    """Return the town's time zone."""
    return ZoneInfo(work.session.get_one(Town, town_id).time_zone)


def get_town_zones(work: UnitOfWork, town_ids: Collection[UUID]) -> dict[UUID, ZoneInfo]:
    """Return the time zone of each of these towns."""
    return {town_id: ZoneInfo(name) for town_id, name in PlaceRepository(work.session).get_time_zones(town_ids).items()}


def get_town_date(work: UnitOfWork, town_id: UUID) -> date:
    """Return today's date in the town's time zone."""
    return work.now.astimezone(get_town_zone(work, town_id)).date()


def get_school_zone(work: UnitOfWork, school: School) -> ZoneInfo:
    """Return the time zone of a school: its own, or its town's."""
    return ZoneInfo(school.time_zone) if school.time_zone else get_town_zone(work, school.town_id)


def get_school_date(work: UnitOfWork, school: School) -> date:
    """Return today's date in the school's time zone."""
    return work.now.astimezone(get_school_zone(work, school)).date()
