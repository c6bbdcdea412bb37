"""Pure rules of the passage: what follows a level, what is decided unless a head says otherwise, when it may be applied."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from enrollment.people.models import PupilState
from enrollment.places.models import Level
from enrollment.years.models import Decision

_ULIS = re.compile(r"\bULIS\b")


def after(level: Level, decision: Decision) -> Level:
    """The level of next year. Nobody goes beyond CM2: who leaves keeps the last level."""
    step = {Decision.PROMOTED: 1, Decision.SKIPPING: 2}.get(decision, 0)
    return list(Level)[min(level.rank + step, Level.CM2.rank)]


def usual(level: Level, state: PupilState) -> Decision:
    """What becomes of a pupil of whom nobody says anything. A pupil of the ULIS goes by age like any other."""
    if state is not PupilState.ACTIVE:
        return Decision.ABSENT
    return Decision.LEAVER if level is Level.CM2 else Decision.PROMOTED


def is_ulis(class_label_key: str | None) -> bool:
    """Whether a class label names the support unit: the head places these pupils by hand."""
    return bool(class_label_key and _ULIS.search(class_label_key.upper()))


def next_year(year: str) -> str:
    """`2026-2027` → `2027-2028`."""
    return f"{int(year[:4]) + 1}-{int(year[:4]) + 2}"


def may_apply_from(to_year: str, time_zone: str) -> datetime:
    """The instant at which the new year begins in a town: 1 September, midnight there."""
    return datetime.combine(date(int(to_year[:4]), 9, 1), time(), ZoneInfo(time_zone)).astimezone(UTC)
