"""Verbs of places: towns, schools, classes. Never commits."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Row

from cartable import audit
from cartable.errors import Conflict, Invalid, NotFound
from cartable.i18n import Message
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.places.models import School, SchoolClass, Town
from enrollment.places.repository import PlaceRepository
from enrollment.places.rules import check_uai


class InvalidUai(Invalid):
    """The school code is not well formed; `why` is `uai_length`, `uai_format` or `uai_check_letter`."""

    code = "bad_uai"
    message = Message("This school code (UAI) is not valid ({why}).")


class SchoolExists(Conflict):
    """The school code is taken."""

    code = "school_exists"
    message = Message("This school exists already.")


def create_town(work: UnitOfWork, *, name: str, slug: str, tag_prefix: str, phone: str | None = None) -> Town:
    """Found a town; an act of the operator at the command line."""
    town = Town(name=name, slug=slug, tag_prefix=tag_prefix, support_phone=phone, zone="C", time_zone="Europe/Paris")
    work.session.add(town)
    work.session.flush()
    return town


def create_school(work: UnitOfWork, actor: Actor, town_id: UUID, uai: str, name: str) -> School:
    """Enter a school. Raises `BadUai`, `SchoolExists`."""
    actor.require_permission(Permission.AUTHOR, town_id)
    code, wrong = check_uai(uai)
    if wrong:
        raise InvalidUai(why=wrong, field="uai")
    if PlaceRepository(work.session).find_school_by_uai(code) is not None:
        raise SchoolExists(field="uai")
    school = School(town_id=town_id, uai=code, name=name)
    work.session.add(school)
    work.session.flush()
    audit.record_event(work, actor, "school.create", "school", school.id, town_id=town_id, uai=code)
    return school


def list_towns(work: UnitOfWork, actor: Actor) -> Sequence[Town]:
    """The towns in which the actor holds a role."""
    return PlaceRepository(work.session).list_towns(actor)


def list_schools(work: UnitOfWork, actor: Actor, town_id: UUID | None = None) -> Sequence[School]:
    """The schools in the actor's reach."""
    return PlaceRepository(work.session).list_schools(actor, town_id)


def list_classes(work: UnitOfWork, actor: Actor, school_id: UUID) -> Sequence[Row[SchoolClass, int]]:
    """The classes of a school with their numbers of pupils. Raises `NotFound`."""
    repository = PlaceRepository(work.session)
    if repository.find_school(actor, school_id) is None:
        raise NotFound
    return repository.list_classes_with_pupil_counts(school_id)
