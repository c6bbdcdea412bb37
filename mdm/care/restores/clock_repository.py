"""Corrects what was stored while the clock was ahead, once it has come back: waits would last until the wrong time is reached.

Changes no history, no date of validity, and nothing that people have planned.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import update
from sqlalchemy.orm import Session

from cartable.database import Base

#: A jump is noticed within half a minute; what was stored before that is corrected too.
NOTICED_WITHIN = timedelta(minutes=5)
#: By table, the instants that let something wait, and those with which waits are counted. None of them may be later than now for long.
CORRECTED_COLUMNS: dict[str, tuple[str, ...]] = {
    "outbox": ("not_before", "lease_until"),
    "scheduled_job": ("next_run_at", "lease_until"),
    "named_lease": ("expires_at",),
    "push_sender": ("test_at", "window_started_at", "refusals_trusted_until"),
    "push_target": ("updated_at", "pushed_at"),
    "command": ("not_before", "sent_at"),
    "device_enrollment": ("refreshed_at",),
    "last_seen": ("last_seen_at",),
    "declarative_state": ("published_at", "served_at", "status_since", "reported_at", "next_check_at"),
    "tablet_profile": ("next_attempt_at", "changed_at"),
    "profile_trial": ("installed_at", "changed_at", "next_check_at"),
    "tablet_app": ("changed_at", "configuration_next_at"),
    "identity_renewal": ("started_at", "ordered_at", "next_at"),
    "lost_case": ("requested_at", "lift_requested_at", "next_attempt_at"),
    "tablet_mode": ("since", "next_evaluation_at", "mode_only_until"),
    "notice": ("due_at",),
    "ade_server": ("lease_until", "paused_until"),
}


def correct_waits(session: Session, noticed_at: datetime, now: datetime) -> int:
    """Set the instants that were stored with the time of a clock that was ahead to `now`. Returns how many rows were changed.

    `noticed_at`: what the wrong clock showed when it was noticed.
    """
    earliest = noticed_at - NOTICED_WITHIN
    changed = 0
    for table_name, names in CORRECTED_COLUMNS.items():
        table = Base.metadata.tables[table_name]
        for name in names:
            column = table.c[name]
            result = session.execute(update(table).where(column >= earliest, column > now).values({name: now}))
            changed += int(result.rowcount)  # type: ignore[attr-defined]
    return changed
