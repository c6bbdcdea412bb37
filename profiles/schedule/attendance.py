"""Who is absent from class today: a class session leaves their tablets alone, wherever these are. Kept until midnight. Never commits."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from cartable import audit, locks
from cartable.errors import NotFound
from cartable.outbox import Topic
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.people.repository import PeopleRepository
from enrollment.places import service as places
from enrollment.tablets.repository import TabletRepository
from profiles.schedule.local_time import to_instant, to_local_day
from profiles.schedule.models import ClassAbsence
from profiles.schedule.repository import ScheduleRepository


def list_absent_pupils(work: UnitOfWork, actor: Actor, class_id: UUID) -> frozenset[UUID]:
    """Return the pupils of a class who were marked absent today. Raises `NotFound`."""
    _require_class(work, actor, class_id)
    pupil_ids = [pupil.id for pupil in PeopleRepository(work.session).list_pupils_of_class(class_id)]
    return ScheduleRepository(work.session).find_absent_pupils(pupil_ids, work.now)


def mark_absent_pupils(work: UnitOfWork, actor: Actor, class_id: UUID, absent: Collection[UUID]) -> None:
    """Record that exactly these pupils of a class are absent, until midnight; their tablets leave a session that runs.

    Raises `NotFound` for a class that the actor does not teach, and for a pupil of another class.
    """
    town_id = _require_class(work, actor, class_id)
    locks.lock_town(work, town_id)
    repository = ScheduleRepository(work.session)
    pupil_ids = {pupil.id for pupil in PeopleRepository(work.session).list_pupils_of_class(class_id)}
    if not pupil_ids.issuperset(absent):
        raise NotFound(field="pupil_ids")
    before = repository.find_absent_pupils(pupil_ids, work.now)
    changed = before.symmetric_difference(absent)
    if not changed:
        return
    zone = places.get_town_zone(work, town_id)
    midnight = to_instant(to_local_day(work.now, zone) + timedelta(days=1), 0, zone)
    repository.replace_absences(pupil_ids, [ClassAbsence(town_id=town_id, pupil_id=each, until=midnight) for each in set(absent)])
    audit.record_event(work, actor, "class.absences", "class", class_id, town_id=town_id, count=len(set(absent)))
    tablets = TabletRepository(work.session)
    work.enqueue_selected_jobs(Topic.RECONCILE, tablets.select_by_ids(tablets.list_ids_by_pupils(sorted(changed, key=str))))


def _require_class(work: UnitOfWork, actor: Actor, class_id: UUID) -> UUID:
    """Return the town of a class that the actor teaches. Raises `NotFound`."""
    school_class = PeopleRepository(work.session).find_class(actor, class_id)
    if school_class is None or not actor.has_permission(
        Permission.TEACH, school_class.town_id, school_class.school_id, school_class.id
    ):
        raise NotFound
    return school_class.town_id
