"""Compares the desired state of tablets with the reported one, and enqueues the commands that are missing.

What is desired is computed in `profiles.effective`. Never commits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from cartable.outbox import Topic
from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from enrollment.facts import TabletFacts, load_facts
from enrollment.tablets.rules import DECOMMISSIONED, PUT_AWAY
from mdm.devices.models import DeclarativeState, DeviceEnrollment, EnrollmentState
from mdm.devices.repository import DeviceRepository
from mdm.devices.service import get_enrolled_channel
from mdm.protocol.commands.actions import DeviceConfigured
from mdm.protocol.commands.apps import DEVICE_LICENCE, MANAGE, InstallApplication, RemoveApplication
from mdm.protocol.commands.base import Command
from mdm.protocol.commands.profiles import InstallProfile
from mdm.protocol.commands.queries import DeviceInformation, InstalledApplicationList, ProfileList, SecurityInfo
from mdm.queue import service as queue
from mdm.queue.models import Lane
from mdm.queue.service import DeliveryOptions
from mdm.reconcile.app_outcomes import get_retry_delay
from mdm.reconcile.declarations import (
    CompanionProfile,
    choose_companion_profile,
    defer_apps,
    probe_support,
    publish_set,
    record_declared_apps,
    reset_declarations,
    schedule_repairs,
    uses_declarations,
    withdraw_sets,
)
from mdm.reconcile.models import AppReason, AppState, TabletApp
from mdm.reconcile.profile_delivery import deliver_profile, remove_profile, reset_attempts
from mdm.reconcile.repository import ReconcileRepository
from profiles.apps import licences
from profiles.effective.compile import DesiredState, WantedApp, compute_desired_states
from profiles.schedule.repository import ScheduleRepository
from profiles.schedule.service import RETRY_AFTER, evaluate_modes, save_current_modes

#: What DeviceInformation asks for.
DEVICE_QUERIES = (
    "UDID", "DeviceName", "OSVersion", "BuildVersion", "ModelName", "ProductName", "SerialNumber", "IsSupervised", "BatteryLevel",
    "IsMDMLostModeEnabled", "AvailableDeviceCapacity",
)  # fmt: skip
APP_ITEMS = ("Identifier", "Installing", "DownloadFailed", "DownloadWaiting")
#: How often the installation of an app is tried.
MAX_ATTEMPTS = 5
#: How long a tablet may wait in the Setup Assistant.
SETUP_TIMEOUT = timedelta(minutes=10)
#: Age after which device information is asked for again.
REFRESH_AFTER = timedelta(hours=20)


def reconcile_tablets(work: UnitOfWork, tablet_ids: Sequence[UUID]) -> None:
    """Compare these tablets with their desired state and enqueue what is missing. Idempotent: a second run enqueues nothing."""
    repository = ReconcileRepository(work.session)
    facts = load_facts(work, tablet_ids)
    modes = evaluate_modes(work, facts.values())
    save_current_modes(work, facts, modes)
    licences.release_licences_of_tablets(
        work, [tablet_id for tablet_id, tablet in facts.items() if tablet.state in DECOMMISSIONED]
    )
    channels = {
        tablet_id: channel
        for tablet_id, channel in DeviceRepository(work.session).load_enrolled_channels(list(facts)).items()
        if facts[tablet_id].state not in DECOMMISSIONED
    }
    desired_by_tablet = compute_desired_states(work, [facts[tablet_id] for tablet_id in channels], modes) if channels else {}
    _release_licences_of_away(work, repository, facts, desired_by_tablet)
    if not channels:
        return
    states = DeviceRepository(work.session).load_declarative_states([channel.id for channel in channels.values()])
    probe_support(work, channels, desired_by_tablet, states)
    publish_set(work, _select_declarative(channels, desired_by_tablet, states), desired_by_tablet, states)
    # Publishing may have given up on some of them.
    declarative = _select_declarative(channels, desired_by_tablet, states)
    schedule_repairs(work, declarative, states)
    _enqueue_commands(work, repository, channels, facts, desired_by_tablet, states, set(declarative))
    others = {tablet_id: channel for tablet_id, channel in channels.items() if tablet_id not in declarative}
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


def _release_licences_of_away(
    work: UnitOfWork,
    repository: ReconcileRepository,
    facts: Mapping[UUID, TabletFacts],
    desired_by_tablet: Mapping[UUID, DesiredState],
) -> None:
    """Release the licences of tablets that were given back, and enqueue the tablets that wait for them.

    At once, without waiting for the removal of the app: the tablet may be wiped before it answers.
    """
    away = {
        tablet_id: {app.app_id for app in desired_by_tablet[tablet_id].apps} if tablet_id in desired_by_tablet else set()
        for tablet_id, tablet in facts.items()
        if tablet.state in PUT_AWAY
    }
    if away and (freed := licences.release_other_licences(work, away)):
        work.enqueue_job(Topic.RECONCILE, *repository.list_waiting_for_licence(freed))


def _enqueue_commands(
    work: UnitOfWork,
    repository: ReconcileRepository,
    channels: Mapping[UUID, DeviceEnrollment],
    facts: Mapping[UUID, TabletFacts],
    desired_by_tablet: Mapping[UUID, DesiredState],
    states: Mapping[int, DeclarativeState],
    declarative: set[UUID],
) -> None:
    """Enqueue what is not declared: the profiles of tablets without declarations, and apps. Equal commands share one body."""
    apps_by_tablet = repository.load_tablet_apps(list(channels))
    profile_rows = repository.load_tablet_profiles(list(channels), lock=True)
    open_keys_by_channel = repository.load_open_dedupe_keys([channel.id for channel in channels.values()])
    apps_by_id = repository.load_apps(list({app_id for apps in apps_by_tablet.values() for app_id in apps}))
    hashes = {sha256 for desired in desired_by_tablet.values() for sha256 in (desired.sha256, desired.companion_sha256) if sha256}
    rendered_profiles = repository.load_rendered_profiles(sorted(hashes))
    licensed = _reserve_licences(work, facts, {tablet_id: desired_by_tablet[tablet_id] for tablet_id in channels}, apps_by_tablet)
    batch: dict[str, tuple[Command, list[int]]] = {}
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
        if tablet_id in declarative and work.settings.declarative_apps:
            record_declared_apps(work, tablet_id, desired, apps_by_tablet.get(tablet_id, {}), states[channel.id])
        elif not defer_apps(work, channel, desired, states.get(channel.id)):
            commands += _build_app_installs(work, tablet_id, desired, apps_by_tablet.get(tablet_id, {}), licensed)
            surplus = _mark_surplus_apps(work, desired, apps_by_tablet.get(tablet_id, {}))
            commands += [RemoveApplication(identifier=apps_by_id[app_id].bundle_identifier) for app_id in surplus]
        for command in commands:
            if isinstance(command, InstallProfile) or command.dedupe_key() not in open_keys:
                batch_key = f"{command.dedupe_key()}/{companion.sha256 if isinstance(command, InstallProfile) else ''}"
                batch.setdefault(batch_key, (command, []))[1].append(channel.id)
    for command, enrollment_ids in batch.values():
        queue.enqueue_command(work, SYSTEM, command, enrollment_ids)


def enqueue_due_checks(work: UnitOfWork) -> None:
    """Enqueue every tablet whose declarations or profile are to be looked at again, in one statement."""
    work.enqueue_selected_jobs(Topic.RECONCILE, ReconcileRepository(work.session).select_due_checks(work.now))


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
    work.enqueue_job(Topic.RECONCILE, tablet_id)
    return True


def reevaluate_due_modes(work: UnitOfWork) -> None:
    """Enqueue every tablet whose mode is due for re-evaluation, in one statement, however late it is."""
    repository = ScheduleRepository(work.session)
    work.enqueue_selected_jobs(Topic.RECONCILE, repository.select_due(work.now))
    repository.postpone_evaluation(work.now, work.now + RETRY_AFTER)


def _reserve_licences(
    work: UnitOfWork,
    facts: Mapping[UUID, TabletFacts],
    desired_by_tablet: Mapping[UUID, DesiredState],
    apps_by_tablet: Mapping[UUID, Mapping[UUID, TabletApp]],
) -> dict[UUID, set[UUID]]:
    """Reserve licences of store apps. Returns, for each app, the tablets that have one, from before or from now on."""
    tablets_by_app: dict[UUID, list[UUID]] = {}
    for tablet_id, desired in desired_by_tablet.items():
        for app in desired.apps:
            row = apps_by_tablet.get(tablet_id, {}).get(app.app_id)
            if app.app_store_id is not None and (row is None or row.state in (AppState.WAITING, AppState.REMOVING)):
                tablets_by_app.setdefault(app.app_id, []).append(tablet_id)
    return {
        app_id: licences.reserve_licences(work, facts[tablet_ids[0]].town_id, app_id, tablet_ids)
        for app_id, tablet_ids in tablets_by_app.items()
    }


def _build_app_installs(
    work: UnitOfWork,
    tablet_id: UUID,
    desired: DesiredState,
    rows_by_app: dict[UUID, TabletApp],
    licensed: Mapping[UUID, set[UUID]],
) -> list[Command]:
    """Return the installations to enqueue, and store the state and reason of every desired app."""
    commands: list[Command] = []
    for app in desired.apps:
        if not app.is_installed_by_us:
            continue
        row = rows_by_app.get(app.app_id)
        if row is None:
            row = _new_waiting_app(work, tablet_id, app)
            work.session.add(row)
        elif row.state is AppState.REMOVING:
            row.state, row.attempts, row.changed_at = AppState.WAITING, 0, work.now
        elif row.state is not AppState.WAITING:
            continue  # installing, installed or failed: only a result or a person changes it
        if app.app_store_id is not None and tablet_id not in licensed.get(app.app_id, ()):
            row.reason = AppReason.NO_LICENCE
            continue
        if row.attempts == 0:  # else the reason of the last failure stays until the tablet reports something else
            row.reason = AppReason.WAITING_CONTACT
        if work.now >= row.changed_at + (get_retry_delay(row.reason, row.attempts) or timedelta(0)):
            commands.append(_build_install_command(app))
    return commands


def _new_waiting_app(work: UnitOfWork, tablet_id: UUID, app: WantedApp) -> TabletApp:
    return TabletApp(
        tablet_id=tablet_id,
        app_id=app.app_id,
        state=AppState.WAITING,
        reason=AppReason.WAITING_CONTACT,
        attempts=0,
        changed_at=work.now,
    )


def _build_install_command(app: WantedApp) -> Command:
    if app.app_store_id is not None:
        licence = {"PurchaseMethod": DEVICE_LICENCE}
        return InstallApplication(itunes_store_id=app.app_store_id, options=licence, management_flags=MANAGE)
    return InstallApplication(manifest_url=app.manifest_url, management_flags=MANAGE)


def _mark_surplus_apps(work: UnitOfWork, desired: DesiredState, rows_by_app: dict[UUID, TabletApp]) -> list[UUID]:
    """Mark the installed apps that no bundle of the tablet contains any more as removing. Returns their ids."""
    desired_ids = {app.app_id for app in desired.apps}
    surplus = []
    for app_id, row in rows_by_app.items():
        if app_id not in desired_ids and row.state is not AppState.REMOVING:
            row.state, row.changed_at = AppState.REMOVING, work.now
            surplus.append(app_id)
    return surplus


def on_enrolled(work: UnitOfWork, enrollment_id: int) -> UUID | None:
    """Enqueue the first commands of a new enrollment: queries, then its desired state. Returns the id of its tablet.

    None when the enrollment has ended, or is a user channel.
    """
    repository = ReconcileRepository(work.session)
    channel = DeviceRepository(work.session).get_enrollment(enrollment_id)
    if channel is None or channel.state is not EnrollmentState.ENROLLED or channel.parent_id is not None:
        return None
    _reset_tablet_state(work, repository, channel.tablet_id)
    for command in (_build_device_query(), SecurityInfo(), ProfileList(managed_only=True), _build_app_query()):
        queue.enqueue_command(work, SYSTEM, command, [channel.id], timing=DeliveryOptions(lane=Lane.NORMAL))
    reconcile_tablets(work, [channel.tablet_id])
    if channel.awaiting_configuration:
        queue.enqueue_command(work, SYSTEM, DeviceConfigured(), [channel.id], timing=DeliveryOptions(lane=Lane.BACKGROUND))
    return channel.tablet_id


def _reset_tablet_state(work: UnitOfWork, repository: ReconcileRepository, tablet_id: UUID) -> None:
    """Delete what was stored of profiles and apps in an earlier enrollment generation."""
    for rows in (
        repository.load_tablet_profiles([tablet_id]).values(),
        repository.load_tablet_apps([tablet_id]).get(tablet_id, {}).values(),
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


def enqueue_refresh(work: UnitOfWork, tablet_ids: Sequence[UUID]) -> None:
    """Enqueue queries for device information, profiles and apps. Each tablet has one open query of each kind at most."""
    enrollment_ids = [channel.id for channel in DeviceRepository(work.session).load_enrolled_channels(tablet_ids).values()]
    for command in (_build_device_query(), ProfileList(managed_only=True), _build_app_query()):
        queue.enqueue_command(work, SYSTEM, command, enrollment_ids)


def refresh_stale_tablets(work: UnitOfWork, limit: int = 500) -> None:
    """Enqueue a daily query for tablets that are in contact, in the background lane, where it delays nothing."""
    command = _build_device_query()
    repository = ReconcileRepository(work.session)
    stale_ids = repository.list_stale_enrollments(
        work.now - REFRESH_AFTER, work.now - timedelta(days=2), command.dedupe_key() or "", limit
    )
    if stale_ids:
        queue.enqueue_command(work, SYSTEM, command, stale_ids)
        queue.enqueue_command(work, SYSTEM, _build_app_query(), stale_ids)


def _build_device_query() -> DeviceInformation:
    return DeviceInformation(queries=DEVICE_QUERIES)


def _build_app_query() -> InstalledApplicationList:
    return InstalledApplicationList(managed_apps_only=True, items=APP_ITEMS)
