"""A clock that was 400 days ahead for some minutes has come back: whatever was stored meanwhile waits no longer than usual."""

from __future__ import annotations

from datetime import timedelta

from cartable.clock import ManualClock
from cartable.database import UtcDateTime
from cartable.outbox import OutboxRow, Topic
from cartable.outbox_leases import claim_jobs
from cartable.scheduled_jobs import ScheduledJob
from cartable.unit_of_work import Runtime
from mdm.care.restores.clock_repository import CORRECTED_COLUMNS
from mdm.care.restores.service import TimelineWatch
from mdm.protocol.commands.queries import ProfileList
from mdm.queue.models import QueuedCommand
from mdm.tables import metadata
from mdm.worker.scheduler import prepare_schedule, run_due_job
from tests.mdm.queue.connect_loop import enqueue_for, enroll_tablets

JUMP = timedelta(days=400)
#: Instants that may be later than now, because people have planned them or they say how long something is valid.
PLANNED = {
    "bulk_erase.due_at",  # nothing is destroyed earlier than people were told
    "bulk_command.due_at",
    "device_certificate.not_before",
}


def test_jobs_and_schedule_go_on_when_the_clock_has_come_back(runtime: Runtime, clock: ManualClock) -> None:
    watch = TimelineWatch(runtime)
    prepare_schedule(runtime)
    watch.check()
    with runtime.open_unit_of_work() as work:
        [enrollment] = enroll_tablets(work)
    clock.jump(JUMP)
    watch.check()
    while run_due_job(runtime, watch, "worker"):
        pass
    enqueue_for(runtime, [enrollment.id], ProfileList())
    with runtime.open_unit_of_work() as work:
        work.enqueue_job(Topic.RECONCILE, enrollment.tablet_id, not_before=work.now + timedelta(seconds=20))
        assert claim_jobs(work.session, work.now, Topic.PUSH, 10)
    clock.jump(-JUMP)
    clock.advance(timedelta(minutes=1))
    watch.check()
    with runtime.open_unit_of_work() as work:
        latest = work.now + timedelta(days=2)
        assert all(row.not_before <= work.now for row in work.session.query(OutboxRow))
        assert all(row.next_run_at <= latest for row in work.session.query(ScheduledJob))
        assert work.session.query(QueuedCommand).one().deadline > latest, "what people ordered meanwhile is not ended earlier"
    clock.advance(timedelta(seconds=1))
    assert run_due_job(runtime, watch, "worker")
    with runtime.open_unit_of_work() as work:
        assert claim_jobs(work.session, work.now, Topic.PUSH, 10), "the lease of the wrong time has ended"


def test_a_clock_that_jumps_twice_leaves_nothing_of_either_time(runtime: Runtime, clock: ManualClock) -> None:
    watch = TimelineWatch(runtime)
    watch.check()
    clock.jump(JUMP)
    watch.check()
    clock.jump(timedelta(days=3) - JUMP)
    watch.check()
    with runtime.open_unit_of_work() as work:
        work.enqueue_job(Topic.ADE_SYNC, "server", not_before=work.now + timedelta(seconds=20))
    clock.jump(-timedelta(days=3))
    watch.check()
    with runtime.open_unit_of_work() as work:
        assert work.session.query(OutboxRow).filter_by(topic=Topic.ADE_SYNC).one().not_before <= work.now


def test_what_was_stored_before_the_jump_stays(runtime: Runtime, clock: ManualClock) -> None:
    watch = TimelineWatch(runtime)
    watch.check()
    tomorrow = clock.now() + timedelta(days=1)
    with runtime.open_unit_of_work() as work:
        work.enqueue_job(Topic.ADE_SYNC, "server", not_before=tomorrow)
    clock.jump(JUMP)
    watch.check()
    clock.jump(-JUMP)
    watch.check()
    with runtime.open_unit_of_work() as work:
        assert work.session.query(OutboxRow).filter_by(topic=Topic.ADE_SYNC).one().not_before == tomorrow


def test_every_wait_of_the_database_is_corrected() -> None:
    waits = {
        f"{table.name}.{column.name}"
        for table in metadata.sorted_tables
        for column in table.columns
        if isinstance(column.type, UtcDateTime)
        and (
            column.name.startswith("next_")
            or column.name in {"not_before", "lease_until", "paused_until", "test_at", "due_at", "mode_only_until"}
        )
    }
    corrected = {f"{table}.{column}" for table, columns in CORRECTED_COLUMNS.items() for column in columns}
    assert waits - PLANNED <= corrected
    assert not waits & corrected & PLANNED
    assert all(column in metadata.tables[table].c for table, columns in CORRECTED_COLUMNS.items() for column in columns)
