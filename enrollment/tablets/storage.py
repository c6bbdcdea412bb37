"""Summer storage: tablets that are not lent are stored in batches, and returned once they are checked.

A tablet returns to its cart or class, else to stock. A tablet that is not ready stays in storage, with the reasons.
See docs/domain/custody.md#storage.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo

from cartable import locks
from cartable.references import require_in_town
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.places.models import School, Town
from enrollment.tablets import service
from enrollment.tablets.models import Tablet
from enrollment.tablets.models import TabletState as S
from enrollment.tablets.ports import ReadinessSource
from enrollment.tablets.storage_repository import StorageRepository

#: States that may be stored in bulk. A person decides about a tablet that is absent or was found.
STORABLE_STATES = frozenset({S.PREPARED, S.STOCK, S.ASSIGNED, S.HANDED_OVER, S.IN_USE, S.REPAIRED, S.RETURNED})
#: Tablets of one call; callers repeat it until nothing remains.
BATCH_SIZE = 200
MIN_BATTERY = 0.5
#: A tablet's report older than this does not count.
MAX_REPORT_AGE = timedelta(days=7)
#: How far ahead the school's calendar must be published.
TIMETABLE_HORIZON = timedelta(days=30)


class ReadinessProblem(StrEnum):
    """Why a tablet cannot be handed out again yet."""

    NOT_SEEN = "not_heard"
    BATTERY = "battery"
    SYSTEM = "system"
    TIMETABLE = "timetable"


@dataclass(frozen=True, slots=True)
class ReadinessCheck:
    """A stored tablet and its problems; none means that it is ready."""

    tablet: Tablet
    problems: tuple[ReadinessProblem, ...]


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """How many tablets one call has moved, and how many remain for the next one."""

    moved: int
    remaining: int


def count_storable(work: UnitOfWork, actor: Actor, town_id: UUID, school_id: UUID | None = None) -> int:
    """Return how many tablets can be stored. Raises `Forbidden`, `NotFound`."""
    actor.require_permission(Permission.HANDLE, town_id, school_id)
    require_in_town(work, School, school_id, town_id, field="school_id")
    repository = StorageRepository(work.session)
    return repository.count_tablets(repository.select_unlent(actor, town_id, school_id, STORABLE_STATES))


def store_tablets(work: UnitOfWork, actor: Actor, town_id: UUID, school_id: UUID | None = None) -> BatchProgress:
    """Store the next batch of tablets of a town or school that are not lent: carts, class sets, stock. Raises `Forbidden`, `NotFound`."""
    actor.require_permission(Permission.HANDLE, town_id, school_id)
    require_in_town(work, School, school_id, town_id, field="school_id")
    locks.lock_town(work, town_id)
    repository = StorageRepository(work.session)
    storable = repository.select_unlent(actor, town_id, school_id, STORABLE_STATES)
    batch = repository.list_tablets(storable, BATCH_SIZE)
    for tablet in batch:
        service.change_state(work, actor, tablet, S.STORAGE, "put away for the summer")
    work.session.flush()
    return BatchProgress(len(batch), repository.count_tablets(storable))


def check_readiness(
    work: UnitOfWork,
    actor: Actor,
    town_id: UUID,
    school_id: UUID | None = None,
    *,
    source: ReadinessSource,
    limit: int = 1000,
) -> list[ReadinessCheck]:
    """List the stored tablets with their problems: recent contact, battery, system version, published calendar. Raises `Forbidden`, `NotFound`."""
    actor.require_permission(Permission.HANDLE, town_id, school_id)
    require_in_town(work, School, school_id, town_id, field="school_id")
    repository = StorageRepository(work.session)
    stored = repository.list_tablets(repository.select_unlent(actor, town_id, school_id, {S.STORAGE}), limit)
    tablet_ids = [tablet.id for tablet in stored]
    last_seen = source.load_last_contacts(work, tablet_ids)
    usual_version = _find_usual_version(repository, town_id)
    horizon = (work.now + TIMETABLE_HORIZON).astimezone(ZoneInfo(work.session.get_one(Town, town_id).time_zone)).date()
    with_calendar = source.find_with_calendar(work, tablet_ids, horizon)
    checks = []
    for tablet in stored:
        is_recent = tablet.id in last_seen and work.now - last_seen[tablet.id] <= MAX_REPORT_AGE
        found_problems = {
            ReadinessProblem.NOT_SEEN: not is_recent,
            ReadinessProblem.BATTERY: is_recent and (tablet.battery_level is None or tablet.battery_level < MIN_BATTERY),
            ReadinessProblem.SYSTEM: _parse_major(tablet.os_version) < usual_version,
            ReadinessProblem.TIMETABLE: tablet.id not in with_calendar,
        }
        checks.append(ReadinessCheck(tablet, tuple(problem for problem, applies in found_problems.items() if applies)))
    return checks


def return_ready_tablets(
    work: UnitOfWork, actor: Actor, town_id: UUID, school_id: UUID | None = None, *, source: ReadinessSource
) -> BatchProgress:
    """Return the next batch of ready tablets to their cart, class or stock. Callers repeat it until none is moved."""
    locks.lock_town(work, town_id)
    checks = check_readiness(work, actor, town_id, school_id, source=source)
    ready = [check.tablet for check in checks if not check.problems][:BATCH_SIZE]
    in_carts = StorageRepository(work.session).list_in_carts([tablet.id for tablet in ready])
    for tablet in ready:
        placed = tablet.id in in_carts or tablet.class_id is not None
        service.change_state(work, actor, tablet, S.IN_USE if placed else S.STOCK, "back from storage, checked")
    return BatchProgress(len(ready), len(checks) - len(ready))


def _find_usual_version(repository: StorageRepository, town_id: UUID) -> int:
    """Return the major system version that most of the town's tablets in use have; 0 when none is known."""
    count_by_major: dict[int, int] = {}
    for version, count in repository.count_os_versions(town_id):
        major = _parse_major(version)
        count_by_major[major] = count_by_major.get(major, 0) + count
    return max(count_by_major, key=lambda major: (count_by_major[major], major), default=0)


def _parse_major(version: str | None) -> int:
    first = (version or "").partition(".")[0]
    return int(first) if first.isdecimal() else 0


def count_ready(checks: Sequence[ReadinessCheck]) -> int:
    """Return how many of these tablets have no problem."""
    return sum(1 for check in checks if not check.problems)
