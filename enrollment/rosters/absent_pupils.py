"""The pupils whom the last roster of their school does not list, and the tablets that they still have. Never commits."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from cartable import audit
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.people import access
from enrollment.people.models import AccessKind, Pupil
from enrollment.people.rules import is_tablet_due_back
from enrollment.places.service import get_school_date, require_school
from enrollment.rosters.repository import AbsentPupilRepository


@dataclass(frozen=True, slots=True)
class AbsentPupil:
    """A pupil whom the last roster does not list, with the tag of the tablet on loan and whether it must be returned."""

    pupil: Pupil
    tag: str | None
    due_back: bool


def list_absent_pupils(work: UnitOfWork, actor: Actor, school_id: UUID) -> list[AbsentPupil]:
    """Return the pupils of a school whom its last roster does not list, longest absence first. The reading is audited.

    Raises `NotFound`, `Forbidden`.
    """
    school = require_school(work, actor, school_id, Permission.ROSTER)
    audit.record_event(work, actor, "school.absent", "school", school.id, town_id=school.town_id)
    rows = AbsentPupilRepository(work.session).list_absent_pupils(school.id)
    access.record_access(work, actor, [pupil for pupil, _ in rows], AccessKind.CLASS_LIST)
    today = get_school_date(work, school)
    return [AbsentPupil(pupil, tag, is_tablet_due_back(pupil.absent_since or today, today)) for pupil, tag in rows]
