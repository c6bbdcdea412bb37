"""Synchronises an ADE server with Apple: devices, profiles, activation locks.

Only `sync_server` commits: it opens a unit of work for each step, and none is open during a request to Apple.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from cartable.outbox import Topic
from cartable.unit_of_work import Runtime
from enrollment.joining.ade import lock_codes, rules
from enrollment.joining.ade.client import AdeClient
from enrollment.joining.ade.device_sync import DeviceSyncCounts, sync_devices
from enrollment.joining.ade.models import AdeAlarm, AdeDevice
from enrollment.joining.ade.oauth import TokenSecrets
from enrollment.joining.ade.ports import AdeAccount, AdeError, AdeErrorKind, AdeService
from enrollment.joining.ade.profiles import ProfileCounts, assign_profiles
from enrollment.joining.ade.repository import AdeRepository
from enrollment.joining.ade.sync_lease import LeaseLost, SyncLease

ConnectService = Callable[[TokenSecrets, str, Callable[[], datetime]], AdeService]
log = structlog.get_logger()


def connect_service(secrets: TokenSecrets, url: str, now: Callable[[], datetime]) -> AdeService:
    """Return a client for Apple's service."""
    return AdeClient(secrets, url, now)


@dataclass(frozen=True, slots=True)
class AdeSyncResult:
    """What a synchronisation did, or why it did nothing."""

    error: str | None
    retry_after: float | None = None
    devices: DeviceSyncCounts | None = None
    profiles: ProfileCounts | None = None


NOTHING_TO_DO = AdeSyncResult(None)
#: Another worker has the lease: try again later, in case it has not seen the latest change.
_BUSY = AdeSyncResult("busy", 30.0)
#: Errors that need a person; both enums use the same values.
_ALARMS = {AdeErrorKind(alarm.value): alarm for alarm in AdeAlarm if alarm is not AdeAlarm.OTHER_SERVER}


def sync_server(runtime: Runtime, server_id: UUID, connect: ConnectService = connect_service) -> AdeSyncResult:
    """Fetch changes from Apple, register new tablets, assign profiles, send activation locks; return what was done.

    If the service is away nothing changes but `last_error`. No transaction is open during a request.
    """
    lease = SyncLease(runtime, server_id)
    try:
        with lease.open_unit_of_work() as work:
            server = lease.get_server(work)
            secrets, url = server.token_secrets, work.settings.device_assignment_url
            expired = server.token_expires_at is not None and server.token_expires_at <= work.now
            pause = (server.paused_until - work.now).total_seconds() if server.paused_until else 0
    except LeaseLost:
        return _BUSY if _server_exists(runtime, server_id) else NOTHING_TO_DO
    try:
        if secrets is None:
            return NOTHING_TO_DO
        if expired:
            return _record_failure(lease, AdeError(AdeErrorKind.TOKEN_EXPIRED, "the token has expired"))
        if pause > 0:
            return AdeSyncResult("paused", pause)
        return _run_sync(lease, connect(TokenSecrets(**json.loads(secrets)), url, runtime.clock.now))
    except LeaseLost:
        return _BUSY
    finally:
        lease.release()


def _server_exists(runtime: Runtime, server_id: UUID) -> bool:
    with runtime.open_unit_of_work() as work:
        return AdeRepository(work.session).get_server(server_id) is not None


def _run_sync(lease: SyncLease, service: AdeService) -> AdeSyncResult:
    try:
        account = service.get_account()
        if not _matches_portal_server(lease, account):
            return _record_failure(lease, None)
        device_counts = sync_devices(lease, service, account)
        profile_counts = assign_profiles(lease, service, account)
        _send_activation_locks(lease, service)
    except AdeError as error:
        return _record_failure(lease, error)
    finally:
        service.close()
    with lease.open_unit_of_work() as work:
        server = lease.get_server(work)
        server.alarm = server.alarm_since = server.last_error = server.paused_until = None
        if device_counts.cursor_unusable:
            server.last_error = "the service repeats a cursor: all devices are fetched again at the next synchronisation"
        next_retry = AdeRepository(work.session).get_next_retry(server.id, work.now)
        if next_retry is not None:
            work.enqueue_job(Topic.ADE_SYNC, server.id, not_before=max(next_retry, work.now + rules.MIN_SYNC_INTERVAL))
    log.info("ade.synced", server=str(lease.server_id), **asdict(device_counts), **asdict(profile_counts))
    return AdeSyncResult(None, None, device_counts, profile_counts)


def _matches_portal_server(lease: SyncLease, account: AdeAccount) -> bool:
    """Return whether the token belongs to the MDM server whose devices are stored; the first synchronisation stores which it is."""
    with lease.open_unit_of_work() as work:
        server = lease.get_server(work)
        if server.server_uuid not in (None, account.server_uuid):
            return False
        server.server_uuid, server.server_name, server.org_name = account.server_uuid, account.server_name, account.org_name
        return True


def _send_activation_locks(lease: SyncLease, service: AdeService) -> None:
    """Send the activation locks that were requested, and store their results."""
    with lease.open_unit_of_work() as work:
        devices = AdeRepository(work.session).list_devices_to_lock(lease.server_id, LOCKS_AT_ONCE)
        requested = [(device.serial, device.lock_bypass_key) for device in devices]
    for serial, bypass_key in requested:
        result = service.enable_activation_lock(
            serial, lock_codes.derive_escrow_key(bytes.fromhex(bypass_key)) if bypass_key else None, ""
        )
        with lease.open_unit_of_work() as work:
            device = work.session.get_one(AdeDevice, (lease.server_id, serial))
            device.lock_result = result


def _record_failure(lease: SyncLease, error: AdeError | None) -> AdeSyncResult:
    """Store why a synchronisation failed, with an alarm if only a person can help, and return the result.

    `error` None: the token belongs to another MDM server of the portal.
    """
    with lease.open_unit_of_work() as work:
        server = lease.get_server(work)
        alarm = AdeAlarm.OTHER_SERVER if error is None else _ALARMS.get(error.kind)
        if alarm is not None and server.alarm is not alarm:
            server.alarm, server.alarm_since = alarm, work.now
            log.error("ade.alarm", server=str(server.id), alarm=alarm.value)
        retry_after = None if error is None else error.retry_after
        if retry_after is not None:
            server.paused_until = work.now + timedelta(seconds=retry_after)
        server.last_error = str(error or "the token belongs to another MDM server of the portal")[:200]
        return AdeSyncResult(server.last_error, retry_after)


LOCKS_AT_ONCE = 100
