"""Counts of questions that categories closed, by town and day: stored where a town asks for them, shown without small numbers.

See docs/adr/0067-questions-are-counted-by-category-and-day-where-a-town-asks.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from uuid import UUID

from cartable import audit, locks
from cartable.errors import Forbidden
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.places.service import get_town_date, get_town_zones
from mdm.resolver.count_repository import BlockedCountRepository
from mdm.resolver.errors import TooFewTablets
from profiles.filters.models import FilterOptions
from profiles.filters.options import load_options
from profiles.filters.repository import FilterRepository

#: A count of fewer tablets would say something of a child.
LEAST_TABLETS = 5
#: A smaller number of questions is not shown.
LEAST_SHOWN = 5
DAYS_SHOWN = 30


@dataclass(frozen=True, slots=True)
class DayCounts:
    """The counts of one day by category; None for a number that is too small to be shown."""

    day: date
    by_category: dict[str, int | None]


def set_counting(work: UnitOfWork, actor: Actor, town_id: UUID, *, is_wanted: bool) -> FilterOptions:
    """Store whether a town asks for counts. Raises `Forbidden`, `TooFewTablets`."""
    actor.require_permission(Permission.AUTHOR, town_id)
    locks.lock_town(work, town_id)
    row = load_options(work, town_id)
    if is_wanted and BlockedCountRepository(work.session).count_tablets([town_id]).get(town_id, 0) < LEAST_TABLETS:
        raise TooFewTablets(count=LEAST_TABLETS)
    audit.record_event(work, actor, "filter.counts", "town", town_id, town_id=town_id, is_wanted=is_wanted)
    row.counts_questions = is_wanted
    FilterRepository(work.session).save_options(row)
    return row


def list_days(work: UnitOfWork, actor: Actor, town_id: UUID) -> list[DayCounts]:
    """Return the counts of the last days, the newest first, to whoever authors the rules or protects data. Raises `Forbidden`."""
    if not actor.has_permission(Permission.AUTHOR, town_id) and not actor.has_permission(Permission.PRIVACY, town_id):
        raise Forbidden
    first = get_town_date(work, town_id) - timedelta(days=DAYS_SHOWN)
    days: dict[date, dict[str, int | None]] = {}
    for row in BlockedCountRepository(work.session).list_since(town_id, first):
        days.setdefault(row.day, {})[row.category] = row.questions if row.questions >= LEAST_SHOWN else None
    return [DayCounts(day, by_category) for day, by_category in days.items()]


def parse_counts(text: str) -> dict[tuple[UUID, str], int]:
    """Return the counts by town and category that `decide.lua` wrote. Lines that are none are left out."""
    counts: dict[tuple[UUID, str], int] = {}
    for line in text.splitlines():
        parts = line.split(" ")
        if len(parts) == len(("town", "category", "questions")) and parts[2].isdecimal():
            counts[UUID(parts[0]), parts[1][:64]] = int(parts[2])
    return counts


def store_counts(work: UnitOfWork, counts: Mapping[tuple[UUID, str], int]) -> None:
    """Add counts to the present day of their towns; those of towns that do not ask any more, or have too few tablets, are dropped."""
    repository = BlockedCountRepository(work.session)
    counting = repository.list_counting_towns()
    tablets = repository.count_tablets(counting)
    counted = {key: number for key, number in counts.items() if key[0] in counting and tablets.get(key[0], 0) >= LEAST_TABLETS}
    zones = get_town_zones(work, {town_id for town_id, _ in counted})
    repository.add({town_id: work.now.astimezone(zone).date() for town_id, zone in zones.items()}, counted)


def get_counts_file(folder: Path) -> Path:
    """Return the file in which dnsdist hands counts over."""
    return folder / "counts"
