"""Verbs of reading people: the pupils of a class, a search by name. Imports stand in `imports`. Never commits."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from cartable import audit
from cartable.errors import NotFound
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.people import access
from enrollment.people.files.cells import label_key
from enrollment.people.models import AccessKind, Pupil
from enrollment.people.repository import PeopleRepository

MAX_FOUND = 50


def pupils_of_class(work: UnitOfWork, actor: Actor, class_id: UUID) -> list[Pupil]:
    """The pupils of a class, by name. Reading it is audited. Raises `NotFound`."""
    repository = PeopleRepository(work.session)
    school_class = repository.class_visible(actor, class_id)
    if school_class is None:
        raise NotFound
    audit.record_event(work, actor, "class.read", "school_class", class_id, town_id=school_class.town_id)
    pupils = repository.pupils_of_class(class_id)
    access.note(work, actor, pupils, AccessKind.CLASS_LIST)
    return sorted(pupils, key=lambda p: (label_key(p.last_name), label_key(p.first_name)))


def find_pupils(
    work: UnitOfWork, actor: Actor, town_id: UUID, text: str, *, among: Collection[UUID] | None = None
) -> list[Pupil]:
    """Pupils whose names hold every word of `text`, within the actor's reach, the first `MAX_FOUND`; with `among`, of these pupils
    alone. The search is audited (schools.md section 13).
    """
    words = label_key(text).split()
    if not words or (
        not actor.has_permission(Permission.SEE, town_id) and not any(g.town_id == town_id for g in actor.role_assignments)
    ):
        return []
    audit.record_event(work, actor, "pupil.search", "town", town_id, town_id=town_id)
    found = []
    for pupil in PeopleRepository(work.session).pupils_in_reach(actor, town_id):
        name = label_key(f"{pupil.last_name} {pupil.usage_name or ''} {pupil.first_name}")
        if (among is None or pupil.id in among) and all(word in name for word in words):
            found.append(pupil)
    told = sorted(found, key=lambda p: (label_key(p.last_name), label_key(p.first_name)))[:MAX_FOUND]
    access.note(work, actor, told, AccessKind.SEARCH)
    return told
