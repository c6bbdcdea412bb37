"""What a teacher needs to know of a class before a lesson: tablets that are silent, not charged or reported lost, and the sessions of today."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.places import service as places
from enrollment.places.models import SchoolClass
from mdm.care.today.class_repository import ClassDayRepository, TabletOfClass
from mdm.care.today.service import SILENT_AFTER
from profiles.schedule.local_time import to_instant, to_local_day
from profiles.schedule.models import ClassSession

#: Below this share of its charge a tablet does not last a lesson.
LOW_BATTERY = 0.2


@dataclass(frozen=True, slots=True)
class ClassDay:
    """The tablets of a class that need somebody, and the sessions of today, oldest first: empty parts have nothing to show."""

    silent: Sequence[TabletOfClass]
    not_charged: Sequence[TabletOfClass]
    reported_lost: Sequence[TabletOfClass]
    sessions: Sequence[ClassSession]


def load_class_day(work: UnitOfWork, actor: Actor, school_class: SchoolClass) -> ClassDay:
    """Return the day of a class, in a constant number of statements. Raises `Forbidden`.

    The charge of a silent tablet is old news: it is not counted among those that are not charged.
    """
    actor.require_permission(Permission.TEACH, school_class.town_id, school_class.school_id, school_class.id)
    zone = places.get_town_zone(work, school_class.town_id)
    repository = ClassDayRepository(work.session)
    tablets = repository.list_tablets(school_class.id)
    silent = [each for each in tablets if each.last_contact_at is None or each.last_contact_at < work.now - SILENT_AFTER]
    return ClassDay(
        silent=silent,
        not_charged=[
            each for each in tablets if each not in silent and each.battery_level is not None and each.battery_level < LOW_BATTERY
        ],
        reported_lost=[each for each in tablets if each.is_reported_lost],
        sessions=repository.list_sessions(school_class.id, to_instant(to_local_day(work.now, zone), 0, zone)),
    )
