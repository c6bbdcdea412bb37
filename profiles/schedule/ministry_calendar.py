"""Says what the records of the ministry's calendar `fr-en-calendrier-scolaire` mean: holiday periods by zone, with a report row by row. Pure.

See docs/domain/modes.md#calendar.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from enrollment.people.text import make_label_key
from enrollment.places.zones import PARIS, HolidayZone, get_zone_facts
from profiles.schedule.calendar import HolidayPeriod, get_school_year_end
from profiles.schedule.calendar_files import MAX_BYTES, CalendarRecord, InvalidCalendarFile, read_records

__all__ = ["MAX_BYTES", "ImportedCalendars", "InvalidCalendarFile", "RowOutcome", "RowReport", "parse_ministry_calendar"]

#: The file writes midnight in Paris as UTC, also for schools overseas.
_PARIS = ZoneInfo(PARIS)
MAX_PERIOD = timedelta(days=120)
SUMMER = "Vacances d'Été"


class RowOutcome(StrEnum):
    """What became of a row."""

    PERIOD = "period"
    MARKER = "marker"  # a first or last day of school: it bounds a summer
    TEACHERS = "teachers"  # it is not about pupils
    DUPLICATE = "duplicate"  # another academy of the zone
    NOT_A_DATE = "not_a_date"
    NO_ZONE = "no_zone"
    PERIOD_TOO_LONG = "period_too_long"
    ENDS_BEFORE_IT_BEGINS = "ends_before_it_begins"


#: Outcomes of rows that a person should look at.
BAD_OUTCOMES = frozenset(
    {RowOutcome.NOT_A_DATE, RowOutcome.NO_ZONE, RowOutcome.PERIOD_TOO_LONG, RowOutcome.ENDS_BEFORE_IT_BEGINS}
)


@dataclass(frozen=True, slots=True)
class RowReport:
    """What became of one row of the file."""

    line: int
    description: str
    outcome: RowOutcome


@dataclass(frozen=True, slots=True)
class ImportedCalendars:
    """Periods by zone, a report of each row, and the zones whose summer has no date of return in the file (`open_summers`)."""

    periods: dict[HolidayZone, tuple[HolidayPeriod, ...]]
    rows: tuple[RowReport, ...]
    open_summers: frozenset[HolidayZone]

    @property
    def skipped_rows(self) -> int:
        """The number of rows that are not about pupils."""
        return sum(row.outcome is RowOutcome.TEACHERS for row in self.rows)

    def get_known_until(self, zone: HolidayZone) -> date | None:
        """Return the last day for which the holidays of a zone are in the file: the end of its last period."""
        return max((period.last for period in self.periods.get(zone, ())), default=None)


class _Marker(StrEnum):
    """A row that names one day: not a holiday, but where one begins or ends."""

    RETURN = "return"
    SUMMER_BEGINS = "summer_begins"


@dataclass(frozen=True, slots=True)
class _Bounds:
    """What a row says: the first day off and the day of return; or a marker's day, twice."""

    zones: tuple[HolidayZone, ...]
    first: date
    day_of_return: date
    marker: _Marker | None


def parse_ministry_calendar(content: bytes, zone: HolidayZone | None = None) -> ImportedCalendars:
    """Parse a CSV, JSON or iCalendar file. `zone`: that of rows that name none. A bad row is reported and loses no other.

    `end_date` is the day of return, so the period ends the day before. Days are those in Paris. Raises `InvalidCalendarFile`.
    """
    periods: dict[HolidayZone, set[HolidayPeriod]] = defaultdict(set)
    returns: dict[HolidayZone, set[date]] = defaultdict(set)
    summers: dict[HolidayZone, set[date]] = defaultdict(set)
    rows = []
    for record in read_records(content):
        bounds = _interpret(record, zone)
        outcome = bounds if isinstance(bounds, RowOutcome) else RowOutcome.DUPLICATE
        if isinstance(bounds, _Bounds):
            for each in bounds.zones:
                target: set[HolidayPeriod] | set[date]
                value: HolidayPeriod | date
                if bounds.marker is None:
                    last = max(bounds.first, bounds.day_of_return - timedelta(days=1))
                    target, value = periods[each], HolidayPeriod(bounds.first, last, _name_period(record.description))
                else:
                    target, value = (returns if bounds.marker is _Marker.RETURN else summers)[each], bounds.first
                if value not in target:
                    target.add(value)  # type: ignore[arg-type]
                    outcome = RowOutcome.PERIOD if bounds.marker is None else RowOutcome.MARKER
        rows.append(RowReport(record.line, record.description[:120], outcome))
    open_summers = _close_summers(periods, summers, returns)
    return ImportedCalendars({each: tuple(sorted(days)) for each, days in sorted(periods.items())}, tuple(rows), open_summers)


def _close_summers(
    periods: dict[HolidayZone, set[HolidayPeriod]], summers: dict[HolidayZone, set[date]], returns: dict[HolidayZone, set[date]]
) -> frozenset[HolidayZone]:
    """Add the summers whose first days are known, up to the return, or else to the end of the school year; return the zones of these."""
    open_summers = set()
    for zone, first_days in summers.items():
        for first in first_days:
            if any(period.first <= first <= period.last for period in periods[zone]):
                continue
            day_of_return = min((day for day in returns[zone] if first < day <= first + MAX_PERIOD), default=None)
            if day_of_return is None:
                open_summers.add(zone)
            last = day_of_return - timedelta(days=1) if day_of_return else max(first, get_school_year_end(first))
            periods[zone].add(HolidayPeriod(first, last, SUMMER))
    return frozenset(open_summers)


def _interpret(record: CalendarRecord, default_zone: HolidayZone | None) -> _Bounds | RowOutcome:
    """Return what a record says, or why it says nothing."""
    marker = _find_marker(record.description)
    if _is_for_teachers(record, marker):
        return RowOutcome.TEACHERS
    zones = _list_zones(record) or ((default_zone,) if default_zone else ())
    if not zones:
        return RowOutcome.NO_ZONE
    clock = ZoneInfo(get_zone_facts(zones[0]).time_zone)
    first, day_of_return = parse_day(record.start, clock), parse_day(record.end or record.start, clock)
    if first is None or day_of_return is None:
        return RowOutcome.NOT_A_DATE
    if marker is _Marker.SUMMER_BEGINS and day_of_return > first + timedelta(days=1):
        marker = None  # an edition that gives the whole summer; in iCalendar an event of one day ends on the next
    if marker is None and not timedelta(0) <= day_of_return - first <= MAX_PERIOD:
        return RowOutcome.ENDS_BEFORE_IT_BEGINS if day_of_return < first else RowOutcome.PERIOD_TOO_LONG
    return _Bounds(zones, first, day_of_return, marker)


def _is_for_teachers(record: CalendarRecord, marker: _Marker | None) -> bool:
    """Return whether a record is not about pupils: by its population, or because it is the return of teachers."""
    if re.match(r"ENSEIGNANT|PERSONNEL|PROFESSEUR", make_label_key(record.population)):
        return True
    pattern = r"\b(ENSEIGNANTS?|PERSONNELS?|PROFESSEURS?|PRE-?RENTREE)\b"
    return marker is _Marker.RETURN and re.search(pattern, make_label_key(record.description)) is not None


def _find_marker(description: str) -> _Marker | None:
    key = make_label_key(description).replace("’", "'")
    if "RENTREE" in key:
        return _Marker.RETURN
    if re.search(r"\b(DEBUT|DEPART|FIN DES COURS|FIN DE L'ANNEE)\b", key) and re.search(r"\bETE\b|\bFIN D", key):
        return _Marker.SUMMER_BEGINS
    return _Marker.SUMMER_BEGINS if re.fullmatch(r"(GRANDES )?VACANCES D'ETE", key) else None


def _name_period(description: str) -> str:
    return (re.sub(r"^D[ée]but des ", "", description, flags=re.IGNORECASE).strip() or "–")[:80]


#: Years outside of these are typing errors.
_FIRST_YEAR, _LAST_YEAR = 1990, 2100
_FRENCH = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4}|\d{2})(?:[ T].*)?")
_YEAR_FIRST = re.compile(r"(\d{4})[/.](\d{1,2})[/.](\d{1,2})(?:[ T].*)?")


def parse_day(text: str, clock: ZoneInfo) -> date | None:
    """Return the day that a date means: midnight in Paris or on the clock of the zone, in any offset; else the nearest midnight in Paris.

    None for what is no date.
    """
    try:
        if french := _FRENCH.fullmatch(text):
            day, month, year = (int(part) for part in french.groups())
            return _accept(date(year + 2000 * (year < 100), month, day))
        if year_first := _YEAR_FIRST.fullmatch(text):
            return _accept(date(*(int(part) for part in year_first.groups())))
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            return _accept(date.fromisoformat(text))
        instant = datetime.fromisoformat(text)
        instant = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
        for zone in (_PARIS, clock):
            if (local := instant.astimezone(zone)).time() == time():
                return _accept(local.date())
        return _accept((instant.astimezone(_PARIS) + timedelta(hours=12)).date())
    except (ValueError, OverflowError):
        return None


def _accept(day: date) -> date | None:
    return day if _FIRST_YEAR <= day.year <= _LAST_YEAR else None


#: Academies by zone, and the places overseas under the names that the ministry uses.
_ACADEMIES = {
    HolidayZone.A: "Besançon|Bordeaux|Clermont-Ferrand|Dijon|Grenoble|Limoges|Lyon|Poitiers",
    HolidayZone.B: "Aix-Marseille|Amiens|Lille|Nancy-Metz|Nantes|Nice|Normandie|Caen|Rouen|Orléans-Tours|Reims|Rennes|Strasbourg",
    HolidayZone.C: "Créteil|Montpellier|Paris|Toulouse|Versailles",
    HolidayZone.CORSE: "Corse",
    HolidayZone.GUADELOUPE: "Guadeloupe",
    HolidayZone.GUYANE: "Guyane|Guyane française",
    HolidayZone.MARTINIQUE: "Martinique",
    HolidayZone.MAYOTTE: "Mayotte",
    HolidayZone.NOUVELLE_CALEDONIE: "Nouvelle Calédonie",
    HolidayZone.POLYNESIE: "Polynésie|Polynésie française",
    HolidayZone.REUNION: "Réunion|La Réunion",
    HolidayZone.SAINT_PIERRE_ET_MIQUELON: "Saint Pierre et Miquelon",
    HolidayZone.WALLIS_ET_FUTUNA: "Wallis et Futuna",
}


def _zone_key(name: str) -> str:
    return re.sub(r"[^A-Z]+", " ", make_label_key(name)).strip()


_ZONES_BY_NAME = {_zone_key(name): zone for zone, names in _ACADEMIES.items() for name in names.split("|")}
_ZONES_BY_NAME |= {f"ZONE {zone.value}": zone for zone in (HolidayZone.A, HolidayZone.B, HolidayZone.C)}
_ZONES_BY_NAME |= {zone.value: zone for zone in (HolidayZone.A, HolidayZone.B, HolidayZone.C)}


def _list_zones(record: CalendarRecord) -> tuple[HolidayZone, ...]:
    """Return the zones of a record: those that it names, else those of its academies."""
    for names in (record.zones, record.places):
        zones = _match_zones(names)
        if zones:
            return zones
    return ()


def _match_zones(names: Sequence[str]) -> tuple[HolidayZone, ...]:
    zones = (_ZONES_BY_NAME.get(_zone_key(name)) for name in names)
    return tuple(dict.fromkeys(zone for zone in zones if zone is not None))
