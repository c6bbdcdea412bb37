"""The dates that come with the server: school holidays of zones A, B, C and public holidays, from the library `holidays`.

Its school dates follow rules, also for years that nobody has published: they are believed only up to `PUBLISHED_UNTIL`, and
where they differ from what was published (schools.md section 4.3) the published dates stand here.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache

from holidays.countries.france import France

from profiles.schedule.calendar import Calendar, Period, calendar_of

ZONES = ("A", "B", "C")
FIRST_YEAR = 2024
#: The last school year with an order of the ministry in this release of the library: 2027-2028.
PUBLISHED_UNTIL = date(2028, 8, 31)
_BRIDGE, _SUMMER = "Pont de l'Ascension", "Vacances d'été"
#: National dates that differ from the library's rules. None: a bridge is local data, a town enters it.
_PUBLISHED: dict[tuple[str, int], tuple[date, date] | None] = {
    (_BRIDGE, 2026): None,
    (_SUMMER, 2027): (date(2027, 7, 3), date(2027, 8, 31)),
    (_SUMMER, 2028): (date(2028, 7, 4), date(2028, 8, 31)),
}
#: Departments with public holidays of their own, by the first three digits of the school code (schools.md section 3.1).
_REGIONS = {
    "057": "57", "067": "6AE", "068": "6AE", "971": "971", "972": "972", "973": "973", "974": "974", "976": "976",
    "975": "PM", "977": "BL", "978": "MF", "983": "NC", "984": "PF", "986": "WF",
}  # fmt: skip


def region_of(uai: str) -> str | None:
    """The library's name of the place whose public holidays a school has; None: the national ones."""
    return _REGIONS.get(uai[:3])


@lru_cache(maxsize=8)
def periods_of(zone: str) -> tuple[Period, ...]:
    """The holidays of zone A, B or C."""
    years = range(FIRST_YEAR, PUBLISHED_UNTIL.year + 1)
    named = France(subdiv=f"Zone {zone}", years=years, categories=("school",), language="fr")  # type: ignore[no-untyped-call]
    found: list[Period] = []
    for day in sorted(named):
        name = named[day]
        if found and found[-1].name == name and found[-1].last + timedelta(days=1) == day:
            found[-1] = Period(found[-1].first, day, name)
        else:
            found.append(Period(day, day, name))
    kept = (_as_published(period) for period in found if period.first <= PUBLISHED_UNTIL)
    return tuple(period for period in kept if period is not None)


def _as_published(period: Period) -> Period | None:
    key = (period.name, period.first.year)
    if key not in _PUBLISHED:
        return period
    dates = _PUBLISHED[key]
    return Period(*dates, period.name) if dates else None


@lru_cache(maxsize=32)
def public_days(region: str | None) -> frozenset[date]:
    """The public holidays of a place; they are computed, so they do not end with what is published."""
    years = range(FIRST_YEAR, PUBLISHED_UNTIL.year + 6)
    return frozenset(France(subdiv=region, years=years, categories=("public",)))  # type: ignore[no-untyped-call]


@lru_cache(maxsize=64)
def library_calendar(zone: str, region: str | None) -> Calendar:
    """The calendar of a zone, with the public holidays of a region."""
    return calendar_of(f"zone {zone}", periods_of(zone), public_days(region), PUBLISHED_UNTIL)
