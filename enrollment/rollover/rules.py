"""Pure rules of the passage: what follows a level, what is decided unless a head says otherwise, when what may happen."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from enrollment.people.models import PupilState
from enrollment.places.models import Level
from enrollment.rollover.models import Decision

_ULIS = re.compile(r"\bULIS\b")
#: What a person may say of a pupil. The others are facts of rosters.
SAID = frozenset({Decision.PROMOTED, Decision.RETAINED, Decision.SKIPPING, Decision.LEAVER})
#: These pupils are not moved by the passage.
STAYS = frozenset({Decision.ABSENT, Decision.ARRIVED})
_STEPS = {Decision.PROMOTED: 1, Decision.SKIPPING: 2}


def after(level: Level, decision: Decision) -> Level:
    """The level of next year. Nobody goes beyond CM2: who leaves keeps the last level."""
    return list(Level)[min(level.rank + _STEPS.get(decision, 0), Level.CM2.rank)]


def usual(level: Level, state: PupilState) -> Decision:
    """What becomes of a pupil of whom nobody says anything. A pupil of the ULIS goes by age like any other."""
    if state is not PupilState.ACTIVE:
        return Decision.ABSENT
    return Decision.LEAVER if level is Level.CM2 else Decision.PROMOTED


def decided(level: Level, state: PupilState, proposed: Decision | None) -> Decision:
    """What becomes of a pupil of whom a roster at most has proposed something. Whom it would lead beyond CM2 leaves."""
    default = usual(level, state)
    if proposed is None or default is Decision.ABSENT:
        return default
    return Decision.LEAVER if level.rank + _STEPS.get(proposed, 0) > Level.CM2.rank else proposed


def between(before: Level, level: Level) -> Decision:
    """What a roster of the coming year has decided by naming a level. One that goes back or leaps is kept at its word."""
    return {0: Decision.RETAINED, 2: Decision.SKIPPING}.get(level.rank - before.rank, Decision.PROMOTED)


def is_ulis(class_label_key: str | None) -> bool:
    """Whether a class label names the support unit: the head places these pupils by hand."""
    return bool(class_label_key and _ULIS.search(class_label_key.upper()))


def next_year(year: str) -> str:
    """`2026-2027` → `2027-2028`."""
    return f"{int(year[:4]) + 1}-{int(year[:4]) + 2}"


def may_apply_from(to_year: str, time_zone: str) -> datetime:
    """The instant at which the new year begins in a town: 1 September, midnight there."""
    return datetime.combine(first_day(to_year), time(), ZoneInfo(time_zone)).astimezone(UTC)


def first_day(year: str) -> date:
    """1 September of a school year: levels change on that day."""
    return date(int(year[:4]), 9, 1)


def left_on(to_year: str) -> date:
    """The day of which a leaver is absent: the last one of the year that they finished, from which retention counts."""
    return first_day(to_year) - timedelta(days=1)


def usual_freeze(to_year: str) -> date:
    """3 July: from then on no roster takes anybody away (schools.md section 18). A town may choose another day."""
    return date(int(to_year[:4]), 7, 3)


def turning(today: date) -> str:
    """The school year whose end is nearest: the passage that a day in July, August or September belongs to."""
    start = today.year - 1
    return f"{start}-{start + 1}"
