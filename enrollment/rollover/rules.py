"""Pure rules of the rollover: the grade that follows, the decision by default, and the dates of the school year."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from enrollment.people.models import PupilState
from enrollment.places.models import Grade
from enrollment.places.rules import get_first_day_of_year
from enrollment.rollover.models import RolloverDecision

_ULIS = re.compile(r"\bULIS\b")
#: The decisions that a person may choose. The others are set by rosters.
SELECTABLE_DECISIONS = frozenset(
    {RolloverDecision.PROMOTED, RolloverDecision.RETAINED, RolloverDecision.SKIPPING, RolloverDecision.LEAVER}
)
#: Pupils with these decisions are not changed by the rollover.
UNMOVED_DECISIONS = frozenset({RolloverDecision.ABSENT, RolloverDecision.ARRIVED})
_STEPS = {RolloverDecision.PROMOTED: 1, RolloverDecision.SKIPPING: 2}


def get_grade_after(grade: Grade, decision: RolloverDecision) -> Grade:
    """Return the grade of the next year. The last one is CM2: a leaver keeps it."""
    return list(Grade)[min(grade.rank + _STEPS.get(decision, 0), Grade.CM2.rank)]


def get_default_decision(grade: Grade, state: PupilState) -> RolloverDecision:
    """Return the decision for a pupil about whom nobody has decided. Pupils of the ULIS unit are promoted by age like all others."""
    if state is not PupilState.ACTIVE:
        return RolloverDecision.ABSENT
    return RolloverDecision.LEAVER if grade is Grade.CM2 else RolloverDecision.PROMOTED


def resolve_decision(grade: Grade, state: PupilState, proposed: RolloverDecision | None) -> RolloverDecision:
    """Return the decision for a pupil about whom only a roster may have proposed one. A proposal beyond CM2 makes a leaver."""
    default = get_default_decision(grade, state)
    if proposed is None or default is RolloverDecision.ABSENT:
        return default
    return RolloverDecision.LEAVER if grade.rank + _STEPS.get(proposed, 0) > Grade.CM2.rank else proposed


def derive_decision(before: Grade, after: Grade) -> RolloverDecision:
    """Return the decision that a roster of the incoming year implies by its grade. Any other step counts as a promotion."""
    return {0: RolloverDecision.RETAINED, 2: RolloverDecision.SKIPPING}.get(after.rank - before.rank, RolloverDecision.PROMOTED)


def is_ulis(class_label_key: str | None) -> bool:
    """Return whether a class label names the ULIS support unit, whose pupils the head places by hand."""
    return bool(class_label_key and _ULIS.search(class_label_key.upper()))


def compute_applicable_from(to_year: str, time_zone: str) -> datetime:
    """Return the instant from which a rollover can be applied: midnight of 1 September in the town's time zone."""
    return datetime.combine(get_first_day_of_year(to_year), time(), ZoneInfo(time_zone)).astimezone(UTC)


def compute_leaving_date(to_year: str) -> date:
    """Return the day from which a leaver is absent, the last one of the year they finished. Retention counts from it."""
    return get_first_day_of_year(to_year) - timedelta(days=1)


def get_default_freeze_date(to_year: str) -> date:
    """Return 3 July, from which no roster removes anybody unless the town sets another day."""
    return date(int(to_year[:4]), 7, 3)


def get_ending_school_year(today: date) -> str:
    """Return the school year whose rollover a day belongs to: the one that ends in the calendar year of that day."""
    start = today.year - 1
    return f"{start}-{start + 1}"


def is_in_season(to_year: str, today: date) -> bool:
    """Return whether a rollover into a year may be drafted: in the year before it, and until the end of October.

    One of an earlier year would be in force at once.
    """
    start = int(to_year[:4])
    return date(start - 1, 9, 1) <= today <= date(start, 10, 31)


def is_return_day(to_year: str, day: date) -> bool:
    """Return whether leavers may be asked for their tablets on a day: from May to October."""
    return date(int(to_year[:4]), 5, 1) <= day <= date(int(to_year[:4]), 10, 31)
