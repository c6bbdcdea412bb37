"""Who read which child's record, in what way, on what day. Never commits.

What the server does by itself is not a reading: only people are noted.
"""

from __future__ import annotations

from collections.abc import Iterable

from cartable.scope import Actor
from cartable.unit_of_work import UnitOfWork
from enrollment.people.models import AccessKind, Pupil
from enrollment.people.repository import PeopleRepository


def note(work: UnitOfWork, actor: Actor, pupils: Iterable[Pupil], kind: AccessKind) -> None:
    """Note that a person has read these records: one row for each way and day, counted."""
    found = {pupil.id: pupil for pupil in pupils}
    if actor.account_id is None or not found:
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
            "times": 1,
        }
        for pupil in found.values()
    ]
    PeopleRepository(work.session).note_accesses(rows)
