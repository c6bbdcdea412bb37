"""Reads classes and their pupils, and searches pupils by name. Never commits."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select

from cartable import audit
from cartable.errors import NotFound
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.people import access, name_index
from enrollment.people.models import AccessKind, Pupil
from enrollment.people.name_index_repository import NameIndexRepository
from enrollment.people.repository import PeopleRepository
from enrollment.people.text import compute_name_order
from enrollment.places.models import SchoolClass
from enrollment.places.repository import PlaceRepository
from enrollment.places.rules import get_school_year
from enrollment.places.service import get_town_date

MAX_SEARCH_RESULTS = 50


def list_classes(work: UnitOfWork, actor: Actor, school_id: UUID) -> Sequence[Row[SchoolClass, int]]:
    """Return the classes of a school, each with its number of pupils. Raises `NotFound`."""
    if PlaceRepository(work.session).find_school(actor, school_id) is None:
        raise NotFound
    return PeopleRepository(work.session).list_classes_with_pupil_counts(school_id)


def list_classes_by_school(work: UnitOfWork, actor: Actor, town_id: UUID) -> dict[UUID, list[SchoolClass]]:
    """Return the classes of this school year that the actor may see in a town, by school."""
    year = get_school_year(get_town_date(work, town_id))
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
    return sorted(pupils, key=lambda p: compute_name_order(p.last_name, p.first_name))


def search_pupils(
    work: UnitOfWork,
    actor: Actor,
    town_ids: Collection[UUID],
    text: str,
    *,
    among: Select[Any] | None = None,
    limit: int = MAX_SEARCH_RESULTS,
) -> list[Pupil]:
    """Return up to `limit` pupils visible to the actor in these towns, by name. Audited in each town of a pupil who is found.

    Each word of `text` must be the beginning of a word of the names. `among`, a statement that selects ids, restricts the search.
    """
    results = suggest_pupils(work, actor, town_ids, text, among=among, limit=limit)
    for town_id in sorted({pupil.town_id for pupil in results}):
        audit.record_reading(work, actor, "pupil.search", "town", town_id, town_id=town_id)
    return results


def suggest_pupils(
    work: UnitOfWork,
    actor: Actor,
    town_ids: Collection[UUID],
    text: str,
    *,
    among: Select[Any] | None = None,
    limit: int = MAX_SEARCH_RESULTS,
) -> list[Pupil]:
    """Return the first pupils that `search_pupils` would find, while somebody types: who saw whom is counted, the words are not audited.

    Of more matches than can be opened, those with the exact word come first.
    """
    towns = _list_searchable_towns(actor, town_ids)
    hashes = name_index.compute_query_hashes(work.keyring, towns, text)
    if not hashes or not towns:
        return []
    exact_hashes = name_index.compute_exact_hashes(work.keyring, towns, text)
    candidates = NameIndexRepository(work.session).find_pupils(actor, hashes, exact_hashes, towns, among)
    matches = [pupil for pupil in candidates if name_index.matches(pupil, text)]
    results = sorted(matches, key=lambda p: compute_name_order(p.last_name, p.first_name))[:limit]
    access.record_access(work, actor, results, AccessKind.SEARCH)
    return results


def _list_searchable_towns(actor: Actor, town_ids: Collection[UUID]) -> set[UUID]:
    own_towns = actor.list_own_towns()
    return {each for each in town_ids if each in own_towns or actor.has_permission(Permission.SEE, each)}
