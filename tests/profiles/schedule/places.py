"""Schools with the rhythms of schools.md section 4.6, for tests of modes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from profiles.schedule.night import DEFAULT_NIGHT
from profiles.schedule.official_calendars import library_calendar
from profiles.schedule.place_schedule import Rhythm
from profiles.schedule.timetable import Week, read_week

PARIS = ZoneInfo("Europe/Paris")
_DAY = [
    {"kind": "after_school", "from": "07:30", "to": "08:20", "label": "accueil du matin"},
    {"kind": "school", "from": "08:20", "to": "11:30"},
    {"kind": "after_school", "from": "11:30", "to": "13:20"},
    {"kind": "school", "from": "13:20", "to": "16:30"},
    {"kind": "after_school", "from": "16:30", "to": "18:30"},
]
FOUR_DAYS_JSON: dict[str, list[dict[str, str]]] = {
    **dict.fromkeys(("mon", "tue", "thu", "fri"), _DAY),
    "wed": [{"kind": "after_school", "from": "07:30", "to": "18:30", "label": "centre de loisirs"}],
}
FOUR_DAYS: Week = read_week(FOUR_DAYS_JSON)


def rhythm(**changes: Any) -> Rhythm:
    """A four-day school in zone C, in Paris, with night rest from 20:00 to 07:00."""
    usual: dict[str, Any] = {
        "place": "Jules-Verne",
        "zone": PARIS,
        "week": FOUR_DAYS,
        "calendar": library_calendar("C", None),
        "night": DEFAULT_NIGHT,
    }
    return Rhythm(**{**usual, **changes})


def paris(text: str) -> datetime:
    """The instant at which clocks in Paris first show `text`."""
    return datetime.fromisoformat(text).replace(tzinfo=PARIS).astimezone(UTC)
