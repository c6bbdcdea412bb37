"""Closes a school and opens it again. Its history stays. Never commits.

A school that goes on as another one is given its successor first (`service.record_school_succession`): the rollover moves its pupils, then
it can be closed. See docs/domain/schools.md#towns.
"""

from __future__ import annotations

from uuid import UUID

from cartable import audit, locks
from cartable.errors import Conflict
from cartable.i18n import Message
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.places.models import School
from enrollment.places.service import get_school_date, require_school
from enrollment.rollover.repository import RolloverRepository


class SchoolNotEmpty(Conflict):
    """The school still has pupils or tablets."""

    code = "school_not_empty"
    message = Message(
        "This school still has {pupils} pupils and {tablets} tablets. Move them first: by the next school year's rosters, or at the desk."
    )


def close_school(work: UnitOfWork, actor: Actor, school_id: UUID) -> School:
    """Close a school from today on and return it; a school that is closed already is returned unchanged.

    Raises `NotFound`, `Forbidden`, `SchoolNotEmpty`.
    """
    school = require_school(work, actor, school_id, Permission.AUTHOR)
    locks.lock_town(work, school.town_id)
    work.session.refresh(school)
    if school.closed_on is not None:
        return school
    pupils, tablets = RolloverRepository(work.session).count_left_in_school(school.id)
    if pupils or tablets:
        raise SchoolNotEmpty(pupils=pupils, tablets=tablets)
    audit.record_event(work, actor, "school.close", "school", school.id, town_id=school.town_id)
    school.closed_on = get_school_date(work, school)
    work.session.flush()
    return school


def open_school(work: UnitOfWork, actor: Actor, school_id: UUID) -> School:
    """Open a closed school again and return it. Raises `NotFound`, `Forbidden`."""
    school = require_school(work, actor, school_id, Permission.AUTHOR)
    locks.lock_town(work, school.town_id)
    work.session.refresh(school)
    if school.closed_on is not None:
        audit.record_event(work, actor, "school.open", "school", school.id, town_id=school.town_id)
        school.closed_on = None
        work.session.flush()
    return school
