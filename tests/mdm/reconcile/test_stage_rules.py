"""What tablets prove of a version: a contact after the confirmation, and what a stage of them makes of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mdm.reconcile.stage_rules import StageOutcome, StageTablet, StageTabletState, classify_tablet, judge_stage

BEGAN = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def at(minutes: float | None) -> datetime | None:
    return None if minutes is None else BEGAN + timedelta(minutes=minutes)


def tablet(seen: float | None, confirmed: float | None = None, *, failed: bool = False) -> StageTablet:
    """A tablet with its last contact and confirmation, in minutes from the beginning of the stage."""
    return StageTablet(at(seen), at(confirmed), failed)


@pytest.mark.parametrize(
    ("described", "after", "state"),
    [
        (tablet(None), 10, StageTabletState.AWAY),
        (tablet(-600), 10, StageTabletState.AWAY),
        (tablet(-5), 10, StageTabletState.WAITING),
        (tablet(-5), 121, StageTabletState.SILENT),
        (tablet(2), 10, StageTabletState.APPLYING),
        (tablet(2), 50, StageTabletState.SILENT),
        (tablet(2, 2), 10, StageTabletState.CONFIRMED),  # the confirmation itself proves nothing
        (tablet(2.5, 2), 10, StageTabletState.CONFIRMED),
        (tablet(3, 2), 10, StageTabletState.PROVED),
        (tablet(3, 2), 500, StageTabletState.PROVED),
        (tablet(2, 2), 50, StageTabletState.SILENT),
        (tablet(0.5, -500), 10, StageTabletState.CONFIRMED),  # nothing changed for it: it still has to be heard of
        (tablet(1, -500), 10, StageTabletState.PROVED),
        (tablet(3, 2, failed=True), 10, StageTabletState.FAILED),
    ],
)
def test_how_far_a_tablet_is(described: StageTablet, after: int, state: StageTabletState) -> None:
    assert classify_tablet(described, BEGAN, BEGAN + timedelta(minutes=after)) is state


PROVED, CONFIRMED, AWAY, FAILED = tablet(3, 2), tablet(2, 2), tablet(None), tablet(3, failed=True)


@pytest.mark.parametrize(
    ("tablets", "after", "outcome"),
    [
        ([PROVED], 10, StageOutcome.PROVED),
        ([CONFIRMED], 10, StageOutcome.WAITS),
        ([CONFIRMED], 50, StageOutcome.STOPS),  # a single one that falls silent is no success
        ([AWAY], 60, StageOutcome.WAITS),
        ([AWAY], 24 * 60, StageOutcome.STALLED),
        ([], 10, StageOutcome.WAITS),
        ([FAILED], 10, StageOutcome.STOPS),
        ([PROVED] * 24 + [FAILED], 10, StageOutcome.STOPS),
        ([PROVED] * 99 + [FAILED], 10, StageOutcome.PROVED),
        ([PROVED] * 20 + [CONFIRMED] * 4, 10, StageOutcome.PROVED),
        ([PROVED] * 4 + [CONFIRMED] * 20, 10, StageOutcome.WAITS),
        ([PROVED] * 4 + [AWAY] * 20, 10, StageOutcome.PROVED),
        ([PROVED] * 23 + [CONFIRMED] * 2, 50, StageOutcome.STOPS),
        ([PROVED] * 24 + [CONFIRMED], 50, StageOutcome.PROVED),  # one may have been switched off
        ([PROVED, CONFIRMED], 50, StageOutcome.WAITS),
        ([CONFIRMED, CONFIRMED], 50, StageOutcome.STOPS),
    ],
)
def test_what_a_stage_proves(tablets: list[StageTablet], after: int, outcome: StageOutcome) -> None:
    assert judge_stage(tablets, BEGAN, BEGAN + timedelta(minutes=after)).outcome is outcome


def test_a_stage_that_stops_says_why() -> None:
    progress = judge_stage([PROVED, FAILED], BEGAN, BEGAN + timedelta(minutes=5))
    assert progress.problem == "1 of 2 tablets could not apply it"
    progress = judge_stage([CONFIRMED, CONFIRMED], BEGAN, BEGAN + timedelta(hours=3))
    assert progress.problem == "2 of 2 tablets are out of contact since"
