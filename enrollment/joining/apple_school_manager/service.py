"""Organisations in Apple School Manager: install a key, synchronise devices.

Only `sync_organisation` commits: no unit of work is open during a request to Apple.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from cartable import audit
from cartable.outbox import Topic
from cartable.scope import Actor, Permission
from cartable.settings import Settings
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.joining.apple_school_manager.client import ApiKey, SchoolManagerClient
from enrollment.joining.apple_school_manager.errors import InvalidOrganisationKey, NoOrganisationKey
from enrollment.joining.apple_school_manager.models import OrganisationKey
from enrollment.joining.apple_school_manager.ports import OrganisationError, OrganisationErrorKind, OrganisationService
from enrollment.joining.apple_school_manager.repository import OrganisationRepository

ConnectService = Callable[[ApiKey, Settings, Callable[[], datetime]], OrganisationService]
log = structlog.get_logger()
SYNC_INTERVAL = timedelta(hours=23)


def install_key(work: UnitOfWork, actor: Actor, town_id: UUID, key: ApiKey) -> OrganisationKey:
    """Store a town's key sealed, enqueue a synchronisation and return the key. Raises `InvalidOrganisationKey`, `Forbidden`."""
    actor.require_permission(Permission.GOVERN, town_id)
    actor.require_reauthentication()
    try:
        loaded = load_pem_private_key(key.private_key.encode(), password=None)
    except (ValueError, TypeError) as error:
        raise InvalidOrganisationKey(why="unreadable") from error
    if not isinstance(loaded, ec.EllipticCurvePrivateKey) or not isinstance(loaded.curve, ec.SECP256R1):
        raise InvalidOrganisationKey(why="not P-256")
    if not key.client_id.upper().startswith(f"{key.kind.value.upper()}API."):
        raise InvalidOrganisationKey(why="client id")
    audit.record_event(work, actor, "organisation.install_key", "town", town_id, town_id=town_id, key_id=key.key_id)
    row = OrganisationRepository(work.session).get_key(town_id) or OrganisationKey(town_id=town_id, generation=0)
    row.kind, row.client_id, row.key_id, row.private_key = key.kind, key.client_id, key.key_id, key.private_key
    row.last_error, row.needs_new_key = None, False
    work.session.add(row)
    work.session.flush()
    work.enqueue_job(Topic.APPLE_SCHOOL_MANAGER_SYNC, town_id)
    return row


def request_sync(work: UnitOfWork, actor: Actor, town_id: UUID) -> OrganisationKey:
    """Enqueue a synchronisation and return the key. Raises `NoOrganisationKey`, `Forbidden`."""
    actor.require_permission(Permission.HANDLE, town_id)
    row = OrganisationRepository(work.session).get_key(town_id)
    if row is None:
        raise NoOrganisationKey
    audit.record_event(work, actor, "organisation.request_sync", "town", town_id, town_id=town_id)
    work.enqueue_job(Topic.APPLE_SCHOOL_MANAGER_SYNC, town_id)
    return row


def schedule_syncs(work: UnitOfWork) -> None:
    """Enqueue a synchronisation of every town with a key that was not synchronised in the last day."""
    work.enqueue_job(
        Topic.APPLE_SCHOOL_MANAGER_SYNC,
        *OrganisationRepository(work.session).list_towns_not_synced_since(work.now - SYNC_INTERVAL),
    )


def connect_service(key: ApiKey, settings: Settings, now: Callable[[], datetime]) -> OrganisationService:
    """Return a client for Apple's API."""
    return SchoolManagerClient(key, settings.organisation_url, settings.organisation_token_url, now)


@dataclass(frozen=True, slots=True)
class OrganisationSyncResult:
    """What a synchronisation did, or why it failed."""

    error: str | None
    retry_after: float | None = None
    devices: int = 0


def sync_organisation(runtime: Runtime, town_id: UUID, connect: ConnectService = connect_service) -> OrganisationSyncResult:
    """Fetch all devices and their assignments page by page and return what was done. Nothing is deleted before all are fetched."""
    with runtime.open_unit_of_work() as work:
        row = OrganisationRepository(work.session).get_key(town_id)
        if row is None:
            return OrganisationSyncResult(None)
        key = ApiKey(row.kind, row.client_id, row.key_id, row.private_key)
        row.generation += 1
        generation = row.generation
    service = connect(key, runtime.settings, runtime.clock.now)
    try:
        return OrganisationSyncResult(None, None, _fetch_list(runtime, town_id, generation, service))
    except OrganisationError as error:
        with runtime.open_unit_of_work() as work:
            row = OrganisationRepository(work.session).get_key(town_id)
            if row is not None:
                row.last_error, row.needs_new_key = f"{error.kind.value}: {error}"[:200], error.kind is OrganisationErrorKind.KEY
        if error.kind is OrganisationErrorKind.KEY:
            log.error("organisation.alarm", town=str(town_id))  # noqa: TRY400 - for the operator; a traceback adds nothing
        return OrganisationSyncResult(str(error), error.retry_after)
    finally:
        service.close()


def _fetch_list(runtime: Runtime, town_id: UUID, generation: int, service: OrganisationService) -> int:
    count = 0
    for page in service.list_devices():
        with runtime.open_unit_of_work() as work:
            OrganisationRepository(work.session).store_devices(town_id, page, generation)
        count += len(page)
    for server in service.list_servers():
        for serials in service.list_assigned_serials(server.id):
            with runtime.open_unit_of_work() as work:
                OrganisationRepository(work.session).set_server(town_id, serials, server.name, generation)
    with runtime.open_unit_of_work() as work:
        OrganisationRepository(work.session).delete_unseen(town_id, generation)
        row = work.session.get_one(OrganisationKey, town_id)
        row.synced_at, row.last_error, row.needs_new_key = work.now, None, False
    return count
