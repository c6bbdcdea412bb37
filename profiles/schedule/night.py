"""Night rest: the hours in which a tablet is a calm locked screen. May cross midnight; bands may not."""

from __future__ import annotations

from dataclasses import dataclass

from profiles.schedule.timetable import MIDNIGHT, BadTimetable, clock


@dataclass(frozen=True, slots=True)
class Night:
    """From `starts` in the evening to before `ends`, in minutes after local midnight; crosses midnight when `ends <= starts`."""

    starts: int
    ends: int

    def of_evening(self) -> tuple[int, int]:
        """The window that begins on an evening, in minutes after that day's midnight; it may end on the next day."""
        return self.starts, self.ends + (MIDNIGHT if self.ends <= self.starts else 0)

    @property
    def minutes(self) -> int:
        """How long it is."""
        starts, ends = self.of_evening()
        return ends - starts


#: The ministry's evening pause of school platforms since 2025 (schools.md section 5).
DEFAULT_NIGHT = Night(20 * 60, 7 * 60)
LONGEST = 16 * 60


def read_night(starts: object, ends: object) -> Night:
    """A night from two `HH:MM`. Raises `BadTimetable`: `not_a_time`, `empty`, `too_long`."""
    night = Night(clock(starts, "from") % MIDNIGHT, clock(ends, "to") % MIDNIGHT)
    if night.starts == night.ends:
        raise BadTimetable("to", "empty")
    if night.minutes > LONGEST:
        raise BadTimetable("to", "too_long")
    return night
