"""What the tablets of a stage prove of a version that is rolled out, and what becomes of the roll-out. Pure.

Confirmed is not proved: rules that cut a tablet off are confirmed by the tablet just before it falls silent. A tablet proves a
version when it is in contact again some time after it has confirmed it. See docs/domain/policy.md#stages.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

#: How long after the confirmation a contact must be to prove that the tablet hears the server under the new rules.
SETTLING_TIME = timedelta(minutes=1)
#: A tablet that was in contact within `SEEN_WITHIN` before the change counts as silent when it is not for `SILENT_AFTER`.
SEEN_WITHIN, SILENT_AFTER = timedelta(minutes=30), timedelta(hours=2)
#: A tablet that has fetched the new rules is asked to check in; after this time without contact it counts as silent.
SILENT_UNDER_NEW_RULES = timedelta(minutes=45)
#: How many tablets of a stage may fail: the larger of a count and a share.
MAX_FAILURES, MAX_FAILURE_SHARE = 0, 0.02
#: The share of the tablets in contact that must prove a version; the others may be switched off.
PROVING_SHARE = 0.8
#: After this time a stage that is not proved is shown as stalled.
STALLED_AFTER = timedelta(hours=24)


class StageTabletState(StrEnum):
    """How far a tablet of a stage is."""

    AWAY = "away"  # no contact since the stage began, and none shortly before
    WAITING = "waiting"  # in contact shortly before the stage began, not yet since
    APPLYING = "applying"
    CONFIRMED = "confirmed"  # it has the new rules; whether it hears the server under them is not known
    PROVED = "proved"
    SILENT = "silent"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class StageTablet:
    """What is known of one tablet of a stage. `confirmed_at`: since when it has confirmed all that it should have now."""

    last_seen_at: datetime | None
    confirmed_at: datetime | None
    has_failed: bool


def classify_tablet(tablet: StageTablet, began_at: datetime, now: datetime) -> StageTabletState:
    """Return how far a tablet is in a stage that began at an instant."""
    if tablet.has_failed:
        return StageTabletState.FAILED
    last_seen_at = tablet.last_seen_at
    if last_seen_at is None or last_seen_at < began_at:
        if last_seen_at is None or last_seen_at <= began_at - SEEN_WITHIN:
            return StageTabletState.AWAY
        return StageTabletState.SILENT if now - began_at >= SILENT_AFTER else StageTabletState.WAITING
    if tablet.confirmed_at is not None and last_seen_at >= max(tablet.confirmed_at, began_at) + SETTLING_TIME:
        return StageTabletState.PROVED
    if now - last_seen_at >= SILENT_UNDER_NEW_RULES:
        return StageTabletState.SILENT
    return StageTabletState.APPLYING if tablet.confirmed_at is None else StageTabletState.CONFIRMED


class StageOutcome(StrEnum):
    """What becomes of a roll-out at its present stage."""

    WAITS = "waits"
    STALLED = "stalled"  # it waits for longer than a day: a person should look
    PROVED = "proved"
    STOPS = "stops"


@dataclass(frozen=True, slots=True)
class StageProgress:
    """The tablets of a stage by how far they are, and what becomes of the roll-out; `problem` says why it stops."""

    tablets: Counter[StageTabletState]
    outcome: StageOutcome
    problem: str | None = None


def judge_stage(tablets: Iterable[StageTablet], began_at: datetime, now: datetime) -> StageProgress:
    """Return what the tablets of a stage prove together.

    A stage of one tablet that falls silent stops. In a larger stage a few may: they may have been switched off.
    """
    counts = Counter(classify_tablet(tablet, began_at, now) for tablet in tablets)
    total = counts.total()
    failed, silent = counts[StageTabletState.FAILED], counts[StageTabletState.SILENT]
    allowed = max(MAX_FAILURES, int(total * MAX_FAILURE_SHARE))
    if failed > allowed:
        return StageProgress(counts, StageOutcome.STOPS, f"{failed} of {total} tablets could not apply it")
    if silent and silent > min(max(1, allowed), total - 1):
        return StageProgress(counts, StageOutcome.STOPS, f"{silent} of {total} tablets are out of contact since")
    in_contact = total - counts[StageTabletState.AWAY]
    if in_contact and counts[StageTabletState.PROVED] >= max(1, math.ceil(in_contact * PROVING_SHARE)):
        return StageProgress(counts, StageOutcome.PROVED)
    is_stalled = now - began_at >= STALLED_AFTER
    return StageProgress(counts, StageOutcome.STALLED if is_stalled else StageOutcome.WAITS)
