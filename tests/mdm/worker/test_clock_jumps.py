"""What the clock alone decides waits while the clock has jumped: every job that deletes, ends or sends."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cartable.clock import ManualClock
from cartable.unit_of_work import Runtime
from mdm.care.restores.service import TimelineWatch
from mdm.protocol.commands.queries import ProfileList
from mdm.queue.models import CommandState, QueuedCommand
from mdm.worker.schedule import DECIDED_BY_CLOCK, HOUSEKEEPING
from mdm.worker.scheduler import run_housekeeping
from tests.mdm.queue.connect_loop import enqueue_for, enroll_tablets

#: Jobs that ask, plan or compute anew; what they do with a wrong clock is undone by their next run.
HARMLESS = {
    "name_index",
    "resolvers",
    "modes",
    "checks",
    "licences",
    "filter_lists",
    "assignments",
    "organisations",
    "refresh",
    "silent_tablets",
    "contacts",
    "lost_cases",
    "audit_anchors",
    "audit_verification",
}


def test_each_job_is_either_harmless_or_waits_for_the_clock() -> None:
    assert HOUSEKEEPING.keys() == HARMLESS | DECIDED_BY_CLOCK
    assert not HARMLESS & DECIDED_BY_CLOCK


@pytest.mark.parametrize("name", sorted(DECIDED_BY_CLOCK))
def test_a_job_that_deletes_waits_while_the_clock_is_wrong(runtime: Runtime, clock: ManualClock, name: str) -> None:
    watch = TimelineWatch(runtime)
    watch.check()
    clock.jump(timedelta(days=400))
    assert run_housekeeping(runtime, watch, name) is False
    assert run_housekeeping(runtime, TimelineWatch(runtime), name) is False, "nor in a process that has just begun"
    clock.jump(timedelta(days=-400))
    clock.advance(timedelta(minutes=5))
    assert run_housekeeping(runtime, watch, name) is True


def _count_open(runtime: Runtime) -> int:
    with runtime.open_unit_of_work() as work:
        return work.session.query(QueuedCommand).filter_by(state=CommandState.QUEUED).count()


def test_orders_survive_a_jump_and_expire_after_the_summer(runtime: Runtime, clock: ManualClock) -> None:
    with runtime.open_unit_of_work() as work:
        [enrollment] = enroll_tablets(work)
    enqueue_for(runtime, [enrollment.id], ProfileList())
    watch = TimelineWatch(runtime)
    watch.check()
    clock.jump(timedelta(days=400))
    run_housekeeping(runtime, watch, "reap")
    assert _count_open(runtime) == 1
    clock.jump(timedelta(days=-400))
    run_housekeeping(runtime, watch, "reap")
    assert _count_open(runtime) == 1

    clock.advance(timedelta(days=62))  # the server was off in July and August
    assert run_housekeeping(runtime, TimelineWatch(runtime), "reap") is True
    assert _count_open(runtime) == 0
