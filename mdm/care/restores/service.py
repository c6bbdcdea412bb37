"""Advances the timeline, and notices that the database is older than it was. Opens its own unit of work: the file follows the commit.

See docs/operator/backup.md#a-restored-database.
"""

from __future__ import annotations

import structlog

from cartable import audit
from cartable.alarms import AlarmKind, raise_alarm
from cartable.scope import SYSTEM
from cartable.timeline.file import read_point, write_point
from cartable.timeline.models import ClockPause, DatabaseRestore, RestoreEvidence, Timeline
from cartable.timeline.repository import TimelineRepository
from cartable.timeline.rules import ClockReading, TimelinePoint, has_jumped
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.safeguards import stop_switch
from mdm.care.restores.clock_repository import correct_waits
from mdm.care.restores.repository import RestoreRepository

log = structlog.get_logger()
#: Why every town is stopped after a restore; people read it beside the switch.
STOP_REASON = "The database was restored from a backup."


class TimelineWatch:
    """Watches database and clock for one process. Every process has one: each host has a file of its own."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._last_trusted: ClockReading | None = None

    def check(self) -> None:
        """Advance the timeline by one; react when the database is older than the file, or when the clock has jumped."""
        folder = self._runtime.settings.secrets_dir
        known = read_point(folder)
        with self._runtime.open_unit_of_work() as work:
            row = TimelineRepository(work.session).get_or_create_for_update(work.now, known)
            if known is not None and row.database_id != known.database_id:
                log.error(
                    "timeline.other_database", folder=str(folder), database=str(row.database_id), expected=str(known.database_id)
                )
                return
            if known is not None and row.position < known.position:
                notice_restore(work, row, RestoreEvidence.TIMELINE, known)
            row.position += 1
            if self.may_trust_clock(work):
                row.known_at = max(row.known_at, work.now)
            point = TimelinePoint(row.database_id, row.epoch, row.position, row.known_at)
        write_point(folder, point)

    def may_trust_clock(self, work: UnitOfWork) -> bool:
        """Return whether things may be deleted and may expire by the clock; record when that begins and ends."""
        repository = TimelineRepository(work.session)
        row, pause = repository.get(), repository.get_open_pause()
        reading = ClockReading(work.now, self._runtime.clock.uptime())
        if row is not None and has_jumped(row.known_at, reading, self._last_trusted, paused=pause is not None):
            if pause is None:
                _open_pause(work)
            elif work.now < pause.noticed_at:
                pause.noticed_at = work.now  # it has jumped once more: what is stored from here on will be corrected too
            return False
        if pause is not None and repository.end_pause(work.now):
            corrected = correct_waits(work.session, pause.noticed_at, work.now)
            audit.record_event(work, SYSTEM, "clock.came_back", "clock_pause", pause.id, town_id=None, corrected=corrected)
            log.warning("clock.came_back", now=work.now.isoformat(), corrected=corrected)
        if self._last_trusted is None or reading.now >= self._last_trusted.now:  # a clock that is behind is waited for
            self._last_trusted = reading
        return True


def advance_timeline(runtime: Runtime) -> None:
    """Advance the timeline after an act that cannot be taken back, so that a backup from before it is recognised."""
    folder = runtime.settings.secrets_dir
    known = read_point(folder)
    with runtime.open_unit_of_work() as work:
        row = TimelineRepository(work.session).get_or_create_for_update(work.now, known)
        if known is not None and (row.database_id != known.database_id or row.position < known.position):
            return  # the watch reacts
        row.position += 1
        point = TimelinePoint(row.database_id, row.epoch, row.position, row.known_at)
    write_point(folder, point)


def notice_restore_by_certificates(runtime: Runtime) -> None:
    """Notice a restore that only tablets prove: a certificate that the database does not know was issued since the last known one.

    So it is when database and file were restored together.
    """
    folder = runtime.settings.secrets_dir
    with runtime.open_unit_of_work() as work:
        repository = TimelineRepository(work.session)
        row = repository.get_or_create_for_update(work.now, read_point(folder))
        last = repository.get_last_restore()
        if not RestoreRepository(work.session).has_readoption_since(last.noticed_at if last else None):
            return
        notice_restore(work, row, RestoreEvidence.CERTIFICATE, None)
        row.position += 1
        point = TimelinePoint(row.database_id, row.epoch, row.position, row.known_at)
    write_point(folder, point)


def notice_restore(work: UnitOfWork, row: Timeline, evidence: RestoreEvidence, known: TimelinePoint | None) -> DatabaseRestore:
    """Record that the database was restored, and end what people may have withdrawn since the backup: a person decides anew.

    Commands that take something away expire, bulk erases are cancelled, and every town is stopped until people release it.
    """
    repository = RestoreRepository(work.session)
    for town_id in repository.list_town_ids():
        stop_switch.stop(work, SYSTEM, town_id, STOP_REASON)
    restore = DatabaseRestore(
        evidence=evidence,
        noticed_at=work.now,
        data_until=row.known_at,
        known_until=known.known_at if known else work.now,
        expired_commands=repository.expire_commands(work.now),
        cancelled_bulk_erases=repository.cancel_bulk_erases(work.now),
    )
    work.session.add(restore)
    row.epoch += 1
    if known is not None:
        row.position, row.known_at = known.position, max(row.known_at, known.known_at)
    work.session.flush()
    raise_alarm(
        work, None, AlarmKind.DATABASE_RESTORED, evidence=evidence.value, data_until=restore.data_until.isoformat(),
        expired_commands=restore.expired_commands, cancelled_bulk_erases=restore.cancelled_bulk_erases,
    )  # fmt: skip
    return restore


def _open_pause(work: UnitOfWork) -> None:
    repository = TimelineRepository(work.session)
    row = repository.get_or_create_for_update(work.now, None)
    if repository.get_open_pause() is not None:
        return  # another process was first
    pause = ClockPause(noticed_at=work.now, known_at=row.known_at)
    work.session.add(pause)
    work.session.flush()
    raise_alarm(work, None, AlarmKind.CLOCK_JUMPED, now=work.now.isoformat(), known_at=row.known_at.isoformat())
