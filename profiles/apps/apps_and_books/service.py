"""Keeping the town's licences in step with Apps and Books. No transaction is open while the network is used.

A service that is away changes nothing on tablets: what is assigned stays, what waits goes on waiting, and the reason is shown.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from cartable import audit
from cartable.outbox import Topic
from cartable.scope import Actor, Permission
from cartable.unit_of_work import Runtime, UnitOfWork
from profiles.apps.apps_and_books.client import AppsAndBooks
from profiles.apps.apps_and_books.models import LicenceToken
from profiles.apps.apps_and_books.ports import LicenceService, LicenceServiceError, Trouble
from profiles.apps.apps_and_books.repository import Due, VppRepository
from profiles.apps.errors import BadContentToken
from profiles.apps.licences import GRACE
from profiles.apps.models import LicencePool, LicenceState

Connect = Callable[[str, str], LicenceService]


@dataclass(frozen=True, slots=True)
class Synced:
    """What one comparison did."""

    given: int
    returned: int
    failed: int
    problem: str | None
    #: Seconds that the service asked us to wait.
    retry_after: float | None = None


def install_token(work: UnitOfWork, actor: Actor, town_id: UUID, content: str) -> LicenceToken:
    """Keep a town's content token (.vpptoken), sealed. Raises `BadContentToken` when it is none or has expired."""
    actor.require_permission(Permission.GOVERN, town_id)
    text = "".join(content.split())
    try:
        said = json.loads(base64.b64decode(text, validate=True))
        expires = datetime.fromisoformat(str(said["expDate"]))
        if not said["token"] or expires.tzinfo is None:
            raise ValueError("no token")
    except (ValueError, KeyError, TypeError) as error:
        raise BadContentToken(field="content", why="not a content token") from error
    if expires <= work.now:
        raise BadContentToken(field="content", why="it has expired")
    audit.record_event(work, actor, "licences.token", "town", town_id, town_id=town_id)
    row = VppRepository(work.session).token(town_id) or LicenceToken(town_id=town_id)
    row.content, row.location, row.expires, row.problem = text, str(said.get("orgName", ""))[:160], expires, None
    work.session.add(row)
    work.session.flush()
    return row


def connect(token: str, url: str) -> LicenceService:
    """The real service."""
    return AppsAndBooks(token, url)


def synchronise(runtime: Runtime, town_id: UUID, service: Connect = connect) -> Synced:
    """Give what is reserved, take back what was released, and read how many the town owns."""
    with runtime.open_unit_of_work() as work:
        repository = VppRepository(work.session)
        row = repository.token(town_id)
        if row is None:
            return Synced(0, 0, 0, None)
        token, due = row.content, repository.due(town_id)
        server_id, url = str(row.id), work.settings.apps_and_books_url
    try:
        done = _talk(service(token, url), server_id, due)
    except LicenceServiceError as error:
        with runtime.open_unit_of_work() as work:
            kept = VppRepository(work.session).token(town_id)
            if kept is not None:
                kept.problem, kept.checked_at = f"{error.trouble.value}: {error}"[:200], work.now
        return Synced(0, 0, 0, str(error), error.retry_after)
    return _keep(runtime, town_id, due, done)


@dataclass(frozen=True, slots=True)
class _Done:
    totals: dict[int, int]
    given: set[tuple[int, str]]
    returned: set[tuple[int, str]]
    failed: set[tuple[int, str]]


def _talk(service: LicenceService, server_id: str, due: Due) -> _Done:
    location = service.location()
    if location.claimed_by not in (None, server_id):
        raise ClaimedElsewhere
    if location.claimed_by is None:
        service.claim(server_id, "Cartable")
    given: set[tuple[int, str]] = set()
    returned: set[tuple[int, str]] = set()
    failed: set[tuple[int, str]] = set()
    for adam_id, serials in due.to_return.items():
        bad = {each.serial for each in service.disassociate(adam_id, serials)}
        returned |= {(adam_id, serial) for serial in serials if serial not in bad}
    for adam_id, serials in due.to_give.items():
        bad = {each.serial for each in service.associate(adam_id, serials)}
        given |= {(adam_id, serial) for serial in serials if serial not in bad}
        failed |= {(adam_id, serial) for serial in bad}
    return _Done({each.adam_id: each.total for each in service.assets() if each.assignable}, given, returned, failed)


class ClaimedElsewhere(LicenceServiceError):
    """Another server uses the token: two servers on one token take licences from each other, so nothing is written."""

    def __init__(self) -> None:
        super().__init__(Trouble.TOKEN, 0, "token used by another MDM server")


def _keep(runtime: Runtime, town_id: UUID, due: Due, done: _Done) -> Synced:
    with runtime.open_unit_of_work() as work:
        repository = VppRepository(work.session)
        row = repository.token(town_id)
        if row is not None:
            row.problem, row.checked_at = None, work.now
        apps = repository.apps(town_id)
        for adam_id, total in done.totals.items():
            if adam_id in apps:
                pool = repository.pool(apps[adam_id])
                if pool is None:
                    pool = LicencePool(app_id=apps[adam_id], town_id=town_id, total=total)
                pool.total, pool.updated_at = total, work.now
                work.session.add(pool)
        changed = []
        for (adam_id, serial), licence in repository.licences(town_id, due).items():
            # A tablet may have given back or asked again during the talk: what it wants now holds, and is told next time.
            if (adam_id, serial) in done.given and licence.state is LicenceState.RESERVED:
                licence.state, licence.since = LicenceState.ASSIGNED, work.now
                changed.append(licence.tablet_id)
            elif (adam_id, serial) in done.returned and licence.state is LicenceState.IN_GRACE:
                licence.until = licence.until or work.now + GRACE
                licence.returned = True
        work.session.flush()
        if changed:
            work.enqueue_selected_jobs(Topic.RECONCILE, repository.among(changed))
    return Synced(len(done.given), len(done.returned), len(done.failed), None)
