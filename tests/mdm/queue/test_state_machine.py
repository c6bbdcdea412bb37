"""Random lives of a queue: whatever happens in whatever order, its invariants hold."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from cartable.clock import ManualClock
from cartable.scope import SYSTEM
from cartable.settings import Settings
from cartable.unit_of_work import Runtime
from mdm.protocol.commands.base import Command as Order
from mdm.protocol.commands.queries import DeviceInformation, ProfileList, SecurityInfo
from mdm.protocol.commands.security import EnableLostMode
from mdm.queue import service as queue
from mdm.queue.models import OPEN_STATES, Command, CommandState
from mdm.queue.repository import QueueRepository
from tests.conftest import KEYRING
from tests.mdm.queue.talking import enrol, say
from tests.support import databases

ORDERS: list[Order] = [DeviceInformation(queries=("OSVersion",)), SecurityInfo(), ProfileList(), EnableLostMode(message="x")]
FINAL = {state for state in CommandState if state not in OPEN_STATES}


class QueueLife(RuleBasedStateMachine):
    """Two tablets, one clock."""

    @initialize()
    def start(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.clock = ManualClock(datetime(2026, 11, 23, 8, tzinfo=UTC))
        engine = databases.fresh_sqlite(Path(self.folder.name))
        given = Settings(_env_file=None, data_dir=Path(self.folder.name), public_url="https://mdm.test")
        self.runtime = Runtime(settings=given, engine=engine, clock=self.clock, keyring=KEYRING)
        with self.runtime.open_unit_of_work() as work:
            self.rows = enrol(work, 2)
        self.held: dict[int, tuple[str, str]] = {}
        self.over: dict[int, CommandState] = {}

    @rule(who=st.integers(0, 1), order=st.sampled_from(ORDERS))
    def ask(self, who: int, order: Order) -> None:
        with self.runtime.open_unit_of_work() as work:
            queue.enqueue(work, SYSTEM, order, [self.rows[who].id])

    @rule(who=st.integers(0, 1))
    def idle(self, who: int) -> None:
        self._heard(who, say(self.runtime, self.rows[who]))

    @precondition(lambda self: self.held)
    @rule(data=st.data(), status=st.sampled_from(["Acknowledged", "Error", "NotNow", "CommandFormatError"]))
    def reply(self, data: st.DataObject, status: str) -> None:
        who = data.draw(st.sampled_from(sorted(self.held)))
        _, uuid = self.held.pop(who)
        self._heard(who, say(self.runtime, self.rows[who], status, uuid))

    @rule(hours=st.integers(1, 24 * 20))
    def wait(self, hours: int) -> None:
        self.clock.advance(timedelta(hours=hours))
        with self.runtime.open_unit_of_work() as work:
            queue.reap(work)

    @rule(who=st.integers(0, 1))
    def enrol_again(self, who: int) -> None:
        with self.runtime.open_unit_of_work() as work:
            row = work.session.merge(self.rows[who])
            row.generation += 1
            QueueRepository(work.session).supersede_life(row.id, row.generation, work.now)
            self.rows[who] = row
        self.held.pop(who, None)

    def _heard(self, who: int, command: tuple[str, str] | None) -> None:
        if command is not None:
            self.held[who] = command

    @invariant()
    def hold(self) -> None:
        if not hasattr(self, "runtime"):
            return
        with self.runtime.open_unit_of_work() as work:
            rows = work.session.query(Command).all()
            for row in rows:
                assert (row.finished_at is not None) == (row.state in FINAL)
                if row.id in self.over:
                    assert row.state is self.over[row.id], "what is over stays as it ended"
                if row.state in FINAL:
                    self.over[row.id] = row.state
            waiting = [(r.enrollment_id, r.dedupe_key) for r in rows if r.state in (CommandState.QUEUED, CommandState.NOT_NOW)]
            assert len(waiting) == len(set(waiting)), "equal commands wait once"
            for row in rows:
                enrollment = next(each for each in self.rows if each.id == row.enrollment_id)
                assert row.state not in OPEN_STATES or row.generation == enrollment.generation

    def teardown(self) -> None:
        if hasattr(self, "runtime"):
            self.runtime.engine.dispose()
            self.folder.cleanup()


TestQueueLife = QueueLife.TestCase
TestQueueLife.settings = settings(max_examples=8, stateful_step_count=20, deadline=None)
