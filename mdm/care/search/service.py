"""Finds children, adults, classes, schools, tablets and apps of one town by a text, within what the actor may see. Never commits."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.people import service as people
from enrollment.people import staff
from enrollment.people.models import Pupil, StaffMember
from enrollment.people.text import split_name
from enrollment.places import service as places
from enrollment.places.models import School, SchoolClass
from enrollment.places.rules import get_school_year
from enrollment.tablets.models import Tablet
from mdm.care.search.repository import SearchRepository
from profiles.apps.models import App

#: Letters below which nothing is searched.
SHORTEST_TEXT = 2
MAX_TEXT = 64


class SearchKind(StrEnum):
    """What a search may find."""

    PUPILS = "pupils"
    STAFF = "staff"
    CLASSES = "classes"
    SCHOOLS = "schools"
    TABLETS = "tablets"
    APPS = "apps"


@dataclass(frozen=True, slots=True)
class FoundPupil:
    """A pupil with the label of the class and the tablet, where there is one."""

    pupil: Pupil
    class_label: str | None
    tablet: Tablet | None


@dataclass(slots=True)
class SearchResults:
    """What a text names in a town, best first in each list. `tablets` may contain one of another town with exactly this tag or number."""

    pupils: Sequence[FoundPupil] = ()
    staff: Sequence[StaffMember] = ()
    classes: Sequence[tuple[SchoolClass, str]] = ()
    schools: Sequence[School] = ()
    tablets: Sequence[Tablet] = ()
    apps: Sequence[App] = ()


def search(
    work: UnitOfWork,
    actor: Actor,
    town_id: UUID,
    text: str,
    *,
    limit: int,
    audits: bool,
    kinds: Collection[SearchKind] = frozenset(SearchKind),
) -> SearchResults:
    """Return what a text names in a town: of each kind the first ones, up to `limit`.

    Whose record a person sees is counted; with `audits` the search is also an audited act. The number of statements depends on
    permissions and kinds alone.
    """
    text = text.strip()[:MAX_TEXT]
    if len(text) < SHORTEST_TEXT:
        return SearchResults()
    repository = SearchRepository(work.session)
    year = get_school_year(places.get_town_date(work, town_id))
    can_author = actor.has_permission_somewhere(Permission.AUTHOR, town_id)
    can_see_staff = actor.has_permission_somewhere(Permission.ROSTER, town_id)
    results = SearchResults()
    if SearchKind.PUPILS in kinds:
        results.pupils = _find_pupils(work, actor, town_id, text, limit, audits=audits)
    if SearchKind.STAFF in kinds and can_see_staff:
        results.staff = staff.search_staff(work, actor, town_id, text, limit)
    if SearchKind.CLASSES in kinds:
        results.classes = [(row[0], row[1]) for row in repository.list_classes(actor, town_id, year, text, limit)]
    if SearchKind.SCHOOLS in kinds:
        results.schools = _match_schools(places.list_schools(work, actor, town_id), text)[:limit]
    if SearchKind.TABLETS in kinds:
        results.tablets = repository.list_tablets(actor, town_id, text, limit)
    if SearchKind.APPS in kinds and can_author:
        results.apps = repository.list_apps(town_id, text, limit)
    return results


def _find_pupils(work: UnitOfWork, actor: Actor, town_id: UUID, text: str, limit: int, *, audits: bool) -> tuple[FoundPupil, ...]:
    """Return the pupils of whom the text may be the name: one with a digit is none."""
    if any(sign.isdigit() for sign in text):
        return ()
    find = people.search_pupils if audits else people.suggest_pupils
    pupils = find(work, actor, {town_id}, text, limit=limit)
    tablets = SearchRepository(work.session).list_tablets_of_pupils([pupil.id for pupil in pupils])
    labels = people.get_class_labels(work, {pupil.class_id for pupil in pupils if pupil.class_id is not None})
    return tuple(
        FoundPupil(pupil, labels.get(pupil.class_id) if pupil.class_id else None, tablets.get(pupil.id)) for pupil in pupils
    )


def _match_schools(schools: Sequence[School], text: str) -> list[School]:
    """Return the schools whose name or code has every word of a text."""
    words = split_name(text)
    return [
        school
        for school in schools
        if words and all(any(part.startswith(word) for part in split_name(f"{school.name} {school.uai}")) for word in words)
    ]
