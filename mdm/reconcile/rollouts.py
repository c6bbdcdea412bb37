"""Watching roll-outs: a version that breaks tablets of its first stage is stopped before it reaches the others."""

from __future__ import annotations

from datetime import timedelta

from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from mdm.reconcile.repository import ReconcileRepository
from profiles.policy.life import stop_version
from profiles.policy.models import PolicyVersion
from profiles.policy.places import select_stage_tablets
from profiles.policy.repository import PolicyRepository

#: So many tablets of a stage may fail, or their share, before the roll-out is stopped.
TOLERATED, TOLERATED_SHARE = 0, 0.02
#: A tablet that was heard shortly before the change and not for so long after it has fallen silent.
SILENT_AFTER = timedelta(hours=2)
HEARD_BEFORE = timedelta(minutes=30)


def stop_failing_rollouts(work: UnitOfWork) -> int:
    """Stop the roll-outs whose stage fails or falls silent. Return how many."""
    stopped = 0
    for owner, version in PolicyRepository(work.session).list_rolling():
        problem = _find_problem(work, version)
        if problem is not None:
            stop_version(work, SYSTEM, owner, version, problem)
            stopped += 1
    return stopped


def _find_problem(work: UnitOfWork, version: PolicyVersion) -> str | None:
    """What is wrong with the stage of a version, in words for its history."""
    if version.stage is None or version.stage_target is None or version.published_at is None:
        return None
    repository = ReconcileRepository(work.session)
    stage = select_stage_tablets(work, version.stage, version.stage_target)
    count = repository.count(stage)
    allowed = max(TOLERATED, int(count * TOLERATED_SHARE))
    failed = repository.failing_since(stage, version.published_at)
    if failed > allowed:
        return f"{failed} of {count} tablets could not apply it"
    if work.now - version.published_at >= SILENT_AFTER:
        silent = repository.silent_since(stage, version.published_at, HEARD_BEFORE)
        if silent > max(1, allowed):
            return f"{silent} of {count} tablets fell silent"
    return None
