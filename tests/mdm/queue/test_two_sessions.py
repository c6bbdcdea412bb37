"""Late results, and commands that two sessions change at once: cancelled and never delivered, or delivered and answered."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import update

from cartable.clock import ManualClock
from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime, UnitOfWork
from mdm.channel.authenticate import handle_check_out, retire_enrollments
from mdm.devices.models import DeviceEnrollment
from mdm.protocol.commands.queries import ProfileList, SecurityInfo
from mdm.protocol.commands.security import EraseDevice
from mdm.queue import service as queue
from mdm.queue.batch_statements import BatchStatements
from mdm.queue.models import CommandResult, CommandState, EndReason, QueuedCommand
from mdm.queue.repository import QueueRepository
from mdm.queue.results import load_results
from mdm.queue.service import CannotCancel
from tests.mdm.queue.connect_loop import enqueue_for, enroll_tablets, send_status


@pytest.fixture
def row(runtime: Runtime) -> DeviceEnrollment:
    with runtime.open_unit_of_work() as work:
        return enroll_tablets(work)[0]


def _change(runtime: Runtime, **values: Any) -> None:
    with runtime.open_unit_of_work() as work:
        work.session.execute(update(QueuedCommand).values(**values))


def _run_in_thread(action: Callable[[], object]) -> tuple[threading.Thread, list[object]]:
    results: list[object] = []
    thread = threading.Thread(target=lambda: results.append(action()))
    thread.start()
    return thread, results


def test_a_command_that_is_being_cancelled_is_not_delivered(runtime: Runtime, row: DeviceEnrollment) -> None:
    """Failure table: cancel while the tablet asks."""
    enqueue_for(runtime, [row.id], SecurityInfo(), ProfileList())
    with runtime.open_unit_of_work() as work:
        queue.cancel_command(work, SYSTEM, 1)
        thread, delivered = _run_in_thread(lambda: send_status(runtime, row))
        thread.join(0.5)  # on PostgreSQL it has chosen the command and waits; on SQLite it waits to begin
    thread.join(20)
    [command] = delivered
    assert isinstance(command, tuple)
    assert command[0] == "ProfileList", "the next one goes out instead"
    with runtime.open_unit_of_work() as work:
        cancelled = work.session.get_one(QueuedCommand, 1)
        assert (cancelled.state, cancelled.delivery_count) == (CommandState.CANCELLED, 0)


def test_a_command_that_is_being_delivered_is_not_cancelled(runtime: Runtime, row: DeviceEnrollment) -> None:
    """Failure table: cancel while the tablet asks; the other order."""
    enqueue_for(runtime, [row.id], SecurityInfo())

    def cancel() -> str:
        try:
            with runtime.open_unit_of_work() as work:
                queue.cancel_command(work, SYSTEM, 1)
        except CannotCancel:
            return "refused"
        return "cancelled"

    with runtime.open_unit_of_work() as work:
        assert BatchStatements(work.session).mark_sent([1], work.now) == {1}
        thread, outcomes = _run_in_thread(cancel)
        thread.join(0.5)
    thread.join(20)
    assert outcomes == ["refused"]
    with runtime.open_unit_of_work() as work:
        assert work.session.get_one(QueuedCommand, 1).state is CommandState.SENT


def test_a_superseded_command_is_not_ended_a_second_time(runtime: Runtime, row: DeviceEnrollment) -> None:
    enqueue_for(runtime, [row.id], SecurityInfo())
    _change(runtime, state=CommandState.SUPERSEDED, state_reason="a newer command took its place")
    with runtime.open_unit_of_work() as work:
        BatchStatements(work.session).end_commands([(1, CommandState.CANCELLED, "stopped")], work.now)
    with runtime.open_unit_of_work() as work:
        assert work.session.get_one(QueuedCommand, 1).state is CommandState.SUPERSEDED


@pytest.mark.parametrize("state", [CommandState.EXPIRED, CommandState.SUPERSEDED, CommandState.CANCELLED, CommandState.FAILED])
def test_a_late_result_is_stored_whatever_the_state(runtime: Runtime, row: DeviceEnrollment, state: CommandState) -> None:
    enqueue_for(runtime, [row.id], SecurityInfo())
    delivered = send_status(runtime, row)
    assert delivered is not None
    _change(runtime, state=state, state_reason="deadline")
    for _ in range(2):
        assert send_status(runtime, row, "Acknowledged", delivered[1], SecurityInfo={"PasscodePresent": True}) is None
    with runtime.open_unit_of_work() as work:
        assert work.session.get_one(QueuedCommand, 1).state is state, "a final state never changes"
        assert work.session.query(CommandResult).one().status == "Acknowledged"
        [outcome] = load_results(work, [1])
        assert outcome.succeeded
        assert outcome.result == {"PasscodePresent": True}


def test_a_result_of_a_former_generation_is_stored_and_not_applied(runtime: Runtime, row: DeviceEnrollment) -> None:
    enqueue_for(runtime, [row.id], SecurityInfo())
    delivered = send_status(runtime, row)
    assert delivered is not None
    with runtime.open_unit_of_work() as work:
        enrollment = work.session.get_one(DeviceEnrollment, row.id)
        enrollment.generation = 2
        QueueRepository(work.session).end_former_generations(row.id, 2, EndReason.ENROLLED_AGAIN, work.now)
    assert send_status(runtime, row, "Acknowledged", delivered[1]) is None
    with runtime.open_unit_of_work() as work:
        [outcome] = load_results(work, [1])
        assert (outcome.state, outcome.is_current_generation) == (CommandState.SUPERSEDED, False)


def _check_out(work: UnitOfWork, row: DeviceEnrollment) -> None:
    handle_check_out(work, work.session.get_one(DeviceEnrollment, row.id))


def _retire(work: UnitOfWork, row: DeviceEnrollment) -> None:
    retire_enrollments(work, row.tablet_id)


@pytest.mark.parametrize(("end", "reason"), [(_check_out, EndReason.CHECKED_OUT), (_retire, EndReason.RETIRED)])
def test_the_end_of_an_enrollment_says_what_happened(
    runtime: Runtime,
    clock: ManualClock,
    row: DeviceEnrollment,
    end: Callable[[UnitOfWork, DeviceEnrollment], None],
    reason: EndReason,
) -> None:
    """A profile that was removed, or a tablet that was retired, proves no erase."""
    enqueue_for(runtime, [row.id], EraseDevice())
    assert send_status(runtime, row) is not None
    enqueue_for(runtime, [row.id], SecurityInfo())
    with runtime.open_unit_of_work() as work:
        end(work, row)
    with runtime.open_unit_of_work() as work:
        states = {(command.state, command.state_reason) for command in work.session.query(QueuedCommand)}
        assert states == {(CommandState.SUPERSEDED, reason.value)}
