"""Keeping the town's licences in step with Apps and Books. No transaction is open while the network is used.

A service that is away changes nothing on tablets: what is assigned stays, what waits goes on waiting, and the reason is shown.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from cartable import audit
from cartable.outbox import Topic
from cartable.scope import Actor, Permission
from cartable.unit_of_work import Runtime, UnitOfWork
from profiles.apps.apps_and_books.client import AppsAndBooks
from profiles.apps.apps_and_books.ports import LicenceErrorKind, LicenceService, LicenceServiceError
from profiles.apps.apps_and_books.repository import AppsAndBooksRepository, DueAssignments
from profiles.apps.errors import BadContentToken
from profiles.apps.licences import LICENCE_GRACE
from profiles.apps.models import LicencePool, LicenceState, LicenceToken

ConnectService = Callable[[str, str, Callable[[], datetime]], LicenceService]


@dataclass(frozen=True, slots=True)
class LicenceSyncResult:
    """What one synchronisation did."""

    assigned: int
    returned: int
    failed: int
    problem: str | None
    #: Seconds that the service asked us to wait.
    retry_after: float | None = None


def install_token(work: UnitOfWork, actor: Actor, town_id: UUID, content: str) -> LicenceToken:
    """Store a town's content token (.vpptoken), sealed. Raises `BadContentToken` when it cannot be read or has expired."""
    actor.require_permission(Permission.GOVERN, town_id)
    actor.require_reauthentication()
    text = "".join(content.split())
    try:
        fields = json.loads(base64.b64decode(text, validate=True))
        expires = datetime.fromisoformat(str(fields["expDate"]))
        if not fields["token"] or expires.tzinfo is None:
            raise ValueError("no token")
    except (ValueError, KeyError, TypeError) as error:
        raise BadContentToken(field="content", why="not a content token") from error
    if expires <= work.now:
        raise BadContentToken(field="content", why="it has expired")
    audit.record_event(work, actor, "licences.token", "town", town_id, town_id=town_id)
    row = AppsAndBooksRepository(work.session).get_token(town_id) or LicenceToken(town_id=town_id)
    row.content, row.location, row.expires, row.problem = text, str(fields.get("orgName", ""))[:160], expires, None
    work.session.add(row)
    work.session.flush()
    return row


def connect_service(token: str, url: str, now: Callable[[], datetime]) -> LicenceService:
    """Return a client of Apps and Books for the location of a token."""
    return AppsAndBooks(token, url, now)


def sync_licences(runtime: Runtime, town_id: UUID, connect: ConnectService = connect_service) -> LicenceSyncResult:
    """Assign reserved licences, take back released ones, and store how many the town owns."""
    with runtime.open_unit_of_work() as work:
        repository = AppsAndBooksRepository(work.session)
        row = repository.get_token(town_id)
        if row is None:
            return LicenceSyncResult(0, 0, 0, None)
        token, due = row.content, repository.get_due_assignments(town_id)
        server_id, url = str(row.id), work.settings.apps_and_books_url
    try:
        with closing(connect(token, url, runtime.clock.now)) as service:
            outcome = _exchange_assignments(service, server_id, due)
    except LicenceServiceError as error:
        with runtime.open_unit_of_work() as work:
            token_row = AppsAndBooksRepository(work.session).get_token(town_id)
            if token_row is not None:
                token_row.problem, token_row.checked_at = f"{error.kind.value}: {error}"[:200], work.now
        return LicenceSyncResult(0, 0, 0, str(error), error.retry_after)
    return _store_outcome(runtime, town_id, due, outcome)


@dataclass(frozen=True, slots=True)
class _SyncOutcome:
    totals: dict[int, int]
    assigned: set[tuple[int, str]]
    returned: set[tuple[int, str]]
    failed: set[tuple[int, str]]


def _exchange_assignments(service: LicenceService, server_id: str, due: DueAssignments) -> _SyncOutcome:
    location = service.get_location()
    if location.claimed_by not in (None, server_id):
        raise TokenClaimedElsewhere
    if location.claimed_by is None:
        service.claim(server_id, "Cartable")
    assigned: set[tuple[int, str]] = set()
    returned: set[tuple[int, str]] = set()
    failed: set[tuple[int, str]] = set()
    for adam_id, serials in due.to_return.items():
        failed_serials = {each.serial for each in service.disassociate(adam_id, serials)}
        returned |= {(adam_id, serial) for serial in serials if serial not in failed_serials}
    for adam_id, serials in due.to_assign.items():
        failed_serials = {each.serial for each in service.associate(adam_id, serials)}
        assigned |= {(adam_id, serial) for serial in serials if serial not in failed_serials}
        failed |= {(adam_id, serial) for serial in failed_serials}
    return _SyncOutcome(
        {each.adam_id: each.total for each in service.list_assets() if each.assignable}, assigned, returned, failed
    )


class TokenClaimedElsewhere(LicenceServiceError):
    """Another server uses the token: two servers on one token take licences from each other, so nothing is written."""

    def __init__(self) -> None:
        super().__init__(LicenceErrorKind.TOKEN, 0, "token used by another MDM server")


def _store_outcome(runtime: Runtime, town_id: UUID, due: DueAssignments, outcome: _SyncOutcome) -> LicenceSyncResult:
    with runtime.open_unit_of_work() as work:
        repository = AppsAndBooksRepository(work.session)
        row = repository.get_token(town_id)
        if row is not None:
            row.problem, row.checked_at = None, work.now
        apps = repository.get_apps_by_store_id(town_id)
        for adam_id, total in outcome.totals.items():
            if adam_id in apps:
                pool = repository.get_pool(apps[adam_id])
                if pool is None:
                    pool = LicencePool(app_id=apps[adam_id], town_id=town_id, total=total)
                pool.total, pool.updated_at = total, work.now
                work.session.add(pool)
        changed = []
        for (adam_id, serial), licence in repository.get_licences(town_id, due).items():
            # A tablet may have returned or reserved a licence in the meantime: its present state holds, the next sync sends it.
            if (adam_id, serial) in outcome.assigned and licence.state is LicenceState.RESERVED:
                licence.state, licence.since = LicenceState.ASSIGNED, work.now
                changed.append(licence.tablet_id)
            elif (adam_id, serial) in outcome.returned and licence.state is LicenceState.IN_GRACE:
                licence.until = licence.until or work.now + LICENCE_GRACE
                licence.returned = True
        work.session.flush()
        if changed:
            work.enqueue_selected_jobs(Topic.RECONCILE, repository.select_tablets(changed))
    return LicenceSyncResult(len(outcome.assigned), len(outcome.returned), len(outcome.failed), None)
