"""Watches roll-outs: a version that breaks tablets of its first stage is stopped before it reaches the others."""

from __future__ import annotations

from datetime import timedelta

from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from mdm.reconcile.repository import ReconcileRepository
from profiles.policy.kinds import StageKind
from profiles.policy.models import LayerVersion
from profiles.policy.repository import LayerRepository
from profiles.policy.service import stop_version

#: So many tablets of a stage may fail, or their share, before the roll-out is stopped.
TOLERATED, TOLERATED_SHARE = 0, 0.02
#: A tablet that was heard shortly before the change and not for so long after it has fallen silent.
SILENT_AFTER = timedelta(hours=2)
HEARD_BEFORE = timedelta(minutes=30)


def watch(work: UnitOfWork) -> int:
    """Stop the roll-outs that went wrong. Returns how many."""
    stopped = 0
    for layer, version in LayerRepository(work.session).rolling():
        why = _trouble(work, version)
        if why is not None:
            stop_version(work, SYSTEM, layer, version, why)
            stopped += 1
    return stopped


def _trouble(work: UnitOfWork, version: LayerVersion) -> str | None:
    """What went wrong in the stage of a version, in words for its history."""
    if version.stage is None or version.stage_target is None or version.rolled_at is None:
        return None
    repository = ReconcileRepository(work.session)
    stage = repository.stage(StageKind(version.stage), version.stage_target)
    count = repository.count(stage)
    allowed = max(TOLERATED, int(count * TOLERATED_SHARE))
    failed = repository.failing_since(stage, version.rolled_at)
    if failed > allowed:
        return f"{failed} of {count} tablets could not apply it"
    if work.now - version.rolled_at >= SILENT_AFTER:
        silent = repository.silent_since(stage, version.rolled_at, HEARD_BEFORE)
        if silent > max(1, allowed):
            return f"{silent} of {count} tablets fell silent"
    return None
