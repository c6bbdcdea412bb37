"""Pure rules of people: who is with a class on a day, when a pupil whom no roster names is asked for the tablet."""

from __future__ import annotations

from datetime import date, timedelta

from enrollment.people.models import TeacherAssignment

#: A pupil whom the last roster no longer names keeps class, tablet and mode for so long (schools.md section 7.5).
ABSENT_FOR = timedelta(days=30)
#: A replacement that lasts longer stands in the school's roster.
LONGEST_SUBSTITUTE = timedelta(days=92)


def is_due_back(absent_since: date, today: date) -> bool:
    """Whether the month is over. Nothing happens by itself then: the school asks for the tablet."""
    return today - absent_since > ABSENT_FOR


def holds_on(assignment: TeacherAssignment, day: date) -> bool:
    """Whether an adult has this place on a day of the school; the last day counts until its midnight."""
    return assignment.starts_on <= day and (assignment.ends_on is None or day <= assignment.ends_on)
