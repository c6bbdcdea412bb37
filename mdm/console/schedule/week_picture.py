"""The picture of a week: for each day where its bands and the night lie, as percentages of the hours that are shown. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from profiles.schedule.modes import Mode
from profiles.schedule.night import Night
from profiles.schedule.timetable import DAYS, MIDNIGHT, Week, format_clock


@dataclass(frozen=True, slots=True)
class Block:
    """A part of a day in the picture: its mode, from where and how wide in hundredths of the day, and the hours as text."""

    mode: Mode
    left: float
    width: float
    hours: str


@dataclass(frozen=True, slots=True)
class DayPicture:
    """The blocks of a day, by time. What lies between them is home."""

    day: str
    blocks: tuple[Block, ...]


def draw_week(week: Week, night: Night | None) -> list[DayPicture]:
    """Return the picture of a week, Monday first. The night is drawn where no band is open."""
    return [
        DayPicture(day, tuple(sorted((*_draw_night(night), *_draw_bands(week, index)), key=lambda block: block.left)))
        for index, day in enumerate(DAYS)
    ]


def _draw_bands(week: Week, index: int) -> list[Block]:
    return [_draw(band.kind.mode, band.starts, band.ends) for band in week.days[index]]


def _draw_night(night: Night | None) -> list[Block]:
    if night is None:
        return []
    starts, ends = night.get_window()
    if ends <= MIDNIGHT:
        return [_draw(Mode.NIGHT_REST, starts, ends)]
    return [_draw(Mode.NIGHT_REST, 0, ends - MIDNIGHT), _draw(Mode.NIGHT_REST, starts, MIDNIGHT)]


def _draw(mode: Mode, starts: int, ends: int) -> Block:
    share = 100 / MIDNIGHT
    return Block(
        mode, round(starts * share, 2), round((ends - starts) * share, 2), f"{format_clock(starts)}-{format_clock(ends)}"
    )
