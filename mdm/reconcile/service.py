"""Compares the desired state of tablets with the reported one, and enqueues the commands that are missing.

What is desired is computed in `profiles.effective`. Never commits.
"""

from __future__ import annotations

import hashlib
import plistlib
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from itertools import groupby
from operator import itemgetter
from uuid import UUID

from cartable.outbox import JobLane, Topic
from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from enrollment.facts import TabletFacts, load_facts
from enrollment.tablets.rules import DECOMMISSIONED, PUT_AWAY
from mdm.devices.models import DeclarativeState, DeviceEnrollment, EnrollmentState
from mdm.devices.repository import DeviceRepository
from mdm.devices.service import get_enrolled_channel
from mdm.protocol.commands.actions import DeviceConfigured, SettingsCommand
from mdm.protocol.commands.apps import InstallApplication, RemoveApplication
from mdm.protocol.commands.base import Command
from mdm.protocol.commands.profiles import InstallProfile
from mdm.protocol.commands.queries import ProfileList, SecurityInfo
from mdm.protocol.commands.security import ActivationLockBypassCode
from mdm.queue import service as queue
from mdm.queue.models import Lane
from mdm.queue.service import DeliveryOptions
from mdm.reconcile.app_configuration import build_configuration_commands
from mdm.reconcile.app_delivery import build_app_installs, list_opposite_keys, mark_surplus_apps, reserve_licences
from mdm.reconcile.declarations import (
    CompanionProfile,
    choose_companion_profile,
    probe_support,
    publish_set,
    renew_declarations,
    reset_declarations,
    schedule_repairs,
    uses_declarations,
    withdraw_sets,
)
from mdm.reconcile.declared_apps import defer_apps, record_declared_apps
from mdm.reconcile.mode_switch import list_mode_only_bases
from mdm.reconcile.profile_delivery import deliver_profile, remove_profile, reset_attempts
from mdm.reconcile.refresh import build_app_query, build_device_query
from mdm.reconcile.repository import ReconcileRepository
from mdm.reconcile.trials import TrialsByTablet, deliver_trial, forget_failed_trials, list_proved, settle_trials
from profiles.apps import licences
from profiles.apps.configuration import compute_digest
from profiles.effective.compile import DesiredState
from profiles.effective.desired_states import compute_desired_states
from profiles.schedule.current_modes import lock_current_modes, save_current_modes
from profiles.schedule.repository import ScheduleRepository
from profiles.schedule.service import evaluate_modes

#: How long a tablet may wait in the Setup Assistant.
SETUP_TIMEOUT = timedelta(minutes=10)


def reconcile_tablets(work: UnitOfWork, tablet_ids: Sequence[UUID]) -> None:
    """Compare these tablets with their desired state and enqueue what is missing. Idempotent: a second run enqueues nothing."""
    repository = ReconcileRepository(work.session)
    facts = load_facts(work, tablet_ids)
    modes = evaluate_modes(work, facts.values())
    mode_rows = lock_current_modes(work, facts, modes)
    licences.release_licences_of_tablets(
        work, [tablet_id for tablet_id, tablet in facts.items() if tablet.state in DECOMMISSIONED]
    )
    channels = {
        tablet_id: channel
        for tablet_id, channel in DeviceRepository(work.session).load_enrolled_channels(list(facts)).items()
        if facts[tablet_id].state not in DECOMMISSIONED
    }
    trials = settle_trials(work, channels) if channels else {}
    proved = list_proved(trials, channels)
    in_channel = [facts[tablet_id] for tablet_id in channels]
    desired_by_tablet = compute_desired_states(work, in_channel, modes, proved) if channels else {}
    save_current_modes(work, mode_rows, modes, list_mode_only_bases(work.settings, modes, desired_by_tablet))
    _release_unused_licences(work, repository, facts, desired_by_tablet)
    if not channels:
        return
    states = DeviceRepository(work.session).load_declarative_states([channel.id for channel in channels.values()])
    probe_support(work, channels, desired_by_tablet, states)
    publish_set(work, _select_declarative(channels, desired_by_tablet, states), desired_by_tablet, states)
    # Publishing may have given up on some of them.
    declarative = _select_declarative(channels, desired_by_tablet, states)
    schedule_repairs(work, declarative, states)
    _enqueue_commands(work, repository, channels, facts, desired_by_tablet, states, set(declarative), trials)
    others = {
        tablet_id: channel for tablet_id, channel in channels.items() if tablet_id not in declarative and channel.id in states
    }
    if others:
        withdraw_sets(work, others, states, desired_by_tablet, repository.load_tablet_profiles(list(others)))


def _select_declarative(
    channels: Mapping[UUID, DeviceEnrollment],
    desired_by_tablet: Mapping[UUID, DesiredState],
    states: Mapping[int, DeclarativeState],
) -> dict[UUID, DeviceEnrollment]:
    """Return the channels of the tablets that are managed by declarations now."""
    return {
        tablet_id: channel
        for tablet_id, channel in channels.items()
        if uses_declarations(desired_by_tablet[tablet_id], states.get(channel.id))
    }


def _release_unused_licences(
    work: UnitOfWork,
    repository: ReconcileRepository,
    facts: Mapping[UUID, TabletFacts],
    desired_by_tablet: Mapping[UUID, DesiredState],
) -> None:
    """Release the licences of tablets that were given back or moved to another school, and enqueue the tablets that wait for them.

    At once, without waiting for the removal of the app: the tablet may be wiped before it answers.
    """
    away = {
        tablet_id: {app.app_id for app in desired_by_tablet[tablet_id].apps} if tablet_id in desired_by_tablet else set()
        for tablet_id, tablet in facts.items()
        if tablet.state in PUT_AWAY
    }
    freed = licences.release_licences_of_other_schools(
        work,
        {tablet_id: tablet.town_id for tablet_id, tablet in facts.items()},
        {tablet_id: tablet.school_id for tablet_id, tablet in facts.items()},
    )
    if away:
        freed += licences.release_other_licences(work, away)
    if freed:
        work.enqueue_job(Topic.RECONCILE, *repository.list_waiting_for_licence(freed))


def _enqueue_commands(
    work: UnitOfWork,
    repository: ReconcileRepository,
    channels: Mapping[UUID, DeviceEnrollment],
    facts: Mapping[UUID, TabletFacts],
    desired_by_tablet: Mapping[UUID, DesiredState],
    states: Mapping[int, DeclarativeState],
    declarative: set[UUID],
    trials: TrialsByTablet,
) -> None:
    """Enqueue what is not declared: the profiles of tablets without declarations, and apps. Equal commands share one body."""
    apps_by_tablet = repository.load_tablet_apps(list(channels))
    profile_rows = repository.load_tablet_profiles(list(channels), lock=True)
    open_keys_by_channel = repository.load_open_dedupe_keys([channel.id for channel in channels.values()])
    app_ids = {app_id for apps in apps_by_tablet.values() for app_id in apps}
    app_ids |= {app.app_id for tablet_id in channels for app in desired_by_tablet[tablet_id].apps}
    apps_by_id = repository.load_apps(sorted(app_ids))
    hashes = {sha256 for desired in desired_by_tablet.values() for sha256 in desired.list_profiles()}
    rendered_profiles = repository.load_rendered_profiles(sorted(hashes))
    licensed = reserve_licences(work, facts, {tablet_id: desired_by_tablet[tablet_id] for tablet_id in channels}, apps_by_tablet)
    batch: dict[str, tuple[Command, list[int]]] = {}
    opposites: set[tuple[str, int]] = set()
    renewals: dict[int, list[str]] = {}
    for tablet_id, channel in channels.items():
        desired, open_keys = desired_by_tablet[tablet_id], open_keys_by_channel.get(channel.id, set())
        row, companion = profile_rows.get(tablet_id), CompanionProfile(desired.sha256, is_removed=False)
        if tablet_id in declarative:
            companion = choose_companion_profile(desired, states[channel.id], work.now)
        commands: list[Command] = []
        if companion.sha256 is not None:
            commands += deliver_profile(work, tablet_id, rendered_profiles[companion.sha256], row, open_keys)
        elif companion.is_removed:
            commands += remove_profile(work, row, open_keys)
        commands += deliver_trial(work, tablet_id, desired.trial, trials.get(tablet_id, {}), rendered_profiles)
        if tablet_id in declarative and desired.declares_apps:
            rows = apps_by_tablet.get(tablet_id, {})
            state = states[channel.id]
            renewals[channel.id] = record_declared_apps(work, facts[tablet_id], desired, rows, licensed, state, apps_by_id)
        elif not defer_apps(work, channel, desired, states.get(channel.id)):
            rows = apps_by_tablet.get(tablet_id, {})
            commands += build_app_installs(work, facts[tablet_id], desired, rows, licensed, apps_by_id)
            surplus = [apps_by_id[app_id] for app_id in mark_surplus_apps(work, desired, rows)]
            commands += build_configuration_commands(work, facts[tablet_id], rows, apps_by_id)
            commands += [RemoveApplication(identifier=app.bundle_identifier) for app in surplus]
            opposites |= {(key, channel.id) for key in list_opposite_keys(desired, surplus) & open_keys}
        for command in commands:
            if isinstance(command, InstallProfile | SettingsCommand) or command.dedupe_key() not in open_keys:
                batch_key = f"{command.dedupe_key()}/{_compute_body_digest(command)}"
                batch.setdefault(batch_key, (command, []))[1].append(channel.id)
    _supersede_opposites(work, opposites)
    for command, enrollment_ids in batch.values():
        queue.enqueue_command(work, SYSTEM, command, enrollment_ids)
    renew_declarations(work, {channel_id: identifiers for channel_id, identifiers in renewals.items() if identifiers})


def _compute_body_digest(command: Command) -> str:
    """Return what tells apart commands of one key that tablets get with contents of their own; empty where all get the same."""
    match command:
        case InstallProfile():
            return hashlib.sha256(command.payload_data).hexdigest()
        case InstallApplication(configuration=dict() as configuration):
            return compute_digest(configuration) or ""
        case SettingsCommand():
            return hashlib.sha256(plistlib.dumps(list(command.settings))).hexdigest()
        case _:
            return ""


def _supersede_opposites(work: UnitOfWork, opposites: Collection[tuple[str, int]]) -> None:
    """Supersede the waiting commands with these dedupe keys and enrollments, with one statement for each key."""
    for key, group in groupby(sorted(opposites), itemgetter(0)):
        queue.supersede_commands(work, key, [enrollment_id for _, enrollment_id in group])


def enqueue_due_checks(work: UnitOfWork) -> None:
    """Enqueue every tablet whose declarations or profile are to be looked at again, or whose full decision is old, in one statement."""
    due = ReconcileRepository(work.session).select_due_checks(work.now)
    work.enqueue_selected_jobs(Topic.RECONCILE, due, lane=JobLane.BACKGROUND)


def retry_rules(work: UnitOfWork, tablet_id: UUID) -> bool:
    """Let a tablet's rules be delivered again now, by declarations if they had been given up. Returns False for one without channel."""
    repository = ReconcileRepository(work.session)
    channel = get_enrolled_channel(work, tablet_id)
    if channel is None:
        return False
    row = repository.load_tablet_profiles([tablet_id], lock=True).get(tablet_id)
    if row is not None:
        reset_attempts(work, row)
    for state in DeviceRepository(work.session).lock_declarative_states([channel.id]):
        reset_declarations(state)
    forget_failed_trials(work, [tablet_id])
    work.enqueue_job(Topic.RECONCILE, tablet_id)
    return True


def reevaluate_due_modes(work: UnitOfWork) -> None:
    """Enqueue every town in which the mode of a tablet is due for re-evaluation, in one statement."""
    towns = ScheduleRepository(work.session).select_towns_with_due_modes(work.now)
    work.enqueue_selected_jobs(Topic.MODES, towns, lane=JobLane.BACKGROUND)


def on_enrolled(work: UnitOfWork, enrollment_id: int) -> UUID | None:
    """Enqueue the first commands of a new enrollment: queries, then its desired state. Returns the id of its tablet.

    None when the enrollment has ended, or is a user channel.
    """
    channel = DeviceRepository(work.session).get_enrollment(enrollment_id)
    if channel is None or channel.state is not EnrollmentState.ENROLLED or channel.parent_id is not None:
        return None
    forget_reported_state(work, channel.tablet_id)
    for command in (build_device_query(), SecurityInfo(), ProfileList(managed_only=True), build_app_query()):
        queue.enqueue_command(work, SYSTEM, command, [channel.id], timing=DeliveryOptions(lane=Lane.NORMAL))
    reconcile_tablets(work, [channel.tablet_id])
    # The tablet reports the code for some days after the enrollment only; nobody waits for it now.
    queue.enqueue_command(work, SYSTEM, ActivationLockBypassCode(), [channel.id], timing=DeliveryOptions(lane=Lane.BACKGROUND))
    if channel.awaiting_configuration:
        queue.enqueue_command(work, SYSTEM, DeviceConfigured(), [channel.id], timing=DeliveryOptions(lane=Lane.BACKGROUND))
    return channel.tablet_id


def forget_reported_state(work: UnitOfWork, tablet_id: UUID) -> None:
    """Delete what is stored of the profiles and apps on a tablet: it has enrolled again, or was erased."""
    repository = ReconcileRepository(work.session)
    for rows in (
        repository.load_tablet_profiles([tablet_id]).values(),
        repository.load_tablet_apps([tablet_id]).get(tablet_id, {}).values(),
        repository.load_trials([tablet_id]).get(tablet_id, {}).values(),
    ):
        for row in rows:
            work.session.delete(row)
    work.session.flush()


def release_unfinished_setups(work: UnitOfWork) -> None:
    """Release the tablets that have waited in the Setup Assistant for longer than `SETUP_TIMEOUT`, whatever else failed."""
    waiting = DeviceRepository(work.session).list_awaiting_configuration(work.now - SETUP_TIMEOUT)
    if waiting:
        enrollment_ids, command = [channel.id for channel in waiting], DeviceConfigured()
        queue.raise_priority(work, command, enrollment_ids, Lane.URGENT)  # a postponed one would come last
        queue.enqueue_command(work, SYSTEM, command, enrollment_ids, timing=DeliveryOptions(lane=Lane.URGENT))
