"""Builds the schedule of a typical French school, for tests of modes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from profiles.schedule.night import DEFAULT_NIGHT
from profiles.schedule.official_calendars import get_official_calendar
from profiles.schedule.place_schedule import Schedule
from profiles.schedule.timetable import Week, parse_week

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
FOUR_DAYS: Week = parse_week(FOUR_DAYS_JSON)


def build_schedule(**changes: Any) -> Schedule:
    """Build the schedule of a four-day school in zone C, in Paris, with night rest from 20:00 to 07:00."""
    defaults: dict[str, Any] = {
        "place": "Jules-Verne",
        "zone": PARIS,
        "week": FOUR_DAYS,
        "calendar": get_official_calendar("C", None),
        "night": DEFAULT_NIGHT,
    }
    return Schedule(**{**defaults, **changes})


def paris_time(text: str) -> datetime:
    """Return the instant at which clocks in Paris first show `text`."""
    return datetime.fromisoformat(text).replace(tzinfo=PARIS).astimezone(UTC)
