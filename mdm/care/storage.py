"""Summer storage: carts and tablets that nobody holds are put away in one act, without alarms, and come back checked.

A tablet comes back where it was: to its cart or class, else to stock. One that is not ready stays away, and why is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo

from cartable import locks
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.facts import facts_for
from enrollment.places.models import Town
from enrollment.tablets import service as tablets
from enrollment.tablets.models import Tablet
from enrollment.tablets.models import TabletState as S
from mdm.care.storage_repository import StorageRepository
from profiles.schedule.service import read_said

#: What may be put away by an act in bulk. One that is absent or was found is looked at by a person.
PUT_AWAY = frozenset({S.PREPARED, S.STOCK, S.ASSIGNED, S.HANDED_OVER, S.IN_USE, S.REPAIRED, S.RETURNED})
#: Tablets of one act; it is called again until nothing is left.
AT_ONCE = 200
ENOUGH_BATTERY = 0.5
#: What a tablet said of itself longer ago says nothing of now.
FRESH = timedelta(days=7)
#: So far ahead a tablet must know its timetable (schools.md section 5.1).
AHEAD = timedelta(days=30)


class NotReady(StrEnum):
    """Why a tablet is not handed out again as it is."""

    NOT_HEARD = "not_heard"
    BATTERY = "battery"
    SYSTEM = "system"
    TIMETABLE = "timetable"


@dataclass(frozen=True, slots=True)
class Checked:
    """A tablet in storage and what is wrong with it."""

    tablet: Tablet
    problems: tuple[NotReady, ...]


@dataclass(frozen=True, slots=True)
class Done:
    """How many tablets one act has moved, and how many wait for the next one."""

    moved: int
    left: int


def to_put_away(work: UnitOfWork, actor: Actor, town_id: UUID, school_id: UUID | None = None) -> int:
    """How many tablets would be put away."""
    actor.require_permission(Permission.HANDLE, town_id, school_id)
    repository = StorageRepository(work.session)
    return repository.count(repository.held_by_nobody(actor, town_id, school_id, PUT_AWAY))


def put_away(work: UnitOfWork, actor: Actor, town_id: UUID, school_id: UUID | None = None) -> Done:
    """Put away the next tablets of a town or school that nobody holds: carts, class sets, stock. Pupils' stay with them."""
    actor.require_permission(Permission.HANDLE, town_id, school_id)
    locks.lock_town(work, town_id)
    repository = StorageRepository(work.session)
    wanted = repository.held_by_nobody(actor, town_id, school_id, PUT_AWAY)
    taken = repository.take(wanted, AT_ONCE)
    for tablet in taken:
        tablets.change_state(work, actor, tablet, S.STORAGE, "put away for the summer")
    work.session.flush()
    return Done(len(taken), repository.count(wanted))


def checks(work: UnitOfWork, actor: Actor, town_id: UUID, school_id: UUID | None = None, limit: int = 1000) -> list[Checked]:
    """The tablets in storage and whether each may come back: heard lately, charged, its system not behind, its timetable known."""
    actor.require_permission(Permission.HANDLE, town_id, school_id)
    repository = StorageRepository(work.session)
    stored = repository.take(repository.held_by_nobody(actor, town_id, school_id, {S.STORAGE}), limit)
    ids = [tablet.id for tablet in stored]
    seen, usual, said = repository.last_seen(ids), _usual_system(repository, town_id), read_said(work, [town_id])
    facts = facts_for(work, ids)
    ahead = (work.now + AHEAD).astimezone(ZoneInfo(work.session.get_one(Town, town_id).time_zone)).date()
    found = []
    for tablet in stored:
        heard = tablet.id in seen and work.now - seen[tablet.id] <= FRESH
        rhythm = said.rhythm(facts[tablet.id])
        told = {
            NotReady.NOT_HEARD: not heard,
            NotReady.BATTERY: heard and (tablet.battery_level is None or tablet.battery_level < ENOUGH_BATTERY),
            NotReady.SYSTEM: _major(tablet.os_version) < usual,
            NotReady.TIMETABLE: rhythm is None or not rhythm.calendar.knows(ahead),
        }
        found.append(Checked(tablet, tuple(problem for problem, holds in told.items() if holds)))
    return found


def bring_back(work: UnitOfWork, actor: Actor, town_id: UUID, school_id: UUID | None = None) -> Done:
    """Bring back the tablets that are ready, some at a time; the others stay in storage. Call again until none is moved."""
    locks.lock_town(work, town_id)
    told = checks(work, actor, town_id, school_id)
    ready = [each.tablet for each in told if not each.problems][:AT_ONCE]
    in_carts = StorageRepository(work.session).in_carts([tablet.id for tablet in ready])
    for tablet in ready:
        placed = tablet.id in in_carts or tablet.class_id is not None
        tablets.change_state(work, actor, tablet, S.IN_USE if placed else S.STOCK, "back from storage, checked")
    return Done(len(ready), len(told) - len(ready))


def _usual_system(repository: StorageRepository, town_id: UUID) -> int:
    """The major version that most of the town's tablets in use have; 0 when none says."""
    counted: dict[int, int] = {}
    for version, count in repository.systems(town_id):
        counted[_major(version)] = counted.get(_major(version), 0) + count
    return max(counted, key=lambda major: (counted[major], major), default=0)


def _major(version: str | None) -> int:
    first = (version or "").partition(".")[0]
    return int(first) if first.isdigit() else 0


def ready(told: Sequence[Checked]) -> int:
    """How many of them may come back."""
    return sum(1 for each in told if not each.problems)
