"""Holiday zones of French schools, with the time zone and the public holidays of each. Pure.

See docs/domain/modes.md#calendar.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from zoneinfo import available_timezones

PARIS = "Europe/Paris"


class HolidayZone(StrEnum):
    """Where school holidays are equal: the zones of mainland France, and the places with a calendar of their own."""

    A = "A"
    B = "B"
    C = "C"
    CORSE = "corse"
    GUADELOUPE = "guadeloupe"
    GUYANE = "guyane"
    MARTINIQUE = "martinique"
    MAYOTTE = "mayotte"
    NOUVELLE_CALEDONIE = "nouvelle-caledonie"
    POLYNESIE = "polynesie"
    REUNION = "reunion"
    SAINT_PIERRE_ET_MIQUELON = "saint-pierre-et-miquelon"
    WALLIS_ET_FUTUNA = "wallis-et-futuna"


@dataclass(frozen=True, slots=True)
class ZoneFacts:
    """The time zone of a holiday zone, and its region in the library of public holidays; None for the national ones."""

    time_zone: str = PARIS
    region: str | None = None


_FACTS = {
    HolidayZone.GUADELOUPE: ZoneFacts("America/Guadeloupe", "971"),
    HolidayZone.GUYANE: ZoneFacts("America/Cayenne", "973"),
    HolidayZone.MARTINIQUE: ZoneFacts("America/Martinique", "972"),
    HolidayZone.MAYOTTE: ZoneFacts("Indian/Mayotte", "976"),
    HolidayZone.NOUVELLE_CALEDONIE: ZoneFacts("Pacific/Noumea", "NC"),
    HolidayZone.POLYNESIE: ZoneFacts("Pacific/Tahiti", "PF"),
    HolidayZone.REUNION: ZoneFacts("Indian/Reunion", "974"),
    HolidayZone.SAINT_PIERRE_ET_MIQUELON: ZoneFacts("America/Miquelon", "PM"),
    HolidayZone.WALLIS_ET_FUTUNA: ZoneFacts("Pacific/Wallis", "WF"),
}


def get_zone_facts(zone: HolidayZone) -> ZoneFacts:
    """Return time zone and region of a holiday zone."""
    return _FACTS.get(zone, ZoneFacts())


def is_time_zone(name: str) -> bool:
    """Return whether a name is a time zone of the world, such as `Indian/Reunion`."""
    return "/" in name and name in available_timezones()
