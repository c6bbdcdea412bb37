"""Reads classes and their pupils, and searches pupils by name. Never commits."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import Row

from cartable import audit
from cartable.errors import NotFound
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.people import access
from enrollment.people.models import AccessKind, Pupil
from enrollment.people.repository import PeopleRepository
from enrollment.people.text import label_key
from enrollment.places.models import SchoolClass
from enrollment.places.repository import PlaceRepository
from enrollment.places.rules import school_year_of
from enrollment.places.service import get_town_date

MAX_SEARCH_RESULTS = 50


def list_classes(work: UnitOfWork, actor: Actor, school_id: UUID) -> Sequence[Row[SchoolClass, int]]:
    """Return the classes of a school, each with its number of pupils. Raises `NotFound`."""
    if PlaceRepository(work.session).find_school(actor, school_id) is None:
        raise NotFound
    return PeopleRepository(work.session).list_classes_with_pupil_counts(school_id)


def list_classes_by_school(work: UnitOfWork, actor: Actor, town_id: UUID) -> dict[UUID, list[SchoolClass]]:
    """Return the classes of this school year that the actor may see in a town, by school."""
    year = school_year_of(get_town_date(work, town_id))
    classes: dict[UUID, list[SchoolClass]] = {}
    for row in PeopleRepository(work.session).list_classes_of_town(actor, town_id, year):
        classes.setdefault(row.school_id, []).append(row)
    return classes


def get_class_labels(work: UnitOfWork, class_ids: Collection[UUID]) -> dict[UUID, str]:
    """Return the labels of classes."""
    return PeopleRepository(work.session).get_class_labels(class_ids)


def list_pupils_of_class(work: UnitOfWork, actor: Actor, class_id: UUID) -> list[Pupil]:
    """Return the pupils of a class, by name. The reading is audited. Raises `NotFound`."""
    repository = PeopleRepository(work.session)
    school_class = repository.find_class(actor, class_id)
    if school_class is None:
        raise NotFound
    audit.record_reading(work, actor, "class.read", "school_class", class_id, town_id=school_class.town_id)
    pupils = repository.list_pupils_of_class(class_id)
    access.record_access(work, actor, pupils, AccessKind.CLASS_LIST)
    return sorted(pupils, key=lambda p: (label_key(p.last_name), label_key(p.first_name)))


def search_pupils(
    work: UnitOfWork, actor: Actor, town_id: UUID, text: str, *, among: Collection[UUID] | None = None
) -> list[Pupil]:
    """Return the first `MAX_SEARCH_RESULTS` pupils visible to the actor whose names contain every word of `text`.

    `among` restricts the search to these pupils. The search is audited.
    """
    words = label_key(text).split()
    if not words or not (actor.has_permission(Permission.SEE, town_id) or town_id in actor.list_own_towns()):
        return []
    audit.record_reading(work, actor, "pupil.search", "town", town_id, town_id=town_id)
    matches = []
    for pupil in PeopleRepository(work.session).list_visible_pupils(actor, town_id):
        name = label_key(f"{pupil.last_name} {pupil.usage_name or ''} {pupil.first_name}")
        if (among is None or pupil.id in among) and all(word in name for word in words):
            matches.append(pupil)
    results = sorted(matches, key=lambda p: (label_key(p.last_name), label_key(p.first_name)))[:MAX_SEARCH_RESULTS]
    access.record_access(work, actor, results, AccessKind.SEARCH)
    return results
