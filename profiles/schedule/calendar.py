"""Calendars: school holidays and public holidays as sets of days. Pure; sources are `official_calendars` and `ministry_calendar`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from enrollment.people.text import make_label_key
from enrollment.places.rules import get_first_day_of_year, get_next_school_year, get_school_year
from enrollment.places.zones import HolidayZone

#: The name of the calendar of the holiday zone of a school, or of its town.
FOLLOW_ZONE = "zone"
#: Names that a town cannot give to a calendar of its own.
RESERVED_NAMES = frozenset({FOLLOW_ZONE, *HolidayZone})
#: How long before the last published date an administrator is warned.
WARN_BEFORE = timedelta(days=90)


@dataclass(frozen=True, slots=True, order=True)
class HolidayPeriod:
    """School holidays, both ends included: from the day after the last class to the day before the return."""

    first: date
    last: date
    name: str

    def list_days(self) -> Iterable[date]:
        """Return every day of the period."""
        return (self.first + timedelta(days=number) for number in range((self.last - self.first).days + 1))


@dataclass(frozen=True, slots=True)
class Calendar:
    """The days off of one zone or of a town's own calendar.

    No holidays are known after `known_until`: from then on the weekly timetable applies to every day.
    """

    name: str
    days_off: frozenset[date]
    public_holidays: frozenset[date]
    known_until: date | None

    def is_day_off(self, day: date) -> bool:
        """Return whether the day lies in published school holidays."""
        return day in self.days_off and self.is_published(day)

    def is_public_holiday(self, day: date) -> bool:
        """Return whether the day is a public holiday."""
        return day in self.public_holidays

    def is_published(self, day: date) -> bool:
        """Return whether school holidays have been published up to the day."""
        return self.known_until is not None and day <= self.known_until

    def needs_next_dates(self, today: date) -> bool:
        """Return whether the published dates end so soon that the next ones must be imported."""
        return self.known_until is None or today > self.known_until - WARN_BEFORE


def build_calendar(name: str, periods: Iterable[HolidayPeriod], public: Iterable[date], known_until: date | None) -> Calendar:
    """Build a calendar from its periods."""
    off = frozenset(day for period in periods for day in period.list_days())
    return Calendar(name, off, frozenset(public), known_until)


def get_school_year_end(day: date) -> date:
    """Return 31 August of the school year that a day lies in."""
    return get_first_day_of_year(get_next_school_year(get_school_year(day))) - timedelta(days=1)


def update_calendar(
    base: Calendar, base_periods: Iterable[HolidayPeriod], periods: Iterable[HolidayPeriod], known_until: date | None
) -> Calendar:
    """Return a calendar in which newer periods replace those of the same holidays; base periods that nothing replaces stay."""
    latest = max((day for day in (base.known_until, known_until) if day is not None), default=None)
    return build_calendar(base.name, merge_periods(base_periods, periods), base.public_holidays, latest)


def merge_periods(base: Iterable[HolidayPeriod], newer: Iterable[HolidayPeriod]) -> list[HolidayPeriod]:
    """Return the newer periods, and those of the base that are no other dates of the same holidays, in their order."""
    replacing = list(newer)
    unreplaced = (period for period in base if not any(_is_same_holiday(period, each) for each in replacing))
    return sorted({*unreplaced, *replacing})


def _is_same_holiday(first: HolidayPeriod, second: HolidayPeriod) -> bool:
    """Return whether two periods overlap, or have one name and begin within some weeks: the ministry moves holidays."""
    if first.first <= second.last and second.first <= first.last:
        return True
    return make_label_key(first.name) == make_label_key(second.name) and abs(first.first - second.first) <= _MOVED_BY


#: A holiday is moved by less than this.
_MOVED_BY = timedelta(days=60)
