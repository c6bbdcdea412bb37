"""Schools that are continued by another one: their pupils change school at the next rollover. Never commits."""

from __future__ import annotations

from uuid import UUID

from cartable import audit
from cartable.errors import Invalid, NotFound
from cartable.references import require_in_town
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.places.models import School
from enrollment.rollover.models import SchoolSuccession
from enrollment.rollover.repository import RolloverRepository


def record_school_succession(work: UnitOfWork, actor: Actor, old_school_id: UUID, new_school_id: UUID) -> SchoolSuccession:
    """Record that a school is continued by another: its pupils change school at the next rollover.

    Raises `NotFound`, `Forbidden`, `Invalid` for a school that would be continued by itself.
    """
    old = work.session.get(School, old_school_id)
    if old is None:
        raise NotFound(field="old_school_id")
    new = require_in_town(work, School, new_school_id, old.town_id, field="new_school_id")
    actor.require_permission(Permission.LEAD, old.town_id)
    if old.id == new.id or RolloverRepository(work.session).get_successor_schools(old.town_id).get(new.id) == old.id:
        raise Invalid(field="new_school_id")
    audit.record_event(work, actor, "school.succession", "school", old.id, town_id=old.town_id, new=str(new.id))
    row = work.session.get(SchoolSuccession, old.id)
    if row is None:
        row = SchoolSuccession(town_id=old.town_id, old_school_id=old.id, new_school_id=new.id)
        work.session.add(row)
    row.new_school_id = new.id
    work.session.flush()
    return row


def list_successors(work: UnitOfWork, actor: Actor, town_id: UUID) -> dict[UUID, UUID]:
    """Return the schools of a town that go on as another one, with that one. Raises `Forbidden`."""
    actor.require_permission(Permission.SEE, town_id)
    return RolloverRepository(work.session).get_successor_schools(town_id)
