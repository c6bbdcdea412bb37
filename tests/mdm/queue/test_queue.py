"""The queue through the connect loop: order, NotNow, redelivery, generations, deadlines, batches; on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import event

from cartable.clock import ManualClock
from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime
from enrollment.tablets.models import Tablet
from mdm.protocol.commands.base import Command as Order
from mdm.protocol.commands.queries import DeviceInformation, ProfileList, SecurityInfo
from mdm.protocol.commands.security import DeviceLock, EnableLostMode, EraseDevice
from mdm.queue import service as queue
from mdm.queue.models import Command, CommandAnswer, CommandState, SafetySwitch
from mdm.queue.repository import QueueRepository
from tests.mdm.queue.talking import batch, enrol, request, say

INFO = DeviceInformation(queries=("OSVersion",))


def _enqueue(runtime: Runtime, ids: list[int], *orders: Order) -> None:
    with runtime.open_unit_of_work() as work:
        for order in orders:
            queue.enqueue(work, SYSTEM, order, ids)


def _states(runtime: Runtime) -> list[CommandState]:
    with runtime.open_unit_of_work() as work:
        return [row.state for row in work.session.query(Command).order_by(Command.id)]


def test_inventory_polls_never_drown_a_lock_order(runtime: Runtime) -> None:
    """Failure table: the urgent lane is first, and equal refreshes wait once."""
    with runtime.open_unit_of_work() as work:
        [row] = enrol(work)
    _enqueue(runtime, [row.id], *[INFO, ProfileList(), SecurityInfo()] * 5)
    _enqueue(runtime, [row.id], EnableLostMode(message="Rendez-moi"))
    assert len(_states(runtime)) == 4
    first = say(runtime, row)
    assert first is not None
    assert first[0] == "EnableLostMode"


def test_not_now_is_skipped_in_this_conversation_and_offered_in_the_next(runtime: Runtime) -> None:
    """Failure table: NotNow dropped, or served in a loop."""
    with runtime.open_unit_of_work() as work:
        [row] = enrol(work)
    _enqueue(runtime, [row.id], INFO, SecurityInfo())
    first = say(runtime, row)
    assert first is not None
    second = say(runtime, row, "NotNow", first[1])
    assert second is not None
    assert second[0] != first[0]
    assert say(runtime, row, "Acknowledged", second[1]) is None
    again = say(runtime, row)
    assert again == first
    assert say(runtime, row, "Acknowledged", first[1]) is None


def test_what_is_put_off_gives_way_to_an_equal_one_and_is_over(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        [row] = enrol(work)
    _enqueue(runtime, [row.id], INFO)
    first = say(runtime, row)
    assert first is not None
    _enqueue(runtime, [row.id], INFO)
    assert say(runtime, row, "NotNow", first[1]) is not None
    with runtime.open_unit_of_work() as work:
        old, new = work.session.query(Command).order_by(Command.id)
        assert (old.state, new.state) == (CommandState.SUPERSEDED, CommandState.SENT)
        assert old.finished_at is not None


def test_an_unreadable_answer_advances_the_queue(runtime: Runtime) -> None:
    """Failure table: the head of the queue is blocked by an answer that nobody can read."""
    with runtime.open_unit_of_work() as work:
        [row] = enrol(work)
    _enqueue(runtime, [row.id], INFO, SecurityInfo())
    first = say(runtime, row)
    assert first is not None
    second = say(runtime, row, "Acknowledged", first[1], QueryResponses="not a dictionary")
    assert second is not None
    with runtime.open_unit_of_work() as work:
        found = queue.load_answer(work, work.session.query(CommandAnswer).one().command_id)
        assert found is not None
        assert found.error is not None
        assert found.error.startswith("unreadable answer")


def test_what_was_sent_and_never_answered_is_sent_again(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        [row] = enrol(work)
    _enqueue(runtime, [row.id], INFO)
    assert say(runtime, row) == say(runtime, row)
    with runtime.open_unit_of_work() as work:
        assert work.session.query(Command).one().deliveries == 2


def test_duplicate_answers_count_once_and_strange_ones_change_nothing(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        one, other = enrol(work, 2)
    _enqueue(runtime, [one.id, other.id], INFO)
    mine, theirs = say(runtime, one), say(runtime, other)
    assert mine is not None
    assert theirs is not None
    for _ in range(2):
        assert say(runtime, one, "Acknowledged", mine[1]) is None
    assert say(runtime, one, "Error", theirs[1]) is None, "an answer to somebody else's command"
    assert say(runtime, one, "Acknowledged", "not-a-uuid") is None
    assert sorted(_states(runtime)) == [CommandState.ACKNOWLEDGED, CommandState.SENT]


def test_a_deadline_ends_what_never_came(runtime: Runtime, clock: ManualClock) -> None:
    """Failure table: a reaper ends what passed its deadline."""
    with runtime.open_unit_of_work() as work:
        [row] = enrol(work)
    _enqueue(runtime, [row.id], INFO)
    clock.advance(timedelta(days=31))
    assert say(runtime, row) is None
    with runtime.open_unit_of_work() as work:
        assert queue.reap(work) == 1
    assert _states(runtime) == [CommandState.EXPIRED]


def test_a_new_enrolment_ends_the_commands_of_the_former_life(runtime: Runtime) -> None:
    """Failure table: generations."""
    with runtime.open_unit_of_work() as work:
        [row] = enrol(work)
    _enqueue(runtime, [row.id], INFO, SecurityInfo())
    sent = say(runtime, row)
    assert sent is not None
    with runtime.open_unit_of_work() as work:
        again = work.session.merge(row)
        again.generation = 2
        QueueRepository(work.session).supersede_life(row.id, 2, work.now)
    assert say(runtime, row) is None
    assert set(_states(runtime)) == {CommandState.SUPERSEDED}
    _enqueue(runtime, [row.id], INFO)
    assert say(runtime, row) is not None


def test_a_database_of_yesterday_does_not_send_yesterdays_wipe_again(runtime: Runtime) -> None:
    """Failure table: an erase that was sent waits for its own end and is never delivered twice."""
    with runtime.open_unit_of_work() as work:
        [row] = enrol(work)
    _enqueue(runtime, [row.id], EraseDevice())
    assert say(runtime, row) is not None
    assert say(runtime, row) is None
    assert _states(runtime) == [CommandState.SENT]


def test_an_order_of_unknown_outcome_that_must_not_repeat_is_not_repeated(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        [row] = enrol(work)
    _enqueue(runtime, [row.id], DeviceLock(message="Bonjour"))
    sent = say(runtime, row)
    assert sent is not None
    followed = say(runtime, row)
    assert followed in (None, sent)


def test_what_is_no_longer_allowed_is_ended_at_delivery(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        held, stopped, old = (enrol(work)[0] for _ in range(3))
        work.session.get_one(Tablet, held.tablet_id).evidence_hold = True
        work.session.add(SafetySwitch(town_id=stopped.town_id, stopped_at=work.now, reason="test"))
        work.session.get_one(Tablet, old.tablet_id).os_version = "8.0"
    _enqueue(runtime, [held.id, stopped.id], EraseDevice())
    _enqueue(runtime, [old.id], EnableLostMode(message="x"))
    for row in (held, stopped, old):
        assert say(runtime, row) is None
    assert _states(runtime) == [CommandState.CANCELLED, CommandState.CANCELLED, CommandState.REJECTED]


def test_statements_do_not_grow_with_the_batch(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        rows = enrol(work, 40)
    counts: list[int] = []
    for size in (2, 40):
        _enqueue(runtime, [row.id for row in rows[:size]], INFO)
        counted = 0

        def one(*_: object) -> None:
            nonlocal counted
            counted += 1

        event.listen(runtime.engine, "before_cursor_execute", one)
        replies = batch(runtime, [request(row) for row in rows[:size]])
        event.remove(runtime.engine, "before_cursor_execute", one)
        assert sum(1 for reply in replies if reply.body) == size
        counts.append(counted)
        from plistlib import loads

        answers = [
            request(row, "Acknowledged", loads(reply.body)["CommandUUID"], QueryResponses={})
            for row, reply in zip(rows, replies, strict=False)
        ]
        batch(runtime, answers)
    assert counts[0] == counts[1]


def test_the_same_tablet_twice_in_one_batch_is_answered_twice(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        [row] = enrol(work)
    _enqueue(runtime, [row.id], INFO)
    one, other = batch(runtime, [request(row), request(row)])
    assert one.body == other.body != b""


def test_enqueueing_tells_how_many_wait_and_counts_equal_ones_once(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        ids = [row.id for row in enrol(work, 3)]
        assert queue.enqueue(work, SYSTEM, INFO, ids[:2]).count == 2
        assert queue.enqueue(work, SYSTEM, INFO, ids).count == 1


def test_one_order_to_a_whole_town_is_a_constant_number_of_statements(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        rows = enrol(work, 60)
    counts = []
    for ids in ([rows[0].id], [row.id for row in rows]):
        counted = 0

        def one(*_: object) -> None:
            nonlocal counted
            counted += 1

        event.listen(runtime.engine, "before_cursor_execute", one)
        _enqueue(runtime, ids, SecurityInfo() if len(ids) == 1 else ProfileList())
        event.remove(runtime.engine, "before_cursor_execute", one)
        counts.append(counted)
    assert counts[0] == counts[1]


@pytest.mark.parametrize("status", ["Error", "CommandFormatError"])
def test_a_refused_command_is_over_and_the_next_follows(runtime: Runtime, status: str) -> None:
    with runtime.open_unit_of_work() as work:
        [row] = enrol(work)
    _enqueue(runtime, [row.id], INFO, SecurityInfo())
    first = say(runtime, row)
    assert first is not None
    chain = [{"ErrorCode": 12, "ErrorDomain": "MCMDMErrorDomain", "USEnglishDescription": "No."}]
    assert say(runtime, row, status, first[1], ErrorChain=chain) is not None
    with runtime.open_unit_of_work() as work:
        ended = work.session.query(Command).filter(Command.finished_at.is_not(None)).one()
        assert ended.why == "MCMDMErrorDomain 12 No."
