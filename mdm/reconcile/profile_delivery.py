"""Delivery of the policy profile by commands: what is sent, what a result or the tablet's own list proves, when it is tried again.

A refusal is never the end: a tablet without its profile has no rules. Declarations are in `declarations.py`.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from cartable.outbox import Topic
from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from enrollment.joining.profiles import IDENTIFIER as ENROLLMENT_PROFILE
from mdm.devices.repository import DeviceRepository
from mdm.protocol.commands.base import Command
from mdm.protocol.commands.profiles import InstallProfile, RemoveProfile
from mdm.protocol.commands.queries import ProfileList
from mdm.queue import service as queue
from mdm.queue.results import CommandWithResult
from mdm.reconcile import trials
from mdm.reconcile.models import ProfileReason, ProfileState, TabletProfile
from mdm.reconcile.renewals import record_renewal_result
from mdm.reconcile.repository import ReconcileRepository
from profiles.effective.models import RenderedProfile
from profiles.render.apple import PROFILE_IDENTIFIER
from profiles.render.trial import TRIAL_IDENTIFIER

#: How long to wait before each further attempt. The last one repeats: rules are never given up.
RETRY_DELAYS = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=3), timedelta(days=1))
#: When a command without any result is looked at again: it may have expired, or the server may have refused to deliver it.
RESULT_TIMEOUT = timedelta(days=1)


def is_verified(row: TabletProfile, sha256: str) -> bool:
    """Return whether the tablet has listed this very profile."""
    return row.state is ProfileState.VERIFIED and row.desired_sha256 == sha256


def deliver_profile(
    work: UnitOfWork, tablet_id: UUID, rendered: RenderedProfile, row: TabletProfile | None, open_keys: set[str]
) -> list[Command]:
    """Store which profile is desired. Returns its installation, when it is a new one or its next attempt is due."""
    command = InstallProfile(payload_data=rendered.signed, identifier=rendered.identifier)
    if row is None:
        row = TabletProfile(
            tablet_id=tablet_id,
            desired_sha256=rendered.sha256,
            state=ProfileState.WAITING,
            reason=ProfileReason.WAITING_CONTACT,
            attempts=0,
            changed_at=work.now,
            next_attempt_at=work.now + RESULT_TIMEOUT,
        )
        work.session.add(row)
        return [command]
    if row.desired_sha256 != rendered.sha256 or row.state is ProfileState.REMOVING:
        row.desired_sha256, row.attempts = rendered.sha256, 0
        _set_state(work, row, ProfileState.WAITING, ProfileReason.WAITING_CONTACT)
        row.next_attempt_at = work.now + RESULT_TIMEOUT
        return [command]
    return [command] if _is_attempt_due(work, row, command, open_keys) else []


def remove_profile(work: UnitOfWork, row: TabletProfile | None, open_keys: set[str]) -> list[Command]:
    """Mark the profile as being removed. Returns the removal, when it is new or its next attempt is due.

    The row stays until the tablet lists the profile no more.
    """
    if row is None:
        return []
    command = RemoveProfile(identifier=PROFILE_IDENTIFIER)
    if row.state is not ProfileState.REMOVING:
        row.attempts = 0
        _set_state(work, row, ProfileState.REMOVING, ProfileReason.WAITING_CONTACT)
        row.next_attempt_at = work.now + RESULT_TIMEOUT
        return [command]
    return [command] if _is_attempt_due(work, row, command, open_keys) else []


def _is_attempt_due(work: UnitOfWork, row: TabletProfile, command: Command, open_keys: set[str]) -> bool:
    """Return whether the command is sent again now. One that still waits for the tablet is not; then it is looked at again later."""
    if row.next_attempt_at is None:
        return False
    if row.next_attempt_at > work.now:
        if row.attempts:
            work.enqueue_job(Topic.RECONCILE, row.tablet_id, not_before=row.next_attempt_at)
        return False
    row.next_attempt_at = work.now + RESULT_TIMEOUT
    return command.dedupe_key() not in open_keys


def _set_state(
    work: UnitOfWork, row: TabletProfile, state: ProfileState, reason: ProfileReason, problem: str | None = None
) -> None:
    row.state, row.reason, row.problem, row.changed_at = state, reason, problem[:300] if problem else None, work.now


def _schedule_retry(work: UnitOfWork, row: TabletProfile) -> None:
    """Set the next attempt, after a longer wait each time."""
    row.next_attempt_at = work.now + RETRY_DELAYS[min(row.attempts, len(RETRY_DELAYS) - 1)]
    row.attempts += 1
    work.enqueue_job(Topic.RECONCILE, row.tablet_id, not_before=row.next_attempt_at)


def handle_install_profile(work: UnitOfWork, outcome: CommandWithResult) -> None:
    """Record the result of an installation. An acknowledgement proves nothing: the list of profiles is asked for to verify it."""
    command = outcome.command
    if not isinstance(command, InstallProfile):
        return
    if command.identifier == ENROLLMENT_PROFILE:
        record_renewal_result(work, outcome)
        return
    if command.identifier == TRIAL_IDENTIFIER:
        trials.record_installation(work, outcome)
        return
    row, rendered = _lock_row(work, outcome)
    if row is None or rendered is None or row.state is ProfileState.REMOVING:
        return
    if outcome.succeeded:
        if row.state is not ProfileState.VERIFIED:
            _set_state(work, row, ProfileState.ACKNOWLEDGED, ProfileReason.NOT_VERIFIED)
            row.next_attempt_at = work.now + RESULT_TIMEOUT
        _ask_for_list(work, outcome)
    elif command.payload_data == rendered.signed:  # else the refusal of a former profile: another one is on its way
        _set_state(work, row, ProfileState.FAILED, ProfileReason.REFUSED, outcome.error)
        _schedule_retry(work, row)


def handle_remove_profile(work: UnitOfWork, outcome: CommandWithResult) -> None:
    """Record the result of a removal. Only the list of profiles proves it; a refusal is tried again."""
    if not isinstance(outcome.command, RemoveProfile) or outcome.command.identifier != PROFILE_IDENTIFIER:
        return
    row, _ = _lock_row(work, outcome)
    if row is None or row.state is not ProfileState.REMOVING:
        return
    if outcome.succeeded:
        _set_state(work, row, ProfileState.REMOVING, ProfileReason.NOT_VERIFIED)
        row.next_attempt_at = work.now + RESULT_TIMEOUT
    else:
        _set_state(work, row, ProfileState.REMOVING, ProfileReason.REMOVAL_REFUSED, outcome.error)
        _schedule_retry(work, row)
    _ask_for_list(work, outcome)  # the system reports an error for a profile that is not there, too


def handle_profile_list(work: UnitOfWork, outcome: CommandWithResult) -> None:
    """Compare the tablet's own list of profiles with the desired one: it alone proves that a profile is there, or is not."""
    if not outcome.succeeded or outcome.result is None:
        return
    row, rendered = _lock_row(work, outcome)
    listed = {str(entry.get("PayloadIdentifier")): str(entry.get("PayloadUUID", "")).upper() for entry in outcome.result}
    trials.record_list(work, outcome, listed)
    if row is None:
        if PROFILE_IDENTIFIER in listed:
            _record_unknown_profile(work, outcome, listed[PROFILE_IDENTIFIER])
        return
    if outcome.received_at < row.changed_at:
        return  # listed before the last change: it says nothing about it
    row.reported_uuid = listed.get(PROFILE_IDENTIFIER, "")[:64] or None
    if row.state is ProfileState.REMOVING:
        _apply_list_to_removal(work, row)
    elif rendered is not None and row.reported_uuid == rendered.uuid:
        if row.state is not ProfileState.VERIFIED:
            _set_state(work, row, ProfileState.VERIFIED, ProfileReason.INSTALLED)
        row.attempts, row.next_attempt_at = 0, None
    elif row.state in (ProfileState.VERIFIED, ProfileState.ACKNOWLEDGED):
        _set_state(work, row, ProfileState.WAITING, ProfileReason.MISSING, "not on the tablet")
        if row.attempts:
            _schedule_retry(work, row)
        else:  # it has disappeared, or was acknowledged for the first time: send it again at once
            row.attempts, row.next_attempt_at = 1, work.now
            work.enqueue_job(Topic.RECONCILE, row.tablet_id)


def _apply_list_to_removal(work: UnitOfWork, row: TabletProfile) -> None:
    if row.reported_uuid is None:
        work.session.delete(row)
    elif row.reason is ProfileReason.NOT_VERIFIED:
        _set_state(work, row, ProfileState.REMOVING, ProfileReason.REMOVAL_REFUSED, "still on the tablet")
        _schedule_retry(work, row)


def _record_unknown_profile(work: UnitOfWork, outcome: CommandWithResult, uuid: str) -> None:
    """Have a policy profile removed that declarations have replaced, and that is still on the tablet."""
    state = DeviceRepository(work.session).get_declarative_state(outcome.enrollment_id)
    if state is None or state.declarative_only_since is None:
        return
    work.session.add(
        TabletProfile(
            tablet_id=outcome.tablet_id,
            desired_sha256="",
            reported_uuid=uuid[:64],
            state=ProfileState.REMOVING,
            reason=ProfileReason.WAITING_CONTACT,
            attempts=0,
            changed_at=work.now,
            next_attempt_at=work.now,
        )
    )
    work.enqueue_job(Topic.RECONCILE, outcome.tablet_id)


def reset_attempts(work: UnitOfWork, row: TabletProfile) -> None:
    """Let the next attempt be due now, with all waits before it, unless the profile is where it should be."""
    if row.state is not ProfileState.VERIFIED:
        row.attempts, row.next_attempt_at = 0, work.now


def _lock_row(work: UnitOfWork, outcome: CommandWithResult) -> tuple[TabletProfile | None, RenderedProfile | None]:
    """Return the row of the tablet, locked until the commit, and the desired profile."""
    repository = ReconcileRepository(work.session)
    row = repository.load_tablet_profiles([outcome.tablet_id], lock=True).get(outcome.tablet_id)
    rendered = repository.load_rendered_profiles([row.desired_sha256]).get(row.desired_sha256) if row is not None else None
    return row, rendered


def _ask_for_list(work: UnitOfWork, outcome: CommandWithResult) -> None:
    queue.enqueue_command(work, SYSTEM, ProfileList(managed_only=True), [outcome.enrollment_id])
