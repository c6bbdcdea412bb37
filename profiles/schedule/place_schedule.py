"""The schedule of one place: cuts each date into segments from its week, calendar, exceptions and nights. Knows no tablet."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from zoneinfo import ZoneInfo

from profiles.schedule.calendar import Calendar
from profiles.schedule.day_exceptions import DayOverride, OverrideKind, find_override
from profiles.schedule.local_time import to_instant, to_local_day
from profiles.schedule.modes import Mode
from profiles.schedule.night import Night
from profiles.schedule.timetable import MIDNIGHT, Band, BandKind, Week


class ScheduleReason(StrEnum):
    """Why a segment of a day has its mode. The console translates the values, so they are stable."""

    WEEK = "week"
    GAP = "gap"
    OVERRIDE = "override"
    PUBLIC_HOLIDAY = "public_holiday"
    SCHOOL_HOLIDAY = "school_holiday"
    TRIP = "trip"
    EXAM = "exam"


@dataclass(frozen=True, slots=True)
class ExamHours:
    """The hours of an exam on one day, in minutes after local midnight."""

    day: date
    starts: int
    ends: int


@dataclass(frozen=True, slots=True)
class DaySegment:
    """A part of a day in which nothing changes; instants are UTC.

    `base_mode` is the mode outside bands: home, holiday or trip. `band_mode` is None where no band is open.
    """

    starts: datetime
    ends: datetime
    base_mode: Mode
    base_reason: ScheduleReason
    band_mode: Mode | None
    band_reason: ScheduleReason
    is_night: bool


@dataclass(frozen=True)
class Schedule:
    """Everything that the mode of a place depends on. `place` is its name, to tell two schools of one pupil apart."""

    place: str
    zone: ZoneInfo
    week: Week
    calendar: Calendar
    night: Night | None
    overrides: tuple[DayOverride, ...] = ()
    exams: tuple[ExamHours, ...] = ()
    _days: dict[date, tuple[DaySegment, ...]] = field(default_factory=dict, compare=False, repr=False)

    def get_segment_at(self, at: datetime) -> DaySegment:
        """Return the segment that an instant lies in."""
        segments = self.get_segments(to_local_day(at, self.zone))
        index = bisect_right(segments, at, key=lambda segment: segment.starts) - 1
        return segments[max(index, 0)]

    def get_segments(self, day: date) -> tuple[DaySegment, ...]:
        """Return the segments of a day from midnight to midnight, without gaps. Each day is computed once."""
        segments = self._days.get(day)
        if segments is None:
            segments = self._days[day] = self._compute_segments(day)
        return segments

    def get_bands(self, day: date) -> tuple[tuple[Band, ...], ScheduleReason]:
        """Return the bands of a date and the reason for them: an exception, a holiday or the ordinary week."""
        override = find_override(self.overrides, day)
        if override is not None:
            reason = ScheduleReason.TRIP if override.kind is OverrideKind.TRIP else ScheduleReason.OVERRIDE
            return override.get_bands(self.week, day), reason
        if self.calendar.is_day_off(day):
            return (), ScheduleReason.SCHOOL_HOLIDAY
        if self.calendar.is_public_holiday(day):
            return (), ScheduleReason.PUBLIC_HOLIDAY
        return self.week.days[day.weekday()], ScheduleReason.WEEK

    def find_next_band(self, at: datetime, kind: BandKind, days: int = 15) -> tuple[datetime, datetime] | None:
        """Return start and end of the first band of a kind that ends after `at`, within `days` days; None when there is none."""
        today = to_local_day(at, self.zone)
        for day in (today + timedelta(days=number) for number in range(days)):
            for band in self.get_bands(day)[0]:
                starts, ends = (to_instant(day, minute, self.zone) for minute in (band.starts, band.ends))
                if band.kind is kind and ends > at:
                    return starts, ends
        return None

    def _compute_segments(self, day: date) -> tuple[DaySegment, ...]:
        bands, reason = self.get_bands(day)
        base_mode, base_reason = _decide_base_mode(reason, self.calendar.is_day_off(day))
        nights = self._list_night_windows(day)
        exams = [(exam.starts, exam.ends) for exam in self.exams if exam.day == day]
        edges = {0, MIDNIGHT}
        for starts, ends in [*nights, *exams, *((band.starts, band.ends) for band in bands)]:
            edges |= {min(max(starts, 0), MIDNIGHT), min(max(ends, 0), MIDNIGHT)}
        segments = []
        for starts, ends in pairwise(sorted(edges)):
            first, last = to_instant(day, starts, self.zone), to_instant(day, ends, self.zone)
            if first == last:
                continue  # the segment lies in the hour that the clock skips in spring
            band_mode = next((band.kind.mode for band in bands if band.starts <= starts < band.ends), None)
            is_exam = any(exam_starts <= starts < exam_ends for exam_starts, exam_ends in exams)
            is_night = any(night_starts <= starts < night_ends for night_starts, night_ends in nights)
            band_reason = ScheduleReason.EXAM if is_exam else reason if band_mode else ScheduleReason.GAP
            segments.append(
                DaySegment(first, last, base_mode, base_reason, Mode.EXAM if is_exam else band_mode, band_reason, is_night)
            )
        return tuple(segments)

    def _list_night_windows(self, day: date) -> list[tuple[int, int]]:
        """Return the windows of night rest that touch a day, in minutes of that day: last evening's and this evening's."""
        windows = []
        for shift, evening in ((-MIDNIGHT, day - timedelta(days=1)), (0, day)):
            if (night := self._get_night(evening)) is not None:
                starts, ends = night.get_window()
                windows.append((starts + shift, ends + shift))
        return windows

    def _get_night(self, evening: date) -> Night | None:
        """Return the night that begins on an evening: the trip's own hours if it names some, otherwise the town's."""
        override = find_override(self.overrides, evening)
        return self.night if override is None or override.night is None or self.night is None else override.night


def _decide_base_mode(reason: ScheduleReason, is_day_off: bool) -> tuple[Mode, ScheduleReason]:
    if reason is ScheduleReason.TRIP:
        return Mode.TRIP, ScheduleReason.TRIP
    if reason is ScheduleReason.SCHOOL_HOLIDAY:
        return Mode.HOLIDAY, ScheduleReason.SCHOOL_HOLIDAY
    if is_day_off:  # an exception within school holidays: between its bands it is still a holiday
        return Mode.HOLIDAY, ScheduleReason.SCHOOL_HOLIDAY
    return Mode.HOME, ScheduleReason.PUBLIC_HOLIDAY if reason is ScheduleReason.PUBLIC_HOLIDAY else ScheduleReason.GAP
