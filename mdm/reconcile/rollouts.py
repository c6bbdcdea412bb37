"""Stops roll-outs that fail: a version that breaks tablets of its first stage never reaches the next one."""

from __future__ import annotations

from datetime import timedelta

from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from mdm.reconcile.repository import ReconcileRepository
from profiles.policy.life import stop_version
from profiles.policy.models import PolicyVersion
from profiles.policy.places import select_stage_tablets
from profiles.policy.repository import PolicyRepository

#: How many tablets of a stage may fail before the roll-out is stopped: the larger of a count and a share.
MAX_FAILURES, MAX_FAILURE_SHARE = 0, 0.02
#: A tablet counts as silent when it was in contact within `SEEN_WITHIN` before the change, and not for `SILENT_AFTER` since.
SILENT_AFTER = timedelta(hours=2)
SEEN_WITHIN = timedelta(minutes=30)


def stop_failing_rollouts(work: UnitOfWork) -> int:
    """Stop the roll-outs whose current stage fails. Returns how many."""
    stopped = 0
    for owner, version in PolicyRepository(work.session).list_rolling():
        failure = _find_failure(work, version)
        if failure is not None:
            stop_version(work, SYSTEM, owner, version, failure)
            stopped += 1
    return stopped


def _find_failure(work: UnitOfWork, version: PolicyVersion) -> str | None:
    """Return the failure of a version's current stage as a sentence for its history; None when there is none."""
    if version.stage is None or version.stage_target is None or version.published_at is None:
        return None
    repository = ReconcileRepository(work.session)
    stage = select_stage_tablets(work, version.stage, version.stage_target)
    count = repository.count_tablets(stage)
    allowed = max(MAX_FAILURES, int(count * MAX_FAILURE_SHARE))
    failed = repository.count_failing_since(stage, version.published_at)
    if failed > allowed:
        return f"{failed} of {count} tablets could not apply it"
    if work.now - version.published_at >= SILENT_AFTER:
        silent = repository.count_silent_since(stage, version.published_at, SEEN_WITHIN)
        if silent > min(max(1, allowed), count - 1):  # one tablet of many may be switched off; the only one may not
            return f"{silent} of {count} tablets are out of contact since"
    return None
