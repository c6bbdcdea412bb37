"""School holidays and public holidays as days (schools.md sections 4.1 to 4.4). Pure; where they come from is elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

#: So long before the published dates end somebody is told.
WARN_BEFORE = timedelta(days=90)


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """Days off, both ends included: from the day after class to the day before return."""

    first: date
    last: date
    name: str

    def days(self) -> Iterable[date]:
        """Each day of it."""
        return (self.first + timedelta(days=number) for number in range((self.last - self.first).days + 1))


@dataclass(frozen=True, slots=True)
class Calendar:
    """The days off of one zone or of a town's own calendar. After `known_until` nobody knows: the weekly rhythm alone holds."""

    name: str
    off: frozenset[date]
    public: frozenset[date]
    known_until: date | None

    def is_off(self, day: date) -> bool:
        """Whether the day lies in school holidays that are known."""
        return day in self.off and self.knows(day)

    def is_public(self, day: date) -> bool:
        """Whether it is a public holiday."""
        return day in self.public

    def knows(self, day: date) -> bool:
        """Whether school holidays have been published for the day."""
        return self.known_until is not None and day <= self.known_until

    def warns(self, today: date) -> bool:
        """Whether it is time to bring in the dates that follow."""
        return self.known_until is None or today > self.known_until - WARN_BEFORE


def calendar_of(name: str, periods: Iterable[Period], public: Iterable[date], known_until: date | None) -> Calendar:
    """A calendar from its periods."""
    off = frozenset(day for period in periods for day in period.days())
    return Calendar(name, off, frozenset(public), known_until)


def school_year_end(day: date) -> date:
    """31 August of the school year that a day lies in."""
    return date(day.year + (1 if day.month >= 9 else 0), 8, 31)
