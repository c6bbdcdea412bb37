"""The queue through the connect loop: lanes, NotNow, redelivery, generations, deadlines, batches; on both databases."""

from __future__ import annotations

import plistlib
from datetime import timedelta

import pytest
from sqlalchemy import event, update

from cartable.clock import ManualClock
from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime
from enrollment.safeguards.models import StopSwitch
from enrollment.tablets.models import Tablet
from mdm.channel.authenticate import retire_enrollments
from mdm.channel.delivery import HOLD_TIME
from mdm.protocol.commands.base import Command
from mdm.protocol.commands.queries import DeviceInformation, ProfileList, SecurityInfo
from mdm.protocol.commands.security import DeviceLock, EnableLostMode, EraseDevice
from mdm.queue import service as queue
from mdm.queue.models import CommandResult, CommandState, EndReason, QueuedCommand
from mdm.queue.repository import QueueRepository
from mdm.queue.results import load_results
from tests.mdm.queue.connect_loop import build_request, enroll_tablets, process_batch, send_status

INFO = DeviceInformation(queries=("OSVersion",))


def _enqueue(runtime: Runtime, ids: list[int], *commands: Command) -> None:
    with runtime.open_unit_of_work() as work:
        for command in commands:
            queue.enqueue_command(work, SYSTEM, command, ids)


def _list_states(runtime: Runtime) -> list[CommandState]:
    with runtime.open_unit_of_work() as work:
        return [row.state for row in work.session.query(QueuedCommand).order_by(QueuedCommand.id)]


def test_inventory_polls_never_delay_a_lock_command(runtime: Runtime) -> None:
    """Failure table: the urgent lane is first, and equal queries wait once."""
    with runtime.open_unit_of_work() as work:
        [row] = enroll_tablets(work)
    _enqueue(runtime, [row.id], *[INFO, ProfileList(), SecurityInfo()] * 5)
    _enqueue(runtime, [row.id], EnableLostMode(message="Rendez-moi"))
    assert len(_list_states(runtime)) == 4
    first = send_status(runtime, row)
    assert first is not None
    assert first[0] == "EnableLostMode"


def test_not_now_is_skipped_in_this_conversation_and_offered_in_the_next(runtime: Runtime) -> None:
    """Failure table: NotNow dropped, or served in a loop."""
    with runtime.open_unit_of_work() as work:
        [row] = enroll_tablets(work)
    _enqueue(runtime, [row.id], INFO, SecurityInfo())
    first = send_status(runtime, row)
    assert first is not None
    second = send_status(runtime, row, "NotNow", first[1])
    assert second is not None
    assert second[0] != first[0]
    assert send_status(runtime, row, "Acknowledged", second[1]) is None
    again = send_status(runtime, row)
    assert again == first
    assert send_status(runtime, row, "Acknowledged", first[1]) is None


def test_a_deferred_command_is_superseded_by_an_equal_one(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        [row] = enroll_tablets(work)
    _enqueue(runtime, [row.id], INFO)
    first = send_status(runtime, row)
    assert first is not None
    _enqueue(runtime, [row.id], INFO)
    assert send_status(runtime, row, "NotNow", first[1]) is not None
    with runtime.open_unit_of_work() as work:
        old, new = work.session.query(QueuedCommand).order_by(QueuedCommand.id)
        assert (old.state, new.state) == (CommandState.SUPERSEDED, CommandState.SENT)
        assert old.finished_at is not None


def test_an_unreadable_response_ends_its_command(runtime: Runtime) -> None:
    """Failure table: the head of the queue is blocked by an unreadable answer."""
    with runtime.open_unit_of_work() as work:
        [row] = enroll_tablets(work)
    _enqueue(runtime, [row.id], INFO, SecurityInfo())
    first = send_status(runtime, row)
    assert first is not None
    second = send_status(runtime, row, "Acknowledged", first[1], QueryResponses="not a dictionary")
    assert second is not None
    with runtime.open_unit_of_work() as work:
        [result] = load_results(work, [work.session.query(CommandResult).one().command_id])
        assert result.error is not None
        assert result.error.startswith("unreadable response")


def test_a_sent_command_without_result_is_sent_again(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        [row] = enroll_tablets(work)
    _enqueue(runtime, [row.id], INFO)
    assert send_status(runtime, row) == send_status(runtime, row)
    with runtime.open_unit_of_work() as work:
        assert work.session.query(QueuedCommand).one().delivery_count == 2


def test_duplicate_results_count_once_and_foreign_ones_change_nothing(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        row, other_row = enroll_tablets(work, 2)
    _enqueue(runtime, [row.id, other_row.id], INFO)
    own_command, other_command = send_status(runtime, row), send_status(runtime, other_row)
    assert own_command is not None
    assert other_command is not None
    for _ in range(2):
        assert send_status(runtime, row, "Acknowledged", own_command[1]) is None
    assert send_status(runtime, row, "Error", other_command[1]) is None, "a result for a command of another tablet"
    assert send_status(runtime, row, "Acknowledged", "not-a-uuid") is None
    assert sorted(_list_states(runtime)) == [CommandState.ACKNOWLEDGED, CommandState.SENT]


def test_the_deadline_ends_an_undelivered_command(runtime: Runtime, clock: ManualClock) -> None:
    """Failure table: a reaper ends what passed its deadline."""
    with runtime.open_unit_of_work() as work:
        [row] = enroll_tablets(work)
    _enqueue(runtime, [row.id], INFO)
    clock.advance(timedelta(days=31))
    assert send_status(runtime, row) is None
    with runtime.open_unit_of_work() as work:
        assert queue.reap_commands(work) == 1
    assert _list_states(runtime) == [CommandState.EXPIRED]


def test_a_new_generation_ends_the_commands_of_the_former_one(runtime: Runtime) -> None:
    """Failure table: generations."""
    with runtime.open_unit_of_work() as work:
        [row] = enroll_tablets(work)
    _enqueue(runtime, [row.id], INFO, SecurityInfo())
    sent = send_status(runtime, row)
    assert sent is not None
    with runtime.open_unit_of_work() as work:
        enrollment = work.session.merge(row)
        enrollment.generation = 2
        QueueRepository(work.session).end_former_generations(row.id, 2, EndReason.ENROLLED_AGAIN, work.now)
    assert send_status(runtime, row) is None
    assert set(_list_states(runtime)) == {CommandState.SUPERSEDED}
    _enqueue(runtime, [row.id], INFO)
    assert send_status(runtime, row) is not None


def test_a_sent_erase_is_never_sent_again(runtime: Runtime) -> None:
    """Failure table: a restored database must not send yesterday's wipe again."""
    with runtime.open_unit_of_work() as work:
        [row] = enroll_tablets(work)
    _enqueue(runtime, [row.id], EraseDevice())
    assert send_status(runtime, row) is not None
    assert send_status(runtime, row) is None
    assert _list_states(runtime) == [CommandState.SENT]


def test_a_sent_lock_without_result_is_the_only_command_sent_again(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        [row] = enroll_tablets(work)
    _enqueue(runtime, [row.id], DeviceLock(message="Bonjour"))
    sent = send_status(runtime, row)
    assert sent is not None
    next_command = send_status(runtime, row)
    assert next_command in (None, sent)


def test_commands_no_longer_allowed_are_ended_at_delivery(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        on_hold, outdated = (enroll_tablets(work)[0] for _ in range(2))
        work.session.get_one(Tablet, on_hold.tablet_id).evidence_hold = True
        work.session.get_one(Tablet, outdated.tablet_id).os_version = "8.0"
    _enqueue(runtime, [on_hold.id], EraseDevice())
    _enqueue(runtime, [outdated.id], EnableLostMode(message="x"))
    for row in (on_hold, outdated):
        assert send_status(runtime, row) is None
    assert _list_states(runtime) == [CommandState.CANCELLED, CommandState.REJECTED]


def test_the_stop_switch_holds_an_erase_and_lets_the_rest_pass(runtime: Runtime, clock: ManualClock) -> None:
    with runtime.open_unit_of_work() as work:
        [row] = enroll_tablets(work)
        work.session.add(StopSwitch(town_id=row.town_id, stopped_at=work.now, reason="test"))
    _enqueue(runtime, [row.id], EraseDevice())
    _enqueue(runtime, [row.id], DeviceLock(message="Bonjour"))
    for _ in range(2):  # also after the time in which it is not looked at again
        lock = send_status(runtime, row)
        assert lock is not None
        assert lock[0] == "DeviceLock"
        clock.advance(HOLD_TIME)
    assert lock is not None
    send_status(runtime, row, "Acknowledged", lock[1])
    with runtime.open_unit_of_work() as work:
        [(command, _, tablet)] = queue.list_undelivered_destructive(work, SYSTEM, row.town_id).items
        assert (command.state, tablet.id) == (CommandState.QUEUED, row.tablet_id), "held, not lost"
        work.session.execute(update(StopSwitch).values(stopped_at=None))
    clock.advance(HOLD_TIME)
    erase = send_status(runtime, row)
    assert erase is not None
    assert erase[0] == "EraseDevice"


def test_a_tablet_that_was_disposed_of_is_not_unenrolled_while_the_town_is_stopped(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        [row] = enroll_tablets(work)
        retire_enrollments(work, row.tablet_id)
        work.session.add(StopSwitch(town_id=row.town_id, stopped_at=work.now, reason="test"))
    [response] = process_batch(runtime, [build_request(row)])
    assert (response.status, response.body) == (200, b"")
    with runtime.open_unit_of_work() as work:
        work.session.execute(update(StopSwitch).values(stopped_at=None))
    [response] = process_batch(runtime, [build_request(row)])
    assert response.status == 403


def test_statements_do_not_grow_with_the_batch(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        rows = enroll_tablets(work, 40)
    counts: list[int] = []
    for size in (2, 40):
        _enqueue(runtime, [row.id for row in rows[:size]], INFO)
        statement_count = 0

        def count_statement(*_: object) -> None:
            nonlocal statement_count
            statement_count += 1

        event.listen(runtime.engine, "before_cursor_execute", count_statement)
        responses = process_batch(runtime, [build_request(row) for row in rows[:size]])
        event.remove(runtime.engine, "before_cursor_execute", count_statement)
        assert sum(1 for response in responses if response.body) == size
        counts.append(statement_count)
        results = [
            build_request(row, "Acknowledged", plistlib.loads(response.body)["CommandUUID"], QueryResponses={})
            for row, response in zip(rows, responses, strict=False)
        ]
        process_batch(runtime, results)
    assert counts[0] == counts[1]


def test_two_requests_of_one_tablet_in_one_batch_get_the_same_command(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        [row] = enroll_tablets(work)
    _enqueue(runtime, [row.id], INFO)
    first, second = process_batch(runtime, [build_request(row), build_request(row)])
    assert first.body == second.body != b""


def test_enqueue_returns_the_number_of_new_commands(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        ids = [row.id for row in enroll_tablets(work, 3)]
        assert queue.enqueue_command(work, SYSTEM, INFO, ids[:2]).count == 2
        assert queue.enqueue_command(work, SYSTEM, INFO, ids).count == 1


def test_enqueueing_for_many_tablets_takes_a_constant_number_of_statements(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        rows = enroll_tablets(work, 60)
    counts = []
    for ids in ([rows[0].id], [row.id for row in rows]):
        statement_count = 0

        def count_statement(*_: object) -> None:
            nonlocal statement_count
            statement_count += 1

        event.listen(runtime.engine, "before_cursor_execute", count_statement)
        _enqueue(runtime, ids, SecurityInfo() if len(ids) == 1 else ProfileList())
        event.remove(runtime.engine, "before_cursor_execute", count_statement)
        counts.append(statement_count)
    assert counts[0] == counts[1]


@pytest.mark.parametrize("status", ["Error", "CommandFormatError"])
def test_a_refused_command_ends_and_the_next_is_delivered(runtime: Runtime, status: str) -> None:
    with runtime.open_unit_of_work() as work:
        [row] = enroll_tablets(work)
    _enqueue(runtime, [row.id], INFO, SecurityInfo())
    first = send_status(runtime, row)
    assert first is not None
    chain = [{"ErrorCode": 12, "ErrorDomain": "MCMDMErrorDomain", "USEnglishDescription": "No."}]
    assert send_status(runtime, row, status, first[1], ErrorChain=chain) is not None
    with runtime.open_unit_of_work() as work:
        ended = work.session.query(QueuedCommand).filter(QueuedCommand.finished_at.is_not(None)).one()
        assert ended.state_reason == "MCMDMErrorDomain 12 No."
