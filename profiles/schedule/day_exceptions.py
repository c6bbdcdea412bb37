"""What a town, a school or a class says about single days, over the weekly rhythm (schools.md section 4.5). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import IntEnum, StrEnum

from profiles.schedule.night import Night
from profiles.schedule.timetable import MIDNIGHT, Band, BandKind, Week


class Scope(IntEnum):
    """For whom it was said. The narrowest wins."""

    TOWN = 1
    SCHOOL = 2
    CLASS = 3


class OverrideKind(StrEnum):
    """What is said of a day."""

    NO_SCHOOL = "no_school"
    SCHOOL_DAY = "school_day"
    EARLY_END = "early_end"
    LATE_START = "late_start"
    CLOSED = "closed"
    TRIP = "trip"


#: Kinds that cannot do without a time, and kinds that may name a window.
NEEDS_TIME = frozenset({OverrideKind.EARLY_END, OverrideKind.LATE_START})
MAY_HAVE_WINDOW = frozenset({OverrideKind.NO_SCHOOL, OverrideKind.CLOSED, OverrideKind.TRIP})


@dataclass(frozen=True, slots=True)
class Override:
    """One exception for the days `first` to `last`.

    `at` is the time of an early end or a late start. `window` is the town's minimum service on a day without school (the
    after-school band of that day), or the night of a trip. `like` (0 Monday) is the weekday whose bands a worked day has.
    """

    first: date
    last: date
    kind: OverrideKind
    scope: Scope
    written_at: datetime
    at: int | None = None
    window: tuple[int, int] | None = None
    like: int | None = None
    label: str = ""

    def covers(self, day: date) -> bool:
        """Whether it speaks of the day."""
        return self.first <= day <= self.last

    def bands(self, week: Week, day: date) -> tuple[Band, ...]:
        """The bands of a day it speaks of."""
        usual = week.days[day.weekday()]
        match self.kind:
            case OverrideKind.SCHOOL_DAY:
                return week.days[self.like] if self.like is not None else _worked(week, usual)
            case OverrideKind.EARLY_END:
                return _clipped(usual, 0, self.at or 0)
            case OverrideKind.LATE_START:
                return _clipped(usual, self.at or 0, MIDNIGHT)
            case OverrideKind.TRIP:
                return ()
            case OverrideKind.NO_SCHOOL | OverrideKind.CLOSED:
                return (Band(BandKind.AFTER_SCHOOL, *self.window, self.label),) if self.window else ()

    @property
    def night(self) -> Night | None:
        """The night that a trip names for itself."""
        return Night(*self.window) if self.kind is OverrideKind.TRIP and self.window else None


def override_on(overrides: Iterable[Override], day: date) -> Override | None:
    """The one that holds on a day: the narrowest scope, and the last written among equals."""
    found = [override for override in overrides if override.covers(day)]
    return max(found, key=lambda override: (override.scope, override.written_at), default=None)


def _worked(week: Week, usual: Sequence[Band]) -> tuple[Band, ...]:
    return tuple(usual) if any(band.kind is BandKind.SCHOOL for band in usual) else week.first_school_day()


def _clipped(bands: Sequence[Band], earliest: int, latest: int) -> tuple[Band, ...]:
    """What of the bands lies between two times: the children are at home before and after."""
    cut = (Band(b.kind, max(b.starts, earliest), min(b.ends, latest), b.label) for b in bands)
    return tuple(band for band in cut if band.starts < band.ends)
