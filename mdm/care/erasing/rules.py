"""Pure rules of erasing: the stages of a bulk erase."""

from __future__ import annotations

from datetime import timedelta

#: How many tablets the first stages have; the last one has the rest. A mistake is seen on few tablets.
STAGE_SIZES = (10, 100)
STAGE_INTERVAL = timedelta(minutes=15)


def count_next_stage(decided: int, remaining: int) -> int:
    """Return how many tablets the next stage has, after `decided` of them and with `remaining` left."""
    end = 0
    for size in STAGE_SIZES:
        end += size
        if decided < end:
            return min(end - decided, remaining)
    return remaining
