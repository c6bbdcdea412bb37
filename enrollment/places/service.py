"""Creates and lists towns and schools; tells the date there. The classes of a school are in `people.service`. Never commits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from uuid import UUID
from zoneinfo import ZoneInfo

from cartable import audit
from cartable.errors import Conflict, Invalid, NotFound
from cartable.i18n import Message
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.places.models import School, Town
from enrollment.places.repository import PlaceRepository
from enrollment.places.rules import check_uai


class InvalidUai(Invalid):
    """The school code is not well formed; `why` is `uai_length`, `uai_format` or `uai_check_letter`."""

    code = "invalid_uai"
    message = Message("This school code (UAI) is not valid ({why}).")


class SchoolExists(Conflict):
    """A school with this code exists already."""

    code = "school_exists"
    message = Message("This school exists already.")


def create_town(work: UnitOfWork, *, name: str, slug: str, tag_prefix: str, phone: str | None = None) -> Town:
    """Create a town. Only the operator's command line calls this, so no permission is checked."""
    town = Town(name=name, slug=slug, tag_prefix=tag_prefix, support_phone=phone, zone="C", time_zone="Europe/Paris")
    work.session.add(town)
    work.session.flush()
    return town


def create_school(work: UnitOfWork, actor: Actor, town_id: UUID, uai: str, name: str) -> School:
    """Create a school. Raises `Forbidden`, `InvalidUai`, `SchoolExists`."""
    actor.require_permission(Permission.AUTHOR, town_id)
    code, fault = check_uai(uai)
    if fault:
        raise InvalidUai(why=fault, field="uai")
    if PlaceRepository(work.session).find_school_by_uai(code) is not None:
        raise SchoolExists(field="uai")
    school = School(town_id=town_id, uai=code, name=name)
    work.session.add(school)
    work.session.flush()
    audit.record_event(work, actor, "school.create", "school", school.id, town_id=town_id, uai=code)
    return school


def list_towns(work: UnitOfWork, actor: Actor) -> Sequence[Town]:
    """Return the towns in which the actor has a role."""
    return PlaceRepository(work.session).list_towns(actor)


def list_schools(work: UnitOfWork, actor: Actor, town_id: UUID | None = None) -> Sequence[School]:
    """Return the schools that the actor may see."""
    return PlaceRepository(work.session).list_schools(actor, town_id)


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


def get_town_date(work: UnitOfWork, town_id: UUID) -> date:
    """Return today's date in the town's time zone."""
    return work.now.astimezone(get_town_zone(work, town_id)).date()


def get_school_date(work: UnitOfWork, school: School) -> date:
    """Return today's date in the school's time zone."""
    time_zone = school.time_zone or work.session.get_one(Town, school.town_id).time_zone
    return work.now.astimezone(ZoneInfo(time_zone)).date()
