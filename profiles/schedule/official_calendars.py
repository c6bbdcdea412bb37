"""Official calendars shipped with the server: school holidays of zones A, B, C and public holidays, from the library `holidays`.

The library computes school holidays by rules, also for years that are not published yet. So its dates are used only up to
`PUBLISHED_UNTIL`, and `_PUBLISHED` corrects the dates that differ from what the ministry published.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache

from holidays.countries.france import France

from enrollment.places.zones import HolidayZone, get_zone_facts
from profiles.schedule.calendar import Calendar, HolidayPeriod, build_calendar

#: The zones whose school holidays the library knows. Of the others the ministry's file must be imported.
KNOWN_ZONES = (HolidayZone.A, HolidayZone.B, HolidayZone.C)
FIRST_YEAR = 2024
#: End of the last school year that the ministry had published at this release of the library: 2027-2028.
PUBLISHED_UNTIL = date(2028, 8, 31)
_BRIDGE, _SUMMER = "Pont de l'Ascension", "Vacances d'été"
#: Published national dates that differ from the library's rules. None: not national, a town enters it as a day exception.
_PUBLISHED: dict[tuple[str, int], tuple[date, date] | None] = {
    (_BRIDGE, 2026): None,
    (_SUMMER, 2027): (date(2027, 7, 3), date(2027, 8, 31)),
    (_SUMMER, 2028): (date(2028, 7, 4), date(2028, 8, 31)),
}
#: Departments with public holidays of their own, by the first three digits of the school code (UAI).
_REGIONS = {
    "057": "57", "067": "6AE", "068": "6AE", "971": "971", "972": "972", "973": "973", "974": "974", "976": "976",
    "975": "PM", "977": "BL", "978": "MF", "983": "NC", "984": "PF", "986": "WF",
}  # fmt: skip


def get_region(uai: str) -> str | None:
    """Return the library's name of the region whose public holidays a school has; None for the national ones."""
    return _REGIONS.get(uai[:3])


@lru_cache(maxsize=8)
def list_zone_periods(zone: HolidayZone) -> tuple[HolidayPeriod, ...]:
    """Return the school holidays of zone A, B or C; none for another zone."""
    if zone not in KNOWN_ZONES:
        return ()
    years = range(FIRST_YEAR, PUBLISHED_UNTIL.year + 1)
    names_by_day = France(subdiv=f"Zone {zone}", years=years, categories=("school",), language="fr")  # type: ignore[no-untyped-call]
    computed: list[HolidayPeriod] = []
    for day in sorted(names_by_day):
        name = names_by_day[day]
        if computed and computed[-1].name == name and computed[-1].last + timedelta(days=1) == day:
            computed[-1] = HolidayPeriod(computed[-1].first, day, name)
        else:
            computed.append(HolidayPeriod(day, day, name))
    published = (_apply_published_dates(period) for period in computed if period.first <= PUBLISHED_UNTIL)
    return tuple(period for period in published if period is not None)


def _apply_published_dates(period: HolidayPeriod) -> HolidayPeriod | None:
    key = (period.name, period.first.year)
    if key not in _PUBLISHED:
        return period
    dates = _PUBLISHED[key]
    return HolidayPeriod(*dates, period.name) if dates else None


@lru_cache(maxsize=32)
def list_public_holidays(region: str | None) -> frozenset[date]:
    """Return the public holidays of a region. They are computed, so they also exist after `PUBLISHED_UNTIL`."""
    years = range(FIRST_YEAR, PUBLISHED_UNTIL.year + 6)
    return frozenset(France(subdiv=region, years=years, categories=("public",)))  # type: ignore[no-untyped-call]


@lru_cache(maxsize=64)
def get_official_calendar(zone: HolidayZone, region: str | None) -> Calendar:
    """Return the calendar of a zone, with the public holidays of a region, else of the zone.

    Of a zone that the library does not know it has public holidays only, and no date until which school holidays are known.
    """
    known_until = PUBLISHED_UNTIL if zone in KNOWN_ZONES else None
    public_holidays = list_public_holidays(region or get_zone_facts(zone).region)
    return build_calendar(f"zone {zone}", list_zone_periods(zone), public_holidays, known_until)
