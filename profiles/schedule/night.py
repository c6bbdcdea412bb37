"""Night rest: the hours at night in which the tablet shows a locked screen. It may cross midnight; bands may not.

See docs/domain/modes.md#modes.
"""

from __future__ import annotations

from dataclasses import dataclass

from profiles.schedule.timetable import MIDNIGHT, TimetableFormatError, parse_clock


@dataclass(frozen=True, slots=True)
class Night:
    """Night rest from `starts` in the evening to before `ends`, in minutes after local midnight.

    It crosses midnight when `ends <= starts`.
    """

    starts: int
    ends: int

    def get_window(self) -> tuple[int, int]:
        """Return start and end of the night that begins on an evening, in minutes after that day's midnight.

        The end is greater than `MIDNIGHT` when the night ends on the next day.
        """
        return self.starts, self.ends + (MIDNIGHT if self.ends <= self.starts else 0)

    @property
    def duration_minutes(self) -> int:
        """The length of the night."""
        starts, ends = self.get_window()
        return ends - starts


#: The ministry's evening pause of school platforms since 2025.
DEFAULT_NIGHT = Night(20 * 60, 7 * 60)
LONGEST_NIGHT_MINUTES = 16 * 60


def parse_night(starts: object, ends: object) -> Night:
    """Parse a night from two texts `HH:MM`. Raises `TimetableFormatError`: `not_a_time`, `empty`, `too_long`."""
    night = Night(parse_clock(starts, "from") % MIDNIGHT, parse_clock(ends, "to") % MIDNIGHT)
    if night.starts == night.ends:
        raise TimetableFormatError("to", "empty")
    if night.duration_minutes > LONGEST_NIGHT_MINUTES:
        raise TimetableFormatError("to", "too_long")
    return night
