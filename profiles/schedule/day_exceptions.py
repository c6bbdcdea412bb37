"""Day exceptions: what a town, a school or a class sets for single days instead of the weekly timetable. Pure.

See docs/domain/modes.md#exceptions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import IntEnum, StrEnum

from profiles.schedule.night import Night
from profiles.schedule.timetable import MIDNIGHT, Band, BandKind, Week


class OverrideScope(IntEnum):
    """For whom an exception was written. The narrowest scope wins."""

    TOWN = 1
    SCHOOL = 2
    CLASS = 3


class OverrideKind(StrEnum):
    """What an exception does to a day."""

    NO_SCHOOL = "no_school"
    SCHOOL_DAY = "school_day"
    EARLY_END = "early_end"
    LATE_START = "late_start"
    CLOSED = "closed"
    TRIP = "trip"


#: Kinds that require a time, and kinds that may have a window.
NEEDS_TIME = frozenset({OverrideKind.EARLY_END, OverrideKind.LATE_START})
MAY_HAVE_WINDOW = frozenset({OverrideKind.NO_SCHOOL, OverrideKind.CLOSED, OverrideKind.TRIP})


@dataclass(frozen=True, slots=True)
class DayOverride:
    """One exception for the days `first` to `last`.

    `at` is the time of an early end or a late start, in minutes after midnight. `window` is the town's minimum service on a
    day without school (the after-school band of that day), or the night of a trip. `template_weekday` (0 is Monday) is the
    weekday whose bands a worked day has.
    """

    first: date
    last: date
    kind: OverrideKind
    scope: OverrideScope
    written_at: datetime
    at: int | None = None
    window: tuple[int, int] | None = None
    template_weekday: int | None = None
    label: str = ""

    def covers_day(self, day: date) -> bool:
        """Return whether the exception applies to the day."""
        return self.first <= day <= self.last

    def get_bands(self, week: Week, day: date) -> tuple[Band, ...]:
        """Return the bands of a day to which the exception applies."""
        ordinary_bands = week.days[day.weekday()]
        match self.kind:
            case OverrideKind.SCHOOL_DAY:
                return (
                    week.days[self.template_weekday]
                    if self.template_weekday is not None
                    else _get_worked_day_bands(week, ordinary_bands)
                )
            case OverrideKind.EARLY_END:
                return _clip_bands(ordinary_bands, 0, self.at or 0)
            case OverrideKind.LATE_START:
                return _clip_bands(ordinary_bands, self.at or 0, MIDNIGHT)
            case OverrideKind.TRIP:
                return ()
            case OverrideKind.NO_SCHOOL | OverrideKind.CLOSED:
                return (Band(BandKind.AFTER_SCHOOL, *self.window, self.label),) if self.window else ()

    @property
    def night(self) -> Night | None:
        """The hours of night rest that a trip sets; None for the town's ordinary night."""
        return Night(*self.window) if self.kind is OverrideKind.TRIP and self.window else None


def find_override(overrides: Iterable[DayOverride], day: date) -> DayOverride | None:
    """Return the exception that applies to a day: the narrowest scope wins, then the one written last."""
    candidates = [override for override in overrides if override.covers_day(day)]
    return max(candidates, key=lambda override: (override.scope, override.written_at), default=None)


def _get_worked_day_bands(week: Week, ordinary_bands: Sequence[Band]) -> tuple[Band, ...]:
    has_school = any(band.kind is BandKind.SCHOOL for band in ordinary_bands)
    return tuple(ordinary_bands) if has_school else week.get_first_school_day()


def _clip_bands(bands: Sequence[Band], earliest: int, latest: int) -> tuple[Band, ...]:
    """Return the parts of the bands between two times; before and after, the pupils are at home."""
    clipped = (Band(band.kind, max(band.starts, earliest), min(band.ends, latest), band.label) for band in bands)
    return tuple(band for band in clipped if band.starts < band.ends)
