"""Trials: what could cut a tablet off goes with a profile that removes itself, until the tablet was in contact under it.

Then the permanent profile or the declarations take its place. A tablet that falls silent loses the trial after an hour, without
the server, and comes back. What is tried is decided in `profiles.render.trial`. See docs/domain/payloads.md#trials.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from uuid import UUID

from cartable.outbox import Topic
from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from mdm.devices.models import DeviceEnrollment
from mdm.devices.repository import DeviceRepository
from mdm.protocol.commands.base import Command
from mdm.protocol.commands.profiles import InstallProfile, RemoveProfile
from mdm.protocol.commands.queries import DeviceInformation, ProfileList
from mdm.queue import service as queue
from mdm.queue.results import CommandWithResult
from mdm.reconcile.models import ProfileTrial, TrialState
from mdm.reconcile.repository import ReconcileRepository
from mdm.reconcile.stage_rules import SETTLING_TIME
from profiles.effective.compile import DesiredTrial
from profiles.effective.models import RenderedProfile
from profiles.render.trial import TRIAL_DURATION, TRIAL_IDENTIFIER

#: The smallest query that makes a tablet check in.
CHECK_IN = DeviceInformation(queries=("UDID",))
#: How often a tablet on trial is asked to check in.
CHECK_EVERY = timedelta(minutes=1)
#: How often the same is tried, and after which time again. The last time it may just have been switched off.
MAX_TRIALS, RETRY_AFTER = 2, timedelta(days=1)
#: When a command without any result is looked at again.
RESULT_TIMEOUT = timedelta(days=1)
#: A trial in these states is, or may be, on the tablet.
ON_TABLET = frozenset({TrialState.SENT, TrialState.ACKNOWLEDGED, TrialState.VERIFIED})
#: A trial in these states has come to nothing.
FAILED_TRIALS = frozenset({TrialState.ENDED, TrialState.REFUSED})

TrialsByTablet = Mapping[UUID, Mapping[str, ProfileTrial]]


def list_proved(trials: TrialsByTablet, tablet_ids: Iterable[UUID]) -> dict[UUID, frozenset[str]]:
    """Return for each tablet the digests of what it has proved."""
    return {
        tablet_id: frozenset(row.digest for row in trials.get(tablet_id, {}).values() if row.state is TrialState.PROVED)
        for tablet_id in tablet_ids
    }


def settle_trials(work: UnitOfWork, channels: Mapping[UUID, DeviceEnrollment]) -> TrialsByTablet:
    """Mark as proved the trials under which the tablet was in contact, and have their profiles removed. Returns all trials.

    They are removed before the permanent profile comes: of some payloads a tablet holds one only.
    """
    trials = ReconcileRepository(work.session).load_trials(list(channels), lock=True)
    waiting = [row for rows in trials.values() for row in rows.values() if row.state is TrialState.VERIFIED]
    last_seen = DeviceRepository(work.session).load_last_seen({row.tablet_id for row in waiting}) if waiting else {}
    proved = [row for row in waiting if last_seen[row.tablet_id] >= row.changed_at + SETTLING_TIME]
    for row in proved:
        row.state, row.changed_at, row.next_check_at = TrialState.PROVED, work.now, None
    if proved:
        enrollment_ids = [channels[row.tablet_id].id for row in proved]
        queue.enqueue_command(work, SYSTEM, RemoveProfile(identifier=TRIAL_IDENTIFIER), enrollment_ids)
    return trials


def deliver_trial(
    work: UnitOfWork,
    tablet_id: UUID,
    trial: DesiredTrial | None,
    rows: Mapping[str, ProfileTrial],
    rendered_profiles: Mapping[str, RenderedProfile],
) -> list[Command]:
    """Store which trial is under way. Returns the commands that install it, ask the tablet to check in, or end another one."""
    others = [row for row in rows.values() if row.state in ON_TABLET and (trial is None or row.digest != trial.digest)]
    for row in others:
        work.session.delete(row)
    for row in rows.values():
        if row.next_check_at is not None and row.state in FAILED_TRIALS and row.next_check_at <= work.now:
            row.next_check_at = None  # whoever needs it is looked at now
    if trial is None:
        return [RemoveProfile(identifier=TRIAL_IDENTIFIER)] if others else []
    rendered = rendered_profiles[trial.sha256]
    install = InstallProfile(payload_data=rendered.signed, identifier=TRIAL_IDENTIFIER)
    known = rows.get(trial.digest)
    if known is None:
        work.session.add(_start_trial(work, tablet_id, trial))
        return [install]
    if known.sha256 != trial.sha256 or _is_tried_again(work, known):
        known.sha256, known.state, known.attempts = trial.sha256, TrialState.SENT, known.attempts + 1
        known.changed_at, known.next_check_at = work.now, work.now + RESULT_TIMEOUT
        return [install]
    return _ask_tablet(work, known)


def _start_trial(work: UnitOfWork, tablet_id: UUID, trial: DesiredTrial) -> ProfileTrial:
    return ProfileTrial(
        tablet_id=tablet_id,
        digest=trial.digest,
        sha256=trial.sha256,
        state=TrialState.SENT,
        attempts=1,
        changed_at=work.now,
        next_check_at=work.now + RESULT_TIMEOUT,
    )


def _is_tried_again(work: UnitOfWork, row: ProfileTrial) -> bool:
    return row.state in FAILED_TRIALS and row.attempts < MAX_TRIALS and work.now >= row.changed_at + RETRY_AFTER


def _ask_tablet(work: UnitOfWork, row: ProfileTrial) -> list[Command]:
    """Return what makes a tablet on trial check in, or list its profiles once the trial must have removed itself."""
    if row.state not in ON_TABLET or row.next_check_at is None or row.next_check_at > work.now:
        return []
    row.next_check_at = work.now + CHECK_EVERY
    is_over = row.installed_at is None or work.now >= row.installed_at + TRIAL_DURATION
    return [ProfileList(managed_only=True) if is_over or row.state is not TrialState.VERIFIED else CHECK_IN]


def record_installation(work: UnitOfWork, outcome: CommandWithResult) -> None:
    """Record the result of the installation of a trial. Its hour begins with it; the list of profiles verifies it."""
    command = outcome.command
    repository = ReconcileRepository(work.session)
    rows = repository.load_trials([outcome.tablet_id], lock=True).get(outcome.tablet_id, {})
    rendered = repository.load_rendered_profiles([row.sha256 for row in rows.values()])
    for row in rows.values():
        is_of_command = isinstance(command, InstallProfile) and rendered[row.sha256].signed == command.payload_data
        if row.state is not TrialState.SENT or not is_of_command:
            continue
        row.changed_at = work.now
        if outcome.succeeded:
            row.state, row.installed_at, row.next_check_at = TrialState.ACKNOWLEDGED, outcome.received_at, work.now + CHECK_EVERY
            queue.enqueue_command(work, SYSTEM, ProfileList(managed_only=True), [outcome.enrollment_id])
        else:
            _record_failure(work, row, TrialState.REFUSED)


def record_list(work: UnitOfWork, outcome: CommandWithResult, listed: Mapping[str, str]) -> None:
    """Compare the tablet's own list of profiles, UUID by identifier, with its trials: it has one, or has lost it."""
    repository = ReconcileRepository(work.session)
    rows = repository.load_trials([outcome.tablet_id], lock=True).get(outcome.tablet_id, {})
    rendered = repository.load_rendered_profiles([row.sha256 for row in rows.values() if row.state in ON_TABLET])
    for row in rows.values():
        if row.state not in ON_TABLET or outcome.received_at < row.changed_at:
            continue
        if listed.get(TRIAL_IDENTIFIER) == rendered[row.sha256].uuid:
            if row.state is not TrialState.VERIFIED:
                row.installed_at = row.installed_at or outcome.received_at
                row.state, row.changed_at = TrialState.VERIFIED, outcome.received_at
                row.next_check_at = outcome.received_at + SETTLING_TIME
        elif row.state is not TrialState.SENT:
            _record_failure(work, row, TrialState.ENDED)
            work.enqueue_job(Topic.RECONCILE, outcome.tablet_id)


def _record_failure(work: UnitOfWork, row: ProfileTrial, state: TrialState) -> None:
    row.state, row.changed_at = state, work.now
    row.next_check_at = work.now + RETRY_AFTER if row.attempts < MAX_TRIALS else None


def get_trial_state(work: UnitOfWork, tablet_id: UUID) -> TrialState | None:
    """Return the state of the newest trial of a tablet that it has not proved; None when there is none."""
    rows = ReconcileRepository(work.session).load_trials([tablet_id]).get(tablet_id, {}).values()
    open_rows = [row for row in rows if row.state is not TrialState.PROVED]
    return max(open_rows, key=lambda row: row.changed_at).state if open_rows else None


def forget_failed_trials(work: UnitOfWork, tablet_ids: Collection[UUID]) -> None:
    """Let what has come to nothing on these tablets be tried again now."""
    for rows in ReconcileRepository(work.session).load_trials(tablet_ids, lock=True).values():
        for row in rows.values():
            if row.state in FAILED_TRIALS:
                work.session.delete(row)
