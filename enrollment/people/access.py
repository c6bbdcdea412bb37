"""Records who read which pupil's record, in which way and on which day. Never commits."""

from __future__ import annotations

from collections.abc import Iterable

from cartable.scope import Actor
from cartable.unit_of_work import UnitOfWork
from enrollment.people.models import AccessKind, Pupil
from enrollment.people.repository import PeopleRepository


def record_access(work: UnitOfWork, actor: Actor, pupils: Iterable[Pupil], kind: AccessKind) -> None:
    """Count that a person has read these records: one row for each pupil, kind and day. The system's own reads are not recorded."""
    pupils_by_id = {pupil.id: pupil for pupil in pupils}
    if actor.account_id is None or not pupils_by_id:
        return
    rows = [
        {
            "town_id": pupil.town_id,
            "pupil_id": pupil.id,
            "actor_id": actor.account_id,
            "kind": kind,
            "day": work.now.date(),
            "actor_name": actor.name[:200],
            "first_at": work.now,
            "last_at": work.now,
            "access_count": 1,
        }
        for pupil in pupils_by_id.values()
    ]
    PeopleRepository(work.session).record_accesses(rows)
