"""Watches roll-outs: asks the tablets of a stage to check in, goes on when they have proved a version, stops what fails.

What a stage proves is decided in `stage_rules`. Never commits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cartable.alarms import AlarmKind, raise_alarm
from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from enrollment.facts import load_facts
from mdm.devices.models import DeclarationStatus, DeclarativeState
from mdm.devices.repository import DeviceRepository
from mdm.queue import service as queue
from mdm.reconcile.announced_sets import AnnouncedSets, load_announced_sets
from mdm.reconcile.declarations import uses_declarations
from mdm.reconcile.models import ProfileState, ProfileTrial, TabletProfile
from mdm.reconcile.repository import ReconcileRepository
from mdm.reconcile.stage_rules import (
    SETTLING_TIME,
    StageOutcome,
    StageProgress,
    StageTablet,
    StageTabletState,
    classify_tablet,
    judge_stage,
)
from mdm.reconcile.trials import CHECK_IN, FAILED_TRIALS, list_proved
from profiles.effective import publishing
from profiles.effective.compile import DesiredState
from profiles.effective.desired_states import compute_desired_states
from profiles.policy.documents import select_concerned
from profiles.policy.kinds import StageKind, VersionState
from profiles.policy.life import Stage, stop_version
from profiles.policy.models import PolicyVersion
from profiles.policy.places import select_stage_tablets
from profiles.policy.repository import PolicyRepository, Versioned

#: The first tablet of a roll-out must have been in contact within this time.
IN_CONTACT_WITHIN = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class RolloutState:
    """A roll-out under way, and how far its present stage is; no progress while it waits for its first tablet."""

    version: PolicyVersion
    progress: StageProgress | None


def watch_rollouts(work: UnitOfWork) -> int:
    """Look at each roll-out under way: stop it, go on with it, or ask its tablets to check in. Returns how many were stopped."""
    stopped = 0
    for owner, version in PolicyRepository(work.session).list_rolling():
        if version.stage_target is None:
            _choose_first_tablet(work, owner, version)
        else:
            stopped += _watch_stage(work, owner, version)
    return stopped


def get_rollout(work: UnitOfWork, owner: Versioned) -> RolloutState | None:
    """Return the roll-out of a document or preset with its progress; None when none is under way."""
    version = PolicyRepository(work.session).get_version_in_state(owner, VersionState.ROLLING)
    if version is None:
        return None
    stage = _load_stage(work, owner, version)
    return RolloutState(version, stage.judge(work.now) if stage is not None else None)


def _choose_first_tablet(work: UnitOfWork, owner: Versioned, version: PolicyVersion) -> None:
    """Begin with the tablet that was in contact last. Without one in contact it waits for one."""
    concerned = select_concerned(work, owner)
    tablet_id = ReconcileRepository(work.session).find_latest_contact(concerned, work.now - IN_CONTACT_WITHIN)
    if tablet_id is not None:
        publishing.choose_first_tablet(work, owner, version.number, tablet_id)


def _watch_stage(work: UnitOfWork, owner: Versioned, version: PolicyVersion) -> bool:
    loaded = _load_stage(work, owner, version)
    if loaded is None:
        return False
    progress = loaded.judge(work.now)
    if progress.outcome is StageOutcome.STOPS:
        return _stop(work, owner, loaded, progress.problem or "")
    if progress.outcome is StageOutcome.PROVED:
        publishing.record_stage_proved(work, owner, version.number, loaded.stage)
        return False
    waiting = loaded.list_to_ask(work.now)
    if waiting:
        queue.enqueue_command(work, SYSTEM, CHECK_IN, waiting)
    return False


def _stop(work: UnitOfWork, owner: Versioned, loaded: _LoadedStage, problem: str) -> bool:
    """Stop a roll-out unless a person has changed it since it was read."""
    repository = PolicyRepository(work.session)
    repository.lock(owner)
    version = repository.get_version(owner, loaded.number)
    if version is None or version.state is not VersionState.ROLLING or loaded.stage != _get_stage(version):
        return False
    stop_version(work, SYSTEM, owner, version, problem)
    details: dict[str, Any] = {"owner": str(owner.id), "version": loaded.number, "problem": problem}
    raise_alarm(work, owner.town_id, AlarmKind.ROLLOUT_STOPPED, **details)
    return True


@dataclass(frozen=True, slots=True)
class _LoadedStage:
    """The present stage of a roll-out with its tablets by the number of their enrollment."""

    number: int
    stage: Stage
    began_at: datetime
    tablets: dict[int, StageTablet]

    def judge(self, now: datetime) -> StageProgress:
        """Return how far the stage is."""
        return judge_stage(self.tablets.values(), self.began_at, now)

    def list_to_ask(self, now: datetime) -> list[int]:
        """Return the enrollments that have confirmed the new rules, and whose next contact proves them."""
        return [
            enrollment_id
            for enrollment_id, tablet in self.tablets.items()
            if classify_tablet(tablet, self.began_at, now) is StageTabletState.CONFIRMED
            and tablet.confirmed_at is not None
            and now >= max(tablet.confirmed_at, self.began_at) + SETTLING_TIME
        ]


def _get_stage(version: PolicyVersion) -> Stage:
    return Stage(version.stage or StageKind.ALL, version.stage_target)


def _load_stage(work: UnitOfWork, owner: Versioned, version: PolicyVersion) -> _LoadedStage | None:
    """Return the stage with its enrolled tablets, in a constant number of statements; None when it has no target yet."""
    if version.stage is None or version.stage_target is None or version.published_at is None:
        return None
    policy, devices = PolicyRepository(work.session), DeviceRepository(work.session)
    stage_tablets = select_stage_tablets(work, version.stage, version.stage_target)
    tablet_ids = policy.list_tablets(policy.select_both(stage_tablets, select_concerned(work, owner)))
    channels = devices.load_enrolled_channels(tablet_ids)
    last_seen = devices.load_last_seen(list(channels))
    states = devices.load_declarative_states([channel.id for channel in channels.values()])
    profiles = ReconcileRepository(work.session).load_tablet_profiles(list(channels))
    facts = load_facts(work, list(channels))
    trials = ReconcileRepository(work.session).load_trials(list(channels))
    desired = compute_desired_states(work, facts.values(), proved=list_proved(trials, channels)) if facts else {}
    sets = load_announced_sets(work, states.values(), desired.values())
    tablets = {
        channels[tablet_id].id: _describe_tablet(
            desired[tablet_id],
            last_seen.get(tablet_id),
            profiles.get(tablet_id),
            states.get(channels[tablet_id].id),
            trials.get(tablet_id, {}),
            version.published_at,
            sets,
        )
        for tablet_id in facts
    }
    return _LoadedStage(version.number, _get_stage(version), version.published_at, tablets)


def _describe_tablet(
    desired: DesiredState,
    last_seen_at: datetime | None,
    profile: TabletProfile | None,
    state: DeclarativeState | None,
    trials: Mapping[str, ProfileTrial],
    began_at: datetime,
    sets: AnnouncedSets,
) -> StageTablet:
    """Return what is known of a tablet, on the path by which it is managed now. One on trial has not confirmed all yet."""
    if desired.trial is not None:
        trial = trials.get(desired.trial.digest)
        has_failed = trial is not None and trial.state in FAILED_TRIALS and trial.changed_at >= began_at
        return StageTablet(last_seen_at, None, has_failed)
    has_failed = profile is not None and profile.state is ProfileState.FAILED and profile.changed_at >= began_at
    if state is not None and state.status is DeclarationStatus.FAILED and state.status_since is not None:
        has_failed = has_failed or state.status_since >= began_at
    confirmed_at = None
    if state is not None and uses_declarations(desired, state):
        if sets.covers(state, desired) and state.status is DeclarationStatus.CONFIRMED:
            confirmed_at = state.confirmed_at
    elif profile is not None and profile.state is ProfileState.VERIFIED and profile.desired_sha256 == desired.sha256:
        confirmed_at = profile.changed_at
    return StageTablet(last_seen_at, confirmed_at, has_failed)
