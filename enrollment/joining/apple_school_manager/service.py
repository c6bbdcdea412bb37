"""Verbs of the organisation's list: take a key, read the list. Only `synchronise` commits, around the network."""

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
from enrollment.joining.apple_school_manager.client import Key, SchoolManager
from enrollment.joining.apple_school_manager.errors import BadOrganisationKey, NoOrganisationKey
from enrollment.joining.apple_school_manager.models import OrganisationKey
from enrollment.joining.apple_school_manager.ports import OrganisationError, OrganisationService, Trouble
from enrollment.joining.apple_school_manager.repository import OrganisationRepository

Connect = Callable[[Key, Settings, Callable[[], datetime]], OrganisationService]
log = structlog.get_logger()
EVERY = timedelta(hours=23)


def install_key(work: UnitOfWork, actor: Actor, town_id: UUID, key: Key) -> OrganisationKey:
    """Keep a town's key, sealed. Raises `BadOrganisationKey`."""
    actor.require_permission(Permission.GOVERN, town_id)
    try:
        loaded = load_pem_private_key(key.private_key.encode(), password=None)
    except (ValueError, TypeError) as error:
        raise BadOrganisationKey(why="unreadable") from error
    if not isinstance(loaded, ec.EllipticCurvePrivateKey) or not isinstance(loaded.curve, ec.SECP256R1):
        raise BadOrganisationKey(why="not P-256")
    if not key.client_id.upper().startswith(f"{key.kind.value.upper()}API."):
        raise BadOrganisationKey(why="client id")
    audit.record_event(work, actor, "organisation.key", "town", town_id, town_id=town_id, key_id=key.key_id)
    row = OrganisationRepository(work.session).key(town_id) or OrganisationKey(town_id=town_id, generation=0)
    row.kind, row.client_id, row.key_id, row.private_key = key.kind, key.client_id, key.key_id, key.private_key
    row.problem, row.needs_person = None, False
    work.session.add(row)
    work.session.flush()
    work.enqueue_job(Topic.ORGANISATION, town_id)
    return row


def ask(work: UnitOfWork, actor: Actor, town_id: UUID) -> OrganisationKey:
    """Let the list be read now. Raises `NoOrganisationKey`."""
    actor.require_permission(Permission.HANDLE, town_id)
    row = OrganisationRepository(work.session).key(town_id)
    if row is None:
        raise NoOrganisationKey
    audit.record_event(work, actor, "organisation.read", "town", town_id, town_id=town_id)
    work.enqueue_job(Topic.ORGANISATION, town_id)
    return row


def compare_all(work: UnitOfWork) -> None:
    """Once a day, every town that has a key."""
    work.enqueue_job(Topic.ORGANISATION, *OrganisationRepository(work.session).unread_since(work.now - EVERY))


def connect(key: Key, settings: Settings, now: Callable[[], datetime]) -> OrganisationService:
    """The real service."""
    return SchoolManager(key, settings.organisation_url, settings.organisation_token_url, now)


@dataclass(frozen=True, slots=True)
class Synced:
    """What one reading did, or why it did not."""

    problem: str | None
    retry_after: float | None = None
    devices: int = 0


def synchronise(runtime: Runtime, town_id: UUID, service: Connect = connect) -> Synced:
    """Read the whole list and who is assigned where, page by page. Nothing is forgotten before all of it has been read."""
    with runtime.open_unit_of_work() as work:
        row = OrganisationRepository(work.session).key(town_id)
        if row is None:
            return Synced(None)
        key = Key(row.kind, row.client_id, row.key_id, row.private_key)
        row.generation += 1
        generation = row.generation
    talk = service(key, runtime.settings, runtime.clock.now)
    try:
        return Synced(None, None, _read(runtime, town_id, generation, talk))
    except OrganisationError as error:
        with runtime.open_unit_of_work() as work:
            kept = OrganisationRepository(work.session).key(town_id)
            if kept is not None:
                kept.problem, kept.needs_person = f"{error.trouble.value}: {error}"[:200], error.trouble is Trouble.KEY
        if error.trouble is Trouble.KEY:
            log.error("organisation.alarm", town=str(town_id))  # noqa: TRY400 - for a person; the trace tells nothing
        return Synced(str(error), error.retry_after)
    finally:
        talk.close()


def _read(runtime: Runtime, town_id: UUID, generation: int, talk: OrganisationService) -> int:
    count = 0
    for page in talk.devices():
        with runtime.open_unit_of_work() as work:
            OrganisationRepository(work.session).keep(town_id, page, generation)
        count += len(page)
    for server in talk.servers():
        for serials in talk.assigned(server.id):
            with runtime.open_unit_of_work() as work:
                OrganisationRepository(work.session).assign(town_id, serials, server.name, generation)
    with runtime.open_unit_of_work() as work:
        OrganisationRepository(work.session).forget_unseen(town_id, generation)
        row = work.session.get_one(OrganisationKey, town_id)
        row.read_at, row.problem, row.needs_person = work.now, None, False
    return count
