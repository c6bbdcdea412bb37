"""Declarative management of tablets: which set is published, what has drifted, when commands are used instead.

The bytes of declarations are rendered in `profiles.render`; what a status report contains is read in `mdm.protocol.ddm`.
See docs/domain/declarations.md#support.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from cartable.outbox import Topic
from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from mdm.devices.models import DeclarativeState, DeviceEnrollment
from mdm.devices.repository import DeviceRepository
from mdm.protocol import ddm
from mdm.protocol.commands.actions import DeclarativeManagement
from mdm.protocol.commands.profiles import RemoveProfile
from mdm.queue import service as queue
from mdm.queue.results import CommandWithResult
from mdm.queue.service import DeliveryOptions
from mdm.reconcile.app_outcomes import Presence, read_declared_app
from mdm.reconcile.models import AppReason, AppState, TabletApp, TabletProfile
from mdm.reconcile.repository import ReconcileRepository
from profiles.apps import licences
from profiles.effective.compile import DesiredState
from profiles.render.apple import PROFILE_IDENTIFIER
from profiles.render.declarations import build_mode_properties
from profiles.schedule.modes import Mode

#: How often the same set is announced again to a tablet that reports another one, before commands are used instead.
MAX_REANNOUNCEMENTS = 4
#: How long a tablet may take from an announcement to its status report before the set is announced again.
REPORT_TIMEOUT = timedelta(minutes=10)
#: After this time the next mode applies, and an announcement of this one is of no use.
ANNOUNCEMENT_LIFETIME = timedelta(hours=12)


def uses_declarations(desired: DesiredState, state: DeclarativeState | None) -> bool:
    """Return whether this tablet is managed by declarations now: it supports them, has proved it by a status report, and they work."""
    if desired.declaration_set is None or state is None:
        return False
    return state.fallback_reason is None and state.reported_at is not None


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
        channel.id
        for tablet_id, channel in channels.items()
        if desired_by_tablet[tablet_id].declaration_set is not None and channel.id not in states
    ]
    for enrollment_id in unproved:
        repository.create_declarative_state(enrollment_id)
    if unproved:
        queue.enqueue_command(work, SYSTEM, DeclarativeManagement(data=ddm.build_tokens([], work.now)), unproved)


def publish_set(
    work: UnitOfWork,
    channels: Mapping[UUID, DeviceEnrollment],
    desired_by_tablet: Mapping[UUID, DesiredState],
    states: Mapping[int, DeclarativeState],
) -> None:
    """Announce to each of these tablets its declaration set and mode, unless it has confirmed them already.

    A tablet whose declarations do not work receives an empty set, and is managed by profiles from now on.
    """
    announced: dict[tuple[str, Mode], list[int]] = {}
    fallen_back: list[int] = []
    for tablet_id, channel in channels.items():
        desired, state = desired_by_tablet[tablet_id], states[channel.id]
        assert desired.declaration_set is not None
        if _needs_announcement(work, state, desired):
            state.set_sha256, state.mode = desired.declaration_set, desired.mode.value
            state.published_at, state.confirmed_at = work.now, None
            announced.setdefault((desired.declaration_set, desired.mode), []).append(channel.id)
        elif state.fallback_reason is not None:
            state.set_sha256, state.mode, state.declarative_only_since = None, None, None
            fallen_back.append(channel.id)
    items = ReconcileRepository(work.session).load_declaration_items(sorted({sha256 for sha256, _ in announced}))
    for (sha256, mode), enrollment_ids in announced.items():
        command = DeclarativeManagement(data=build_tokens(items[sha256], mode, work))
        queue.enqueue_command(
            work, SYSTEM, command, enrollment_ids, timing=DeliveryOptions(deadline=work.now + ANNOUNCEMENT_LIFETIME)
        )
    if fallen_back:
        queue.enqueue_command(work, SYSTEM, DeclarativeManagement(data=ddm.build_tokens([], work.now)), fallen_back)


def build_tokens(items: list[dict[str, object]], mode: Mode, work: UnitOfWork) -> bytes:
    """Return the synchronization tokens sent with an announcement: with them the tablet needs no separate tokens request."""
    properties = build_mode_properties(mode)
    return ddm.build_tokens([*items, {"Kind": properties.kind.value, **properties.to_document()}], work.now)


def _needs_announcement(work: UnitOfWork, state: DeclarativeState, desired: DesiredState) -> bool:
    """Return whether the set is new, was never reported in time, or has drifted. Counts attempts to repair in `state`."""
    if (state.set_sha256, state.mode) != (desired.declaration_set, desired.mode.value):
        state.repair_attempts = 0
        return True
    if state.published_at is None:
        return True
    if state.reported_declarations is None or state.reported_at is None or state.reported_at <= state.published_at:
        return work.now - state.published_at > REPORT_TIMEOUT
    if not has_drifted(state):
        return False
    reasons = "; ".join(ddm.describe_reasons(row) for row in ddm.list_invalid_declarations(state.reported_declarations))
    return _count_repair(state, reasons or "drift")


def has_drifted(state: DeclarativeState) -> bool:
    """Return whether the tablet reports another state than the published one."""
    return state.reported_at is not None and state.reported_declarations is not None and state.confirmed_at is None


def _count_repair(state: DeclarativeState, reason: str) -> bool:
    """Count one more attempt. Returns False, and records the reason to fall back to profiles, once all attempts are used."""
    state.repair_attempts += 1
    if state.repair_attempts > MAX_REANNOUNCEMENTS:
        state.fallback_reason = reason[:200]
        return False
    return True


def defer_apps(work: UnitOfWork, channel: DeviceEnrollment, desired: DesiredState, state: DeclarativeState | None) -> bool:
    """Return True, and enqueue a later run, while a new tablet may still prove that its apps can be declared."""
    if not work.settings.declarative_apps or desired.declaration_set is None or channel.enrolled_at is None:
        return False
    until = channel.enrolled_at + REPORT_TIMEOUT
    if (state is not None and (state.fallback_reason or state.reported_at)) or work.now >= until:
        return False
    work.enqueue_job(Topic.RECONCILE, channel.tablet_id, not_before=until)
    return True


_DECLARED_STATES = {
    Presence.INSTALLED: AppState.INSTALLED,
    Presence.INSTALLING: AppState.INSTALLING,
    Presence.UNINSTALLED: AppState.WAITING,
    Presence.REJECTED: AppState.FAILED,
    Presence.FAILED: AppState.FAILED,
}


def record_declared_apps(
    work: UnitOfWork, tablet_id: UUID, desired: DesiredState, rows_by_app: Mapping[UUID, TabletApp], state: DeclarativeState
) -> None:
    """Store the state of each declared app as the tablet last reported it (status item `app.managed.list`).

    Rows and licences of apps that are no longer declared are released.
    """
    reports = {row["identifier"]: read_declared_app(row) for row in ddm.list_managed_apps(state.status_items or {})}
    for app in desired.apps:
        if not app.is_installed_by_us:
            continue
        report = reports.get(app.bundle_identifier)
        current = (
            (AppState.WAITING, AppReason.WAITING_CONTACT)
            if report is None
            else (_DECLARED_STATES[report.presence], report.reason)
        )
        row = rows_by_app.get(app.app_id)
        if row is None:
            row = TabletApp(
                tablet_id=tablet_id, app_id=app.app_id, state=current[0], reason=current[1], attempts=0, changed_at=work.now
            )
            work.session.add(row)
        elif (row.state, row.reason) != current:
            row.state, row.reason, row.changed_at = *current, work.now
        if row.state is AppState.INSTALLED:
            licences.mark_assigned(work, app.app_id, tablet_id)
    desired_ids = {app.app_id for app in desired.apps}
    for app_id, row in rows_by_app.items():
        if app_id not in desired_ids:
            work.session.delete(row)  # the declaration was removed, and the system removes the app with it
            licences.release_licence(work, app_id, tablet_id)


def choose_companion_profile(
    work: UnitOfWork, channel: DeviceEnrollment, desired: DesiredState, row: TabletProfile | None, state: DeclarativeState
) -> str | None:
    """Return the hash of the profile that a tablet with declarations must have besides them; None when none is to be installed.

    Until the declared policy is active the full profile stays. Then it is replaced by the payloads that the operator excludes
    from declarations, under the same identifier, or is removed.
    """
    if state.confirmed_at is None and state.declarative_only_since is None:
        return None
    is_first_time = state.declarative_only_since is None
    state.declarative_only_since = state.declarative_only_since or work.now
    if desired.companion_sha256 is not None:
        return desired.companion_sha256
    if row is not None:
        reason = "the same rules are declared now" if is_first_time else "nothing is left beside declarations"
        queue.enqueue_command(work, SYSTEM, RemoveProfile(identifier=PROFILE_IDENTIFIER), [channel.id], reason=reason)
        work.session.delete(row)
    return None


def record_declarations_refused(work: UnitOfWork, outcome: CommandWithResult) -> None:
    """Record that a tablet refused declarations, and enqueue a run that manages it by profiles."""
    state = DeviceRepository(work.session).get_declarative_state(outcome.enrollment_id)
    if state is not None and not outcome.succeeded:
        state.fallback_reason = (outcome.error or "refused")[:200]
        state.set_sha256, state.mode = None, None
        work.enqueue_job(Topic.RECONCILE, outcome.tablet_id)
