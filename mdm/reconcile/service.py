"""Desired minus reported, as commands. Decides nothing about policy; asks the queue, never the tablet. Never commits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from cartable.outbox import Topic
from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from enrollment.facts import TabletFacts, facts_for
from enrollment.identity.service import renewals_due
from enrollment.joining.profiles import IDENTIFIER as ENROLMENT
from enrollment.joining.profiles import renewal_profile
from enrollment.tablets.rules import AWAY, GONE
from mdm.devices.models import DeclarativeState, DeviceEnrollment, EnrollmentState
from mdm.protocol.commands.actions import DeviceConfigured
from mdm.protocol.commands.apps import DEVICE_LICENCE, MANAGE, InstallApplication, RemoveApplication
from mdm.protocol.commands.base import Command as Order
from mdm.protocol.commands.profiles import InstallProfile
from mdm.protocol.commands.queries import DeviceInformation, InstalledApplicationList, ProfileList, SecurityInfo
from mdm.push.service import active_topic
from mdm.queue import service as queue
from mdm.queue.models import Lane
from mdm.queue.service import Timing
from mdm.reconcile.declarations import announce, awaits_proof, beside_declarations, is_declared, note_apps, probe
from mdm.reconcile.models import AppReason, AppState, ProfileState, TabletApp, TabletProfile
from mdm.reconcile.repository import ReconcileRepository
from profiles.apps import licences
from profiles.effective.compile import Desired, WantedApp, desired_for
from profiles.schedule.repository import ModeRepository
from profiles.schedule.service import LOOK_AGAIN, keep, timed

FACTS = (
    "UDID", "DeviceName", "OSVersion", "BuildVersion", "ModelName", "ProductName", "SerialNumber", "IsSupervised", "BatteryLevel",
    "IsMDMLostModeEnabled", "AvailableDeviceCapacity",
)  # fmt: skip
APP_ITEMS = ("Identifier", "Installing", "DownloadFailed", "DownloadWaiting")
MAX_ATTEMPTS = 5
SETUP_PATIENCE = timedelta(minutes=10)
REFRESH_AFTER = timedelta(hours=20)


def decide(work: UnitOfWork, tablet_ids: Sequence[UUID]) -> None:
    """Compare each tablet with what it should be and order what is missing. Running it twice orders nothing twice."""
    repository = ReconcileRepository(work.session)
    facts = facts_for(work, tablet_ids)
    modes = timed(work, facts.values())
    keep(work, facts, modes)
    licences.release_all(work, [tablet_id for tablet_id, known in facts.items() if known.state in GONE])
    channels = {
        tablet_id: channel
        for tablet_id, channel in repository.enrolled(list(facts)).items()
        if facts[tablet_id].state not in GONE
    }
    desired = desired_for(work, [facts[tablet_id] for tablet_id in channels], modes) if channels else {}
    _put_away(work, repository, facts, desired)
    if not channels:
        return
    states = repository.declarative([channel.id for channel in channels.values()])
    probe(work, channels, desired, states)
    declared = {t: c for t, c in channels.items() if is_declared(desired[t], states.get(c.id))}
    announce(work, declared, desired, states)
    told = {t: c for t, c in channels.items() if is_declared(desired[t], states.get(c.id))}
    _command(work, repository, channels, facts, desired, states, set(told))


def _put_away(
    work: UnitOfWork, repository: ReconcileRepository, facts: Mapping[UUID, TabletFacts], desired: Mapping[UUID, Desired]
) -> None:
    """What came back gives its licences back at once: it may be wiped before it answers. Who waits for them is served."""
    away = {
        tablet_id: {app.app_id for app in desired[tablet_id].apps} if tablet_id in desired else set()
        for tablet_id, known in facts.items()
        if known.state in AWAY
    }
    if away and (freed := licences.release_besides(work, away)):
        work.enqueue_job(Topic.DECIDE, *repository.waiting_for(freed))


def _command(
    work: UnitOfWork,
    repository: ReconcileRepository,
    channels: Mapping[UUID, DeviceEnrollment],
    facts: Mapping[UUID, TabletFacts],
    desired: Mapping[UUID, Desired],
    states: Mapping[int, DeclarativeState],
    declared: set[UUID],
) -> None:
    """Order by commands what is not declared: profiles of tablets that know no declarations, and apps."""
    known_apps = repository.apps(list(channels))
    profiles = repository.profiles(list(channels))
    underway = repository.open_keys([channel.id for channel in channels.values()])
    details = repository.app_details(list({app_id for apps in known_apps.values() for app_id in apps}))
    hashes = {(each.beside_sha256 if tablet_id in declared else each.sha256) or "" for tablet_id, each in desired.items()}
    artefacts = repository.artefacts(sorted(hashes))
    licensed = _licensed(work, facts, {t: desired[t] for t in channels}, known_apps)
    batch: dict[str, tuple[Order, list[int]]] = {}
    for tablet_id, channel in channels.items():
        wanted, open_keys = desired[tablet_id], underway.get(channel.id, set())
        orders: list[Order] = []
        row = profiles.get(tablet_id)
        profile: str | None = wanted.sha256
        if tablet_id in declared:
            profile = beside_declarations(work, channel, wanted, row, states[channel.id])
        if profile and _profile_differs(work, tablet_id, profile, row):
            orders.append(InstallProfile(payload_data=artefacts[profile].signed, identifier=wanted.identifier))
        if tablet_id in declared and work.settings.declarative_apps:
            note_apps(work, tablet_id, wanted, known_apps.get(tablet_id, {}), states[channel.id])
        elif not awaits_proof(work, channel, wanted, states.get(channel.id)):
            orders += _missing_apps(work, tablet_id, wanted, known_apps.get(tablet_id, {}), licensed)
            surplus = _surplus_apps(work, wanted, known_apps.get(tablet_id, {}))
            orders += [RemoveApplication(identifier=details[app_id].bundle_identifier) for app_id in surplus]
        for order in orders:
            if isinstance(order, InstallProfile) or order.dedupe_key() not in open_keys:
                same = f"{order.dedupe_key()}/{profile if isinstance(order, InstallProfile) else ''}"
                batch.setdefault(same, (order, []))[1].append(channel.id)
    for order, enrollment_ids in batch.values():
        queue.enqueue(work, SYSTEM, order, enrollment_ids)


def change_modes(work: UnitOfWork) -> None:
    """The clock has moved on: every tablet whose hour has come is decided again, in one statement, late or not."""
    repository = ModeRepository(work.session)
    work.enqueue_selected_jobs(Topic.DECIDE, repository.due(work.now))
    repository.looked_at(work.now, work.now + LOOK_AGAIN)


def _profile_differs(work: UnitOfWork, tablet_id: UUID, wanted: str, row: TabletProfile | None) -> bool:
    """Whether the profile must be sent; remembers what is wanted from now on."""
    if row is None:
        work.session.add(
            TabletProfile(tablet_id=tablet_id, wanted_sha256=wanted, state=ProfileState.WAITING, changed_at=work.now)
        )
        return True
    if row.wanted_sha256 == wanted:
        return False
    row.wanted_sha256, row.state, row.why, row.changed_at = wanted, ProfileState.WAITING, None, work.now
    return True


def _licensed(
    work: UnitOfWork,
    facts: Mapping[UUID, TabletFacts],
    desired: Mapping[UUID, Desired],
    known: Mapping[UUID, Mapping[UUID, TabletApp]],
) -> dict[UUID, set[UUID]]:
    """For each app of the store, the tablets that may install it: those that hold or now get a licence."""
    wanting: dict[UUID, list[UUID]] = {}
    for tablet_id, wanted in desired.items():
        for app in wanted.apps:
            row = known.get(tablet_id, {}).get(app.app_id)
            if app.app_store_id is not None and (row is None or row.state in (AppState.WAITING, AppState.REMOVING)):
                wanting.setdefault(app.app_id, []).append(tablet_id)
    return {
        app_id: licences.reserve(work, facts[tablet_ids[0]].town_id, app_id, tablet_ids) for app_id, tablet_ids in wanting.items()
    }


def _missing_apps(
    work: UnitOfWork, tablet_id: UUID, wanted: Desired, known: dict[UUID, TabletApp], licensed: Mapping[UUID, set[UUID]]
) -> list[Order]:
    orders: list[Order] = []
    for app in wanted.apps:
        if not app.is_installed_by_us:
            continue
        row = known.get(app.app_id)
        if row is None:
            row = _waiting(work, tablet_id, app)
            work.session.add(row)
        elif row.state is AppState.REMOVING:
            row.state, row.attempts, row.changed_at = AppState.WAITING, 0, work.now
        elif row.state is not AppState.WAITING:
            continue  # on its way, there, or given up: an answer or a person moves it
        if app.app_store_id is not None and tablet_id not in licensed.get(app.app_id, ()):
            row.reason = AppReason.NO_LICENCE
            continue
        row.reason = AppReason.WAITING_CONTACT
        orders.append(_install(app))
    return orders


def _waiting(work: UnitOfWork, tablet_id: UUID, app: WantedApp) -> TabletApp:
    return TabletApp(
        tablet_id=tablet_id,
        app_id=app.app_id,
        state=AppState.WAITING,
        reason=AppReason.WAITING_CONTACT,
        attempts=0,
        changed_at=work.now,
    )


def _install(app: WantedApp) -> Order:
    if app.app_store_id is not None:
        licence = {"PurchaseMethod": DEVICE_LICENCE}
        return InstallApplication(itunes_store_id=app.app_store_id, options=licence, management_flags=MANAGE)
    return InstallApplication(manifest_url=app.manifest_url, management_flags=MANAGE)


def _surplus_apps(work: UnitOfWork, wanted: Desired, known: dict[UUID, TabletApp]) -> list[UUID]:
    """Apps that we installed and that no bundle of the tablet wants any more."""
    keep = {app.app_id for app in wanted.apps}
    surplus = []
    for app_id, row in known.items():
        if app_id not in keep and row.state is not AppState.REMOVING:
            row.state, row.changed_at = AppState.REMOVING, work.now
            surplus.append(app_id)
    return surplus


def welcome(work: UnitOfWork, enrollment_id: int) -> UUID | None:
    """First orders to a tablet that has just enrolled: what it is, then what it should be. Returns the tablet."""
    repository = ReconcileRepository(work.session)
    channel = repository.enrollment(enrollment_id)
    if channel is None or channel.state is not EnrollmentState.ENROLLED or channel.parent_id is not None:
        return None
    _new_life(work, repository, channel.tablet_id)
    for order in (_information(), SecurityInfo(), ProfileList(managed_only=True), _applications()):
        queue.enqueue(work, SYSTEM, order, [channel.id], timing=Timing(lane=Lane.NORMAL))
    decide(work, [channel.tablet_id])
    if channel.awaiting_configuration:
        queue.enqueue(work, SYSTEM, DeviceConfigured(), [channel.id], timing=Timing(lane=Lane.BACKGROUND))
    return channel.tablet_id


def _new_life(work: UnitOfWork, repository: ReconcileRepository, tablet_id: UUID) -> None:
    """An enrolment starts from nothing: what an earlier life had is not believed."""
    for rows in (repository.profiles([tablet_id]).values(), repository.apps([tablet_id]).get(tablet_id, {}).values()):
        for row in rows:
            work.session.delete(row)
    work.session.flush()


def unfinished_setups(work: UnitOfWork) -> None:
    """A tablet must not hang in the Setup Assistant: after ten minutes it is let go, whatever else failed."""
    waiting = ReconcileRepository(work.session).awaiting_since(work.now - SETUP_PATIENCE)
    if waiting:
        ids, order = [channel.id for channel in waiting], DeviceConfigured()
        queue.hasten(work, order, ids, Lane.URGENT)  # one that was put off would come after everything else that was
        queue.enqueue(work, SYSTEM, order, ids, timing=Timing(lane=Lane.URGENT))


def refresh(work: UnitOfWork, tablet_ids: Sequence[UUID]) -> None:
    """Ask tablets what they are and have. One open refresh of each kind per tablet."""
    channels = [channel.id for channel in ReconcileRepository(work.session).enrolled(tablet_ids).values()]
    for order in (_information(), ProfileList(managed_only=True), _applications()):
        queue.enqueue(work, SYSTEM, order, channels)


def refresh_stale(work: UnitOfWork, limit: int = 500) -> None:
    """Once a day, the facts of every tablet that is in use; in the background, so that it delays nothing."""
    order = _information()
    repository = ReconcileRepository(work.session)
    stale = repository.stale(work.now - REFRESH_AFTER, work.now - timedelta(days=2), order.dedupe_key() or "", limit)
    if stale:
        queue.enqueue(work, SYSTEM, order, stale)
        queue.enqueue(work, SYSTEM, _applications(), stale)


def renewals(work: UnitOfWork) -> None:
    """Tablets past two thirds of their certificate's life get a new one."""
    channels = ReconcileRepository(work.session).enrolled(renewals_due(work))
    work.enqueue_job(Topic.RENEW, *(channel.id for channel in channels.values()))


def renew(work: UnitOfWork, enrollment_id: int) -> None:
    """Send the enrolment profile again, with a fresh challenge. One that waits is replaced."""
    channel = ReconcileRepository(work.session).enrollment(enrollment_id)
    if channel is None or channel.state is not EnrollmentState.ENROLLED:
        return
    deadline = work.now + timedelta(minutes=work.settings.challenge_minutes)
    profile = renewal_profile(work, channel.tablet_id, _topic(work, channel), udid=channel.udid)
    order = InstallProfile(payload_data=profile, identifier=ENROLMENT)
    queue.enqueue(work, SYSTEM, order, [channel.id], reason="certificate renewal", timing=Timing(deadline=deadline))


def _topic(work: UnitOfWork, channel: DeviceEnrollment) -> str:
    """The topic the tablet enrolled with: it refuses an update with another one."""
    return channel.topic or active_topic(work)


def _information() -> DeviceInformation:
    return DeviceInformation(queries=FACTS)


def _applications() -> InstalledApplicationList:
    return InstalledApplicationList(managed_apps_only=True, items=APP_ITEMS)
