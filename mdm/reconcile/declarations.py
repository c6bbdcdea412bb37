"""Declarative management of tablets: which set is published, what has drifted, when commands are used instead.

The bytes of declarations are rendered in `profiles.render`; what a status report contains is read in `mdm.protocol.ddm`.
See docs/domain/declarations.md#support.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from cartable.outbox import Topic
from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from mdm.devices.declaration_rules import check_declarations
from mdm.devices.declaration_status import CurrentStatus, decide_status
from mdm.devices.models import DeclarationStatus, DeclarativeState, DeviceEnrollment
from mdm.devices.repository import DeviceRepository
from mdm.protocol import ddm
from mdm.protocol.commands.actions import DeclarativeManagement
from mdm.queue import service as queue
from mdm.queue.results import CommandWithResult
from mdm.queue.service import DeliveryOptions
from mdm.reconcile.announced_sets import AnnouncedSets, load_announced_sets
from mdm.reconcile.models import TabletProfile
from mdm.reconcile.profile_delivery import is_verified
from mdm.reconcile.repository import ReconcileRepository
from profiles.effective.compile import DesiredState
from profiles.render.declarations import PROPERTIES_IDENTIFIER

#: How long a tablet may take from an announcement to its status report before the set is announced again.
REPORT_TIMEOUT = timedelta(minutes=10)
#: After this time the next mode applies, and an announcement of this one is of no use.
ANNOUNCEMENT_LIFETIME = timedelta(hours=12)
#: How long each repair may take before the next one. After the last one the tablet is managed by profiles.
REPAIR_DELAYS = (timedelta(minutes=2), timedelta(minutes=10), timedelta(minutes=30))


def uses_declarations(desired: DesiredState, state: DeclarativeState | None) -> bool:
    """Return whether this tablet is managed by declarations now: it supports them, has proved it by a status report, and they work."""
    return desired.declaration_set is not None and state is not None and state.is_proved


def probe_support(
    work: UnitOfWork,
    channels: Mapping[UUID, DeviceEnrollment],
    desired_by_tablet: Mapping[UUID, DesiredState],
    states: Mapping[int, DeclarativeState],
) -> None:
    """Enqueue an empty set for tablets that should support declarations and have not reported yet.

    Until they report, profiles are installed by commands: an acknowledgement alone does not prove support.
    """
    repository = DeviceRepository(work.session)
    unproved = [
        channel
        for tablet_id, channel in channels.items()
        if desired_by_tablet[tablet_id].declaration_set is not None and channel.id not in states
    ]
    for channel in unproved:
        repository.create_declarative_state(channel.id, channel.town_id).published_at = work.now
    if unproved:
        queue.enqueue_command(
            work, SYSTEM, DeclarativeManagement(data=ddm.build_tokens([], work.now)), [channel.id for channel in unproved]
        )


def publish_set(
    work: UnitOfWork,
    channels: Mapping[UUID, DeviceEnrollment],
    desired_by_tablet: Mapping[UUID, DesiredState],
    states: Mapping[int, DeclarativeState],
) -> None:
    """Announce to each of these tablets its declaration set and mode, unless it has confirmed them, or a mode that applies the same.

    What a tablet could not apply is announced with new server tokens, a few times. Then `fallback_reason` is set, and the tablet
    is managed by profiles from now on.
    """
    devices = DeviceRepository(work.session)
    due = {
        channel.id: desired_by_tablet[tablet_id]
        for tablet_id, channel in channels.items()
        if _is_due(states[channel.id], desired_by_tablet[tablet_id], work.now)
    }
    if not due:
        return
    # Decide on locked rows: a status report may have confirmed or refused the declarations since they were read.
    locked = devices.lock_declarative_states(sorted(due))
    sets = load_announced_sets(work, locked, due.values())
    open_keys = ReconcileRepository(work.session).load_open_dedupe_keys(sorted(due))
    announced: dict[bytes, list[int]] = {}
    for state in locked:
        is_announcement_open = DeclarativeManagement().dedupe_key() in open_keys.get(state.enrollment_id, set())
        desired = due[state.enrollment_id]
        if _plan_announcement(work, state, desired, sets, is_open=is_announcement_open):
            assert state.announced is not None
            assert state.published_at is not None
            tokens = ddm.build_tokens_response(sets.build_contents(state.announced).token, state.published_at)
            announced.setdefault(tokens, []).append(state.enrollment_id)
    deadline = DeliveryOptions(deadline=work.now + ANNOUNCEMENT_LIFETIME)
    for tokens, enrollment_ids in announced.items():
        queue.enqueue_command(work, SYSTEM, DeclarativeManagement(data=tokens), enrollment_ids, timing=deadline)


def schedule_repairs(work: UnitOfWork, channels: Mapping[UUID, DeviceEnrollment], states: Mapping[int, DeclarativeState]) -> None:
    """Enqueue a later run for each tablet with declarations that failed, at the time of its next repair."""
    for tablet_id, channel in channels.items():
        state = states.get(channel.id)
        if state is not None and state.status is DeclarationStatus.FAILED and state.next_check_at is not None:
            work.enqueue_job(Topic.RECONCILE, tablet_id, not_before=state.next_check_at)


def _is_due(state: DeclarativeState, desired: DesiredState, now: datetime) -> bool:
    """Return whether something may have to be announced, or to be looked at because it was not confirmed in time."""
    return (state.set_sha256, state.mode) != (desired.declaration_set, desired.mode.value) or _is_check_due(state, now)


def _is_check_due(state: DeclarativeState, now: datetime) -> bool:
    if state.status is DeclarationStatus.CONFIRMED:
        return False
    return state.next_check_at is None or state.next_check_at <= now


def _plan_announcement(
    work: UnitOfWork, state: DeclarativeState, desired: DesiredState, sets: AnnouncedSets, *, is_open: bool
) -> bool:
    """Update `state` to what is announced next. Returns False when nothing is: it still waits, or the tablet gets profiles again."""
    if not sets.covers(state, desired):
        _change_announcement(work, state, desired)
        if state.announced is not None and state.announced == state.served:
            # The tablet has this very manifest, as after a mode that came and went: it will not report it again.
            _check_again(work, state, sets)
        return True
    if not _is_check_due(state, work.now):
        return False
    if is_open:  # out of contact: it is announced already
        is_waiting = state.status is DeclarationStatus.WAITING
        state.next_check_at = work.now + (ANNOUNCEMENT_LIFETIME if is_waiting else REPORT_TIMEOUT)
        return False
    if state.served != state.announced and state.repair_attempts == 0 and state.status is DeclarationStatus.WAITING:
        # It acknowledged, and has not asked for the manifest: the same tokens are still new to it.
        state.repair_attempts, state.next_check_at = 1, work.now + REPORT_TIMEOUT
        return True
    return _repair(work, state, sets)


def _change_announcement(work: UnitOfWork, state: DeclarativeState, desired: DesiredState) -> None:
    """Set what is announced to the desired set and mode. A change of mode ends no failure and begins no new count of repairs."""
    if state.set_sha256 != desired.declaration_set:
        state.repairs, state.repair_attempts, state.problem = None, 0, None
        state.status, state.status_since = DeclarationStatus.WAITING, work.now
    elif state.status is not DeclarationStatus.FAILED:
        state.status, state.status_since, state.problem = DeclarationStatus.WAITING, work.now, None
    state.set_sha256, state.mode = desired.declaration_set, desired.mode.value
    _publish(work, state)
    if state.status is not DeclarationStatus.FAILED or state.next_check_at is None:
        state.next_check_at = work.now + REPORT_TIMEOUT


def _publish(work: UnitOfWork, state: DeclarativeState) -> None:
    state.publication += 1
    state.published_at, state.confirmed_at = work.now, None


def renew_declarations(work: UnitOfWork, identifiers_by_channel: Mapping[int, Sequence[str]]) -> None:
    """Announce declarations of these enrollments with new server tokens, so that the tablets fetch what belongs to them again."""
    if not identifiers_by_channel:
        return
    locked = DeviceRepository(work.session).lock_declarative_states(sorted(identifiers_by_channel))
    sets = load_announced_sets(work, locked, ())
    for state in locked:
        if state.announced is None:
            continue
        repairs = dict(state.announced.repairs)
        state.repairs = repairs | {name: repairs.get(name, 0) + 1 for name in identifiers_by_channel[state.enrollment_id]}
        state.status, state.status_since = DeclarationStatus.WAITING, work.now
        _publish(work, state)
        state.next_check_at = work.now + REPORT_TIMEOUT
        tokens = ddm.build_tokens_response(sets.build_contents(state.announced).token, work.now)
        deadline = DeliveryOptions(deadline=work.now + ANNOUNCEMENT_LIFETIME)
        queue.enqueue_command(work, SYSTEM, DeclarativeManagement(data=tokens), [state.enrollment_id], timing=deadline)


def _check_again(work: UnitOfWork, state: DeclarativeState, sets: AnnouncedSets) -> None:
    """Give an announcement of what the tablet has already the status that its last report proves."""
    assert state.announced is not None
    check = check_declarations(sets.build_contents(state.announced), state.reported_declarations or {})
    current = CurrentStatus(state.status, state.status_since, state.confirmed_at)
    for column, value in decide_status(current, check, work.now).items():
        setattr(state, column, value)


def _repair(work: UnitOfWork, state: DeclarativeState, sets: AnnouncedSets) -> bool:
    """Renew the troubled declarations, so that the tablet fetches them again. Returns False after the last attempt: profiles then."""
    assert state.announced is not None
    manifest = state.announced
    # Without a report on them the properties alone are renewed: the smallest change that makes a tablet report again.
    renewed: tuple[str, ...] = (PROPERTIES_IDENTIFIER,)
    problem = "the tablet did not report its declarations"
    if state.status is not DeclarationStatus.WAITING:
        check = check_declarations(sets.build_contents(manifest), state.reported_declarations or {})
        renewed, problem = check.troubled or renewed, check.describe() or problem
    is_exhausted = state.repair_attempts >= len(REPAIR_DELAYS)
    if state.status is DeclarationStatus.IN_PROGRESS or (is_exhausted and state.status is DeclarationStatus.WAITING):
        state.status, state.status_since, state.problem = DeclarationStatus.FAILED, work.now, problem
    if is_exhausted:
        state.fallback_reason, state.next_check_at = (state.problem or problem)[:300], None
        return False
    state.repairs = {**manifest.repairs, **{name: manifest.repairs.get(name, 0) + 1 for name in renewed}}
    _publish(work, state)
    delay = REPAIR_DELAYS[state.repair_attempts]
    state.next_check_at = work.now + (max(delay, REPORT_TIMEOUT) if state.status is DeclarationStatus.WAITING else delay)
    state.repair_attempts += 1
    return True


def withdraw_sets(
    work: UnitOfWork,
    channels: Mapping[UUID, DeviceEnrollment],
    states: Mapping[int, DeclarativeState],
    desired_by_tablet: Mapping[UUID, DesiredState],
    profiles: Mapping[UUID, TabletProfile],
) -> None:
    """Announce an empty set to the tablets whose declarations do not work, once the profile that replaces them is verified."""
    withdrawn: list[int] = []
    for tablet_id, channel in channels.items():
        state, profile = states.get(channel.id), profiles.get(tablet_id)
        if state is None or state.fallback_reason is None:
            continue
        state.declarative_only_since, state.next_check_at = None, None
        if state.set_sha256 is not None and profile is not None and is_verified(profile, desired_by_tablet[tablet_id].sha256):
            state.set_sha256, state.mode, state.repairs = None, None, None
            _publish(work, state)
            withdrawn.append(channel.id)
    if withdrawn:
        queue.enqueue_command(work, SYSTEM, DeclarativeManagement(data=ddm.build_tokens([], work.now)), withdrawn)


@dataclass(frozen=True, slots=True)
class CompanionProfile:
    """The hash of the profile that a tablet must have; without one, whether the present profile is removed."""

    sha256: str | None
    is_removed: bool


def choose_companion_profile(desired: DesiredState, state: DeclarativeState, now: datetime) -> CompanionProfile:
    """Return what becomes of the profile of a tablet with declarations, and record when declarations have replaced it.

    Until the declared policy is active and valid the full profile stays, and follows the mode. Then it is replaced by the payloads
    that the operator excludes from declarations, under the same identifier, or is removed.
    """
    is_proved = state.status is DeclarationStatus.CONFIRMED and state.confirmed_at is not None
    if state.declarative_only_since is None and not is_proved:
        return CompanionProfile(desired.sha256, is_removed=False)
    state.declarative_only_since = state.declarative_only_since or now
    return CompanionProfile(desired.companion_sha256, is_removed=desired.companion_sha256 is None)


def record_declarations_refused(work: UnitOfWork, outcome: CommandWithResult) -> None:
    """Record that a tablet refused declarations, and enqueue a run that manages it by profiles."""
    state = DeviceRepository(work.session).get_declarative_state(outcome.enrollment_id)
    if state is not None and not outcome.succeeded:
        state.fallback_reason = (outcome.error or "refused")[:300]
        state.set_sha256, state.mode, state.repairs, state.next_check_at = None, None, None, None
        state.publication += 1
        work.enqueue_job(Topic.RECONCILE, outcome.tablet_id)


def reset_declarations(state: DeclarativeState) -> None:
    """Let a tablet be managed by declarations again, with all attempts before it."""
    state.fallback_reason, state.repair_attempts, state.next_check_at = None, 0, None
