"""The pictures of the first page, as numbers for the template: the day's modes of a place, and the fleet over time. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mdm.care.today.models import FleetDay
from profiles.schedule.local_time import to_local_day
from profiles.schedule.modes import Mode
from profiles.schedule.place_schedule import DaySegment, Schedule

#: Height of the picture of the fleet; its width is 100.
HEIGHT = 30


@dataclass(frozen=True, slots=True)
class RibbonPart:
    """A part of a day: its mode, from where and how wide in hundredths of the day, and its hours as text."""

    mode: Mode
    left: float
    width: float
    hours: str


@dataclass(frozen=True, slots=True)
class DayRibbon:
    """The modes of a place from midnight to midnight, and where now is in hundredths of the day."""

    place: str
    blocks: tuple[RibbonPart, ...]
    now: float
    present: Mode


@dataclass(frozen=True, slots=True)
class FleetPicture:
    """Lines of a picture 100 wide and `HEIGHT` high, each as the points of an SVG polyline, and the figures of the newest day."""

    lines: tuple[tuple[str, str], ...]
    first: FleetDay
    newest: FleetDay


def draw_ribbon(schedule: Schedule, at: datetime) -> DayRibbon:
    """Return the ribbon of the local day of an instant: exceptions, holidays, evaluations and the night included."""
    segments = schedule.get_segments(to_local_day(at, schedule.zone))
    starts, ends = segments[0].starts, segments[-1].ends
    length = (ends - starts).total_seconds()
    blocks: list[RibbonPart] = []
    for segment in segments:
        left, width = (segment.starts - starts).total_seconds(), (segment.ends - segment.starts).total_seconds()
        hours = f"{segment.starts.astimezone(schedule.zone):%H:%M}-{segment.ends.astimezone(schedule.zone):%H:%M}"
        blocks.append(RibbonPart(_get_mode(segment), round(left * 100 / length, 2), round(width * 100 / length, 2), hours))
    now = round((at - starts).total_seconds() * 100 / length, 2)
    return DayRibbon(schedule.place, tuple(blocks), now, _get_mode(schedule.get_segment_at(at)))


def draw_fleet(days: Sequence[FleetDay]) -> FleetPicture | None:
    """Return the picture of the days on which tablets were counted; None for fewer than two."""
    if len(days) < 2:
        return None
    top = max(1, *(day.in_use for day in days))
    first, span = days[0].day, max(1, (days[-1].day - days[0].day).days)
    lines = []
    for name in ("in_use", "seen", "complete"):
        points = (
            f"{(day.day - first).days * 100 / span:.1f},{HEIGHT - getattr(day, name) * (HEIGHT - 1) / top:.1f}" for day in days
        )
        lines.append((name, " ".join(points)))
    return FleetPicture(tuple(lines), days[0], days[-1])


def _get_mode(segment: DaySegment) -> Mode:
    """Return the mode of children who go to everything that is open. The night begins where no band is open."""
    return segment.band_mode or (Mode.NIGHT_REST if segment.is_night else segment.base_mode)
