"""A database that is older than the file beside the secrets: noticed, stopped, its orders expired. And a clock that jumps."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from cartable.alarms import Alarm, AlarmKind
from cartable.clock import ManualClock
from cartable.outbox import Topic
from cartable.scope import SYSTEM, Role
from cartable.timeline.clock_guard import ClockNotPaused, ClockNotTrusted, release_clock, require_trusted_clock
from cartable.timeline.file import UnreadableTimeline, read_point
from cartable.timeline.models import ClockPause, DatabaseRestore, Timeline
from cartable.timeline.repository import TimelineRepository
from cartable.unit_of_work import Runtime
from enrollment.places.models import Town
from enrollment.safeguards import stop_switch
from enrollment.safeguards.stop_switch import is_stopped
from mdm.care.erasing.bulk_repository import BulkEraseRepository
from mdm.care.erasing.models import BulkErase
from mdm.care.restores.service import TimelineWatch
from mdm.protocol.commands.queries import ProfileList
from mdm.protocol.commands.security import DeviceLock, EraseDevice
from mdm.queue.models import CommandBody, CommandState, EndReason, QueuedCommand
from mdm.worker.drains import drain
from tests.mdm.queue.connect_loop import enqueue_for, enroll_tablets, send_status
from tests.support.world import create_actor


def _read_states(runtime: Runtime) -> dict[str, tuple[CommandState, str | None]]:
    with runtime.open_unit_of_work() as work:
        rows = work.session.query(QueuedCommand, CommandBody).join(CommandBody, CommandBody.id == QueuedCommand.body_id)
        return {body.request_type: (command.state, command.state_reason) for command, body in rows}


def _count_restores(runtime: Runtime) -> int:
    with runtime.open_unit_of_work() as work:
        return work.session.query(DatabaseRestore).count()


def _take_back(runtime: Runtime, positions: int = 1) -> None:
    """Bring the database behind its file, as a backup from before does."""
    with runtime.open_unit_of_work() as work:
        work.session.execute(update(Timeline).values(position=Timeline.position - positions))


def test_a_restored_database_sends_nothing_that_takes_away(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        [enrollment] = enroll_tablets(work)
    enqueue_for(runtime, [enrollment.id], EraseDevice(), DeviceLock(), ProfileList())
    with runtime.open_unit_of_work() as work:
        work.session.add(BulkErase(town_id=enrollment.town_id, ticket="T", reason="summer", requested_at=work.now))
    watch = TimelineWatch(runtime)
    watch.check()
    _take_back(runtime)

    watch.check()
    expired = (CommandState.EXPIRED, EndReason.RESTORED.value)
    assert _read_states(runtime) == {"EraseDevice": expired, "DeviceLock": expired, "ProfileList": (CommandState.QUEUED, None)}
    with runtime.open_unit_of_work() as work:
        assert is_stopped(work, enrollment.town_id)
        [restore] = work.session.query(DatabaseRestore)
        assert (restore.expired_commands, restore.cancelled_bulk_erases) == (2, 1)
        assert BulkEraseRepository(work.session).list_due(work.now + timedelta(days=9)) == []
        assert work.session.query(Timeline).one().epoch == 2
        assert {alarm.kind for alarm in work.session.query(Alarm)} == {AlarmKind.STOPPED, AlarmKind.DATABASE_RESTORED}
    delivered = send_status(runtime, enrollment)
    assert delivered is not None
    assert delivered[0] == "ProfileList"

    watch.check()
    TimelineWatch(runtime).check()
    assert _count_restores(runtime) == 1, "a restore is noticed once, by whatever process"


def test_after_a_person_has_released_it_orders_go_out_again(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        [enrollment] = enroll_tablets(work)
    watch = TimelineWatch(runtime)
    watch.check()
    _take_back(runtime)
    watch.check()
    with runtime.open_unit_of_work() as work:
        people = [create_actor(Role.TOWN_ADMIN, work.session.get_one(Town, enrollment.town_id)) for _ in range(2)]
        stop_switch.request_release(work, people[0], enrollment.town_id, "checked")
        stop_switch.approve_release(work, people[1], enrollment.town_id)
    enqueue_for(runtime, [enrollment.id], EraseDevice())
    delivered = send_status(runtime, enrollment)
    assert delivered is not None
    assert delivered[0] == "EraseDevice"


def test_an_erase_is_not_delivered_before_anybody_has_noticed(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        [enrollment] = enroll_tablets(work)
    enqueue_for(runtime, [enrollment.id], EraseDevice())
    TimelineWatch(runtime).check()
    _take_back(runtime)
    assert send_status(runtime, enrollment) is None


def test_an_erase_that_was_sent_before_the_backup_still_tells_that_the_tablet_came_back_erased(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        [enrollment] = enroll_tablets(work)
    enqueue_for(runtime, [enrollment.id], EraseDevice())
    send_status(runtime, enrollment)
    watch = TimelineWatch(runtime)
    watch.check()
    _take_back(runtime)
    watch.check()
    assert _read_states(runtime)["EraseDevice"][0] is CommandState.SENT
    assert send_status(runtime, enrollment) is None, "it is never sent twice"


def test_each_irreversible_order_advances_the_timeline(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        [enrollment] = enroll_tablets(work)
    TimelineWatch(runtime).check()
    before = read_point(runtime.settings.secrets_dir)
    enqueue_for(runtime, [enrollment.id], ProfileList())
    drain(runtime, Topic.TIMELINE)
    assert read_point(runtime.settings.secrets_dir) == before
    enqueue_for(runtime, [enrollment.id], EraseDevice())
    drain(runtime, Topic.TIMELINE)
    after = read_point(runtime.settings.secrets_dir)
    assert before is not None
    assert after is not None
    assert before.is_behind(after)


def test_a_host_without_a_file_begins_where_the_database_is(runtime: Runtime) -> None:
    watch = TimelineWatch(runtime)
    watch.check()
    watch.check()
    runtime.settings.secrets_dir.joinpath("timeline.json").unlink()
    watch.check()
    point = read_point(runtime.settings.secrets_dir)
    assert point is not None
    assert (point.position, _count_restores(runtime)) == (3, 0)


def test_another_database_is_neither_taken_for_a_restored_one_nor_for_this_one(runtime: Runtime, tmp_path: Path) -> None:
    TimelineWatch(runtime).check()
    file = runtime.settings.secrets_dir / "timeline.json"
    with runtime.open_unit_of_work() as work:
        row = work.session.query(Timeline).one()
        file.write_text(file.read_text().replace(str(row.database_id), "00000000-0000-4000-8000-000000000000"))
    before = file.read_text()
    TimelineWatch(runtime).check()
    assert file.read_text() == before
    assert _count_restores(runtime) == 0


def test_a_damaged_file_lets_nothing_irreversible_out(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        [enrollment] = enroll_tablets(work)
    enqueue_for(runtime, [enrollment.id], EraseDevice())
    TimelineWatch(runtime).check()
    runtime.settings.secrets_dir.joinpath("timeline.json").write_text("{")
    assert send_status(runtime, enrollment) is None
    with pytest.raises(UnreadableTimeline, match="delete the file"):
        TimelineWatch(runtime).check()


def _is_paused(runtime: Runtime) -> bool:
    with runtime.open_unit_of_work() as work:
        return TimelineRepository(work.session).get_open_pause() is not None


def test_a_clock_that_jumps_is_believed_again_when_it_comes_back(runtime: Runtime, clock: ManualClock) -> None:
    watch = TimelineWatch(runtime)
    watch.check()
    clock.jump(timedelta(days=400))
    watch.check()
    watch.check()
    assert _is_paused(runtime)
    with runtime.open_unit_of_work() as work:
        assert [alarm.kind for alarm in work.session.query(Alarm)] == [AlarmKind.CLOCK_JUMPED]
    with runtime.open_unit_of_work() as work, pytest.raises(ClockNotTrusted):
        require_trusted_clock(work)
    clock.jump(timedelta(days=-400))
    clock.advance(timedelta(minutes=3))
    watch.check()
    assert not _is_paused(runtime)
    with runtime.open_unit_of_work() as work:
        require_trusted_clock(work)
        [pause] = work.session.query(ClockPause)
        assert pause.released_by_name is None


@pytest.mark.parametrize("days", [3, 62, 90])
def test_a_server_that_was_off_for_the_holidays_needs_nobody(runtime: Runtime, clock: ManualClock, days: int) -> None:
    TimelineWatch(runtime).check()
    clock.advance(timedelta(days=days))
    TimelineWatch(runtime).check()  # a new process
    assert not _is_paused(runtime)


def test_a_running_server_notices_a_jump_of_two_days(runtime: Runtime, clock: ManualClock) -> None:
    watch = TimelineWatch(runtime)
    watch.check()
    clock.advance(timedelta(days=2))  # it slept
    watch.check()
    assert not _is_paused(runtime)
    clock.jump(timedelta(days=2))
    watch.check()
    assert _is_paused(runtime)


def test_a_restart_while_the_clock_is_wrong_changes_nothing(runtime: Runtime, clock: ManualClock) -> None:
    watch = TimelineWatch(runtime)
    watch.check()
    clock.jump(timedelta(days=30))
    watch.check()
    restarted = TimelineWatch(runtime)
    restarted.check()
    assert _is_paused(runtime)
    clock.jump(timedelta(days=-30))
    restarted.check()
    assert not _is_paused(runtime)


def test_a_clock_that_falls_back_and_is_set_right_is_believed(runtime: Runtime, clock: ManualClock) -> None:
    watch = TimelineWatch(runtime)
    watch.check()
    clock.jump(timedelta(days=-2000))  # an empty battery
    watch.check()
    clock.advance(timedelta(days=1))
    clock.jump(timedelta(days=2000))
    watch.check()
    assert not _is_paused(runtime)


def test_a_person_says_that_the_clock_is_right(runtime: Runtime, clock: ManualClock) -> None:
    watch = TimelineWatch(runtime)
    watch.check()
    clock.jump(timedelta(days=400))
    watch.check()
    with runtime.open_unit_of_work() as work:
        release_clock(work, SYSTEM, "the battery of the clock was changed")
    watch.check()
    assert not _is_paused(runtime)
    with runtime.open_unit_of_work() as work, pytest.raises(ClockNotPaused):
        release_clock(work, SYSTEM, "again")


def test_two_processes_that_notice_a_restore_at_once_react_once(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        enroll_tablets(work)
    TimelineWatch(runtime).check()
    _take_back(runtime)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: TimelineWatch(runtime).check(), range(4)))
    assert _count_restores(runtime) == 1
    with runtime.open_unit_of_work() as work:
        assert work.session.query(Timeline).one().position == 5
    point = read_point(runtime.settings.secrets_dir)
    assert point is not None
    assert point.position == 5
