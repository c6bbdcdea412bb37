"""The rhythm of one place: its week, calendar, exceptions and nights, and what they make of a date. Knows no tablet."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from zoneinfo import ZoneInfo

from profiles.schedule.calendar import Calendar
from profiles.schedule.day_exceptions import Override, OverrideKind, override_on
from profiles.schedule.local_time import day_of, instant_of
from profiles.schedule.modes import Mode
from profiles.schedule.night import Night
from profiles.schedule.timetable import MIDNIGHT, Band, BandKind, Week


class Because(StrEnum):
    """Why a stretch of a day has its mode: stable words for people's pages to translate."""

    WEEK = "week"
    GAP = "gap"
    OVERRIDE = "override"
    PUBLIC_HOLIDAY = "public_holiday"
    SCHOOL_HOLIDAY = "school_holiday"
    TRIP = "trip"
    EXAM = "exam"


@dataclass(frozen=True, slots=True)
class Exam:
    """An evaluation: local minutes of one day."""

    day: date
    starts: int
    ends: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a day in which nothing changes. `base` holds outside bands: home, holiday or trip. Instants are UTC."""

    starts: datetime
    ends: datetime
    base: Mode
    base_because: Because
    band: Mode | None
    band_because: Because
    night: bool


@dataclass(frozen=True)
class Rhythm:
    """All that the mode of a place depends on. `place` tells two schools of one pupil apart."""

    place: str
    zone: ZoneInfo
    week: Week
    calendar: Calendar
    night: Night | None
    overrides: tuple[Override, ...] = ()
    exams: tuple[Exam, ...] = ()
    _days: dict[date, tuple[Stretch, ...]] = field(default_factory=dict, compare=False, repr=False)

    def stretch_at(self, at: datetime) -> Stretch:
        """The stretch that an instant lies in."""
        day = day_of(at, self.zone)
        stretches = self.stretches(day)
        index = bisect_right(stretches, at, key=lambda stretch: stretch.starts) - 1
        return stretches[max(index, 0)]

    def stretches(self, day: date) -> tuple[Stretch, ...]:
        """The day from midnight to midnight, without gaps. Computed once."""
        found = self._days.get(day)
        if found is None:
            found = self._days[day] = self._made(day)
        return found

    def bands(self, day: date) -> tuple[tuple[Band, ...], Because]:
        """The bands of a date and what decided them."""
        override = override_on(self.overrides, day)
        if override is not None:
            return override.bands(self.week, day), Because.TRIP if override.kind is OverrideKind.TRIP else Because.OVERRIDE
        if self.calendar.is_off(day):
            return (), Because.SCHOOL_HOLIDAY
        if self.calendar.is_public(day):
            return (), Because.PUBLIC_HOLIDAY
        return self.week.days[day.weekday()], Because.WEEK

    def next_band(self, at: datetime, kind: BandKind, days: int = 15) -> tuple[datetime, datetime] | None:
        """The first band of a kind that ends after an instant, within so many days."""
        day = day_of(at, self.zone)
        for number in range(days):
            for band in self.bands(day + timedelta(days=number))[0]:
                starts, ends = (instant_of(day + timedelta(days=number), m, self.zone) for m in (band.starts, band.ends))
                if band.kind is kind and ends > at:
                    return starts, ends
        return None

    def _made(self, day: date) -> tuple[Stretch, ...]:
        bands, because = self.bands(day)
        base, base_because = _base(because, self.calendar.is_off(day))
        nights = self._nights(day)
        exams = [(exam.starts, exam.ends) for exam in self.exams if exam.day == day]
        edges = {0, MIDNIGHT}
        for starts, ends in [*nights, *exams, *((band.starts, band.ends) for band in bands)]:
            edges |= {min(max(starts, 0), MIDNIGHT), min(max(ends, 0), MIDNIGHT)}
        made = []
        for starts, ends in pairwise(sorted(edges)):
            first, last = instant_of(day, starts, self.zone), instant_of(day, ends, self.zone)
            if first == last:
                continue  # it lies in the hour that the clock jumps over
            band = next((b.kind.mode for b in bands if b.starts <= starts < b.ends), None)
            exam = any(a <= starts < b for a, b in exams)
            night = any(a <= starts < b for a, b in nights)
            why = Because.EXAM if exam else because if band else Because.GAP
            made.append(Stretch(first, last, base, base_because, Mode.EXAM if exam else band, why, night))
        return tuple(made)

    def _nights(self, day: date) -> list[tuple[int, int]]:
        """The windows of night rest that touch a day, in its own minutes: last evening's and this evening's."""
        windows = []
        for shift, evening in ((-MIDNIGHT, day - timedelta(days=1)), (0, day)):
            if (night := self._night_of(evening)) is not None:
                starts, ends = night.of_evening()
                windows.append((starts + shift, ends + shift))
        return windows

    def _night_of(self, evening: date) -> Night | None:
        """A trip may name its own hours; otherwise the town's hold (schools.md section 6)."""
        override = override_on(self.overrides, evening)
        return self.night if override is None or override.night is None or self.night is None else override.night


def _base(because: Because, is_off: bool) -> tuple[Mode, Because]:
    if because is Because.TRIP:
        return Mode.TRIP, Because.TRIP
    if because is Because.SCHOOL_HOLIDAY:
        return Mode.HOLIDAY, Because.SCHOOL_HOLIDAY
    if is_off:  # an exception within holidays: between its bands it is still a holiday
        return Mode.HOLIDAY, Because.SCHOOL_HOLIDAY
    return Mode.HOME, Because.PUBLIC_HOLIDAY if because is Because.PUBLIC_HOLIDAY else Because.GAP
