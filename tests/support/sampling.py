"""Which cases of an exhaustive test are tried: a share that changes daily, so that `make test` stays short, or all (`make test-all`)."""

from __future__ import annotations

import os
from datetime import UTC, datetime

EVERY_CASE_VARIABLE, DAY_VARIABLE = "TEST_EVERY_CASE", "TEST_DAY"


def fix_day() -> None:
    """Choose the day of this session, which its processes inherit: all of them try the same cases."""
    os.environ.setdefault(DAY_VARIABLE, str(datetime.now(UTC).date().toordinal()))


def describe_share() -> str:
    """Return what a reader of a failure needs to try the same cases again."""
    if tries_every_case():
        return "cases: all"
    return f"cases: a share that changes daily; again with {DAY_VARIABLE}={os.environ[DAY_VARIABLE]}, all of them with `make test-all`"


def tries_every_case() -> bool:
    """Return whether the session leaves nothing out."""
    return bool(os.environ.get(EVERY_CASE_VARIABLE))


def is_turn(number: int, days: int) -> bool:
    """Return whether the case of this number is tried today. Each is within so many days."""
    return tries_every_case() or (number + int(os.environ[DAY_VARIABLE])) % days == 0


def count_examples(number: int) -> int:
    """Return how many generated examples are tried: all of `number`, or a quarter, other ones in each session."""
    return number if tries_every_case() else max(1, number // 4)
