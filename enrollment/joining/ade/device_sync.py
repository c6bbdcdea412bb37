"""Reading the list of assigned devices by pages (school-services.md section A.5): one transaction for a page and its cursor.

A crash between two pages loses nothing: the next run goes on from the cursor that was kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog

from cartable import locks
from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from enrollment.joining.ade import rules
from enrollment.joining.ade.models import AssignedDevice, AssignmentServer, Phase
from enrollment.joining.ade.parsing import TOLD
from enrollment.joining.ade.ports import Account, AssignmentError, AssignmentService, Device, Op, Page, ProfileStatus, Trouble
from enrollment.joining.ade.repository import AssignmentRepository
from enrollment.joining.ade.sync_lease import Talk
from enrollment.tablets import inventory

log = structlog.get_logger()
#: More pages than any town has; a service that never comes to an end is left until the next time.
MAX_PAGES = 10_000
_TABLETS = (None, "iPad")
#: Cursors with which nothing can be gone on from: the whole list is read again.
_LOST = frozenset({Trouble.CURSOR_EXPIRED, Trouble.CURSOR_INVALID, Trouble.CURSOR_REQUIRED})


@dataclass(slots=True)
class Read:
    """What a run has read."""

    pages: int = 0
    devices: int = 0
    entered: int = 0
    removed: int = 0


def read_devices(talk: Talk, service: AssignmentService, account: Account) -> Read:
    """Read what is new, or the whole list when that is due or nothing else can be done. Raises `AssignmentError`."""
    done, restarts = Read(), 0
    while done.pages < MAX_PAGES:
        with talk.work() as work:
            server = talk.server(work)
            if server.phase is Phase.SYNC and rules.is_whole_due(work.now, server.whole_at):
                begin_whole(server)
            if server.phase is Phase.FETCH and server.cursor is None:
                server.generation += 1
            phase, cursor = server.phase, server.cursor
        try:
            page = _ask(service, account, phase, cursor)
        except AssignmentError as error:
            if error.trouble is Trouble.CURSOR_EXHAUSTED:
                page = Page((), cursor or "", more=False)  # all of it has been read with this cursor
            elif error.trouble in _LOST and restarts == 0:
                log.warning("assignment.cursor_lost", server=str(talk.server_id), why=error.trouble.value)
                restarts += 1
                with talk.work() as work:
                    begin_whole(talk.server(work))
                continue
            else:
                raise
        if page.more and page.cursor == cursor:
            raise AssignmentError(Trouble.RETRY, "the service repeats a cursor")
        with talk.work() as work:
            finished = keep_page(work, talk.server(work), page, done)
        if finished and phase is Phase.SYNC:
            return done
    raise AssignmentError(Trouble.RETRY, "the list has no end")


def _ask(service: AssignmentService, account: Account, phase: Phase, cursor: str | None) -> Page:
    if phase is Phase.FETCH:
        return service.fetch(cursor, account.fetch_limit)
    if cursor is None:
        raise AssignmentError(Trouble.CURSOR_REQUIRED, "no cursor was kept")
    return service.sync(cursor, account.sync_limit)


def begin_whole(server: AssignmentServer) -> None:
    """Let the whole list be read from its beginning."""
    server.phase, server.cursor = Phase.FETCH, None


def keep_page(work: UnitOfWork, server: AssignmentServer, page: Page, done: Read) -> bool:
    """Store a page, and with it its cursor. Returns whether it was the last of its phase."""
    if page.unreadable:
        log.warning("assignment.unreadable_devices", server=str(server.id), count=page.unreadable)
    said = rules.last_words(page.devices)
    present = _keep_devices(work, server, said)
    done.pages += 1
    done.devices += len(page.devices)
    done.entered += _enter(work, server, present)
    server.cursor = page.cursor or server.cursor
    if page.more:
        return False
    if server.phase is Phase.FETCH:
        work.session.flush()
        done.removed += AssignmentRepository(work.session).remove_unseen(server.id, server.generation, work.now)
        server.phase, server.whole_at = Phase.SYNC, work.now
    server.synced_at = work.now
    return True


def _keep_devices(work: UnitOfWork, server: AssignmentServer, said: Mapping[str, Device]) -> list[str]:
    """Store what a page says. Returns the serial numbers of the tablets among them that are assigned now."""
    repository = AssignmentRepository(work.session)
    present = []
    known = repository.devices(server.id, list(said))
    for serial, device in said.items():
        row = known.get(serial)
        if row is None:
            row = AssignedDevice(server_id=server.id, town_id=server.town_id, serial=serial, generation=0, attempts=0)
            work.session.add(row)
        if rules.counts(device, row.op_date):
            _learn(row, device, work.now)
        if row.removed_at is None and row.family in _TABLETS:
            present.append(serial)
    work.session.flush()
    if server.phase is Phase.FETCH:
        repository.seen(server.id, list(said), server.generation)
    return present


def _learn(row: AssignedDevice, device: Device, now: datetime) -> None:
    """Take over what a page says of a device. What it does not say stays."""
    if device.op_date is not None:
        row.op_date = device.op_date
    if device.op is Op.DELETED:
        row.removed_at = row.removed_at or now
        return
    if row.removed_at is not None:  # back, from repair perhaps: it starts anew
        row.removed_at, row.result, row.attempts, row.retry_at = None, None, 0, None
    for name in TOLD:
        value = getattr(device, name)
        if value is not None:
            setattr(row, name, value)
    if device.profile_status in (ProfileStatus.EMPTY, ProfileStatus.REMOVED):
        row.profile_uuid = None


def _enter(work: UnitOfWork, server: AssignmentServer, present: list[str]) -> int:
    """Enter tablets that no inventory has as ordered. One of another town, or one that was given up, stays as it is."""
    locks.lock_town(work, server.town_id)  # an order may be entered at the desk meanwhile
    known = AssignmentRepository(work.session).tablets(present)
    new = [serial for serial in present if serial not in known]
    foreign = sum(town_id != server.town_id for town_id in known.values())
    if foreign:
        log.warning("assignment.tablets_of_another_town", server=str(server.id), count=foreign)
    if new:
        inventory.order(work, SYSTEM, server.town_id, new, f"device assignment {server.id}")
    return len(new)
