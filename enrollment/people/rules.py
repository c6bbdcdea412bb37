"""Pure rules of people: whether an assignment is active on a day, and when a pupil who left the roster must return the tablet."""

from __future__ import annotations

from datetime import date, timedelta

from enrollment.people.models import TeacherAssignment

#: How long a pupil whom the last roster no longer lists keeps class, tablet and mode.
ABSENCE_GRACE_PERIOD = timedelta(days=30)
#: A longer replacement must be in the school's roster.
MAX_SUBSTITUTE_DURATION = timedelta(days=92)


def is_tablet_due_back(absent_since: date, today: date) -> bool:
    """Return whether the grace period is over. Nothing happens automatically then: the school asks for the tablet."""
    return today - absent_since > ABSENCE_GRACE_PERIOD


def is_active_on(assignment: TeacherAssignment, day: date) -> bool:
    """Return whether an assignment is active on a day; its last day is included."""
    return assignment.starts_on <= day and (assignment.ends_on is None or day <= assignment.ends_on)
