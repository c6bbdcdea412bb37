"""A random sequence of queue events: the invariants of the queue hold after each of them."""

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
from mdm.protocol.commands.base import Command
from mdm.protocol.commands.queries import DeviceInformation, ProfileList, SecurityInfo
from mdm.protocol.commands.security import EnableLostMode
from mdm.queue import service as queue
from mdm.queue.models import OPEN_STATES, CommandState, EndReason, QueuedCommand
from mdm.queue.repository import QueueRepository
from tests.conftest import KEYRING
from tests.mdm.queue.connect_loop import enroll_tablets, send_status
from tests.support import databases
from tests.support.sampling import count_examples

COMMANDS: list[Command] = [DeviceInformation(queries=("OSVersion",)), SecurityInfo(), ProfileList(), EnableLostMode(message="x")]
FINAL_STATES = {state for state in CommandState if state not in OPEN_STATES}


class QueueMachine(RuleBasedStateMachine):
    """Two tablets, one clock."""

    @initialize()
    def start(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.clock = ManualClock(datetime(2026, 11, 23, 8, tzinfo=UTC))
        engine = databases.create_sqlite_engine(Path(self.folder.name))
        app_settings = Settings(_env_file=None, data_dir=Path(self.folder.name), public_url="https://mdm.test")
        self.runtime = Runtime(settings=app_settings, engine=engine, clock=self.clock, keyring=KEYRING)
        with self.runtime.open_unit_of_work() as work:
            self.enrollments = enroll_tablets(work, 2)
        self.delivered: dict[int, tuple[str, str]] = {}
        self.final_states: dict[int, CommandState] = {}

    @rule(tablet_index=st.integers(0, 1), command=st.sampled_from(COMMANDS))
    def enqueue(self, tablet_index: int, command: Command) -> None:
        with self.runtime.open_unit_of_work() as work:
            queue.enqueue_command(work, SYSTEM, command, [self.enrollments[tablet_index].id])

    @rule(tablet_index=st.integers(0, 1))
    def send_idle(self, tablet_index: int) -> None:
        self._remember_delivery(tablet_index, send_status(self.runtime, self.enrollments[tablet_index]))

    @precondition(lambda self: self.delivered)
    @rule(data=st.data(), status=st.sampled_from(["Acknowledged", "Error", "NotNow", "CommandFormatError"]))
    def send_result(self, data: st.DataObject, status: str) -> None:
        tablet_index = data.draw(st.sampled_from(sorted(self.delivered)))
        _, uuid = self.delivered.pop(tablet_index)
        self._remember_delivery(tablet_index, send_status(self.runtime, self.enrollments[tablet_index], status, uuid))

    @rule(hours=st.integers(1, 24 * 20))
    def advance_clock(self, hours: int) -> None:
        self.clock.advance(timedelta(hours=hours))
        with self.runtime.open_unit_of_work() as work:
            queue.reap_commands(work)

    @rule(tablet_index=st.integers(0, 1))
    def enroll_again(self, tablet_index: int) -> None:
        with self.runtime.open_unit_of_work() as work:
            row = work.session.merge(self.enrollments[tablet_index])
            row.generation += 1
            QueueRepository(work.session).end_former_generations(row.id, row.generation, EndReason.ENROLLED_AGAIN, work.now)
            self.enrollments[tablet_index] = row
        self.delivered.pop(tablet_index, None)

    def _remember_delivery(self, tablet_index: int, command: tuple[str, str] | None) -> None:
        if command is not None:
            self.delivered[tablet_index] = command

    @invariant()
    def assert_queue_invariants(self) -> None:
        if not hasattr(self, "runtime"):
            return
        with self.runtime.open_unit_of_work() as work:
            rows = work.session.query(QueuedCommand).all()
            for row in rows:
                assert (row.finished_at is not None) == (row.state in FINAL_STATES)
                if row.id in self.final_states:
                    assert row.state is self.final_states[row.id], "a final state never changes"
                if row.state in FINAL_STATES:
                    self.final_states[row.id] = row.state
            waiting = [(r.enrollment_id, r.dedupe_key) for r in rows if r.state in (CommandState.QUEUED, CommandState.NOT_NOW)]
            assert len(waiting) == len(set(waiting)), "of equal commands only one waits"
            for row in rows:
                enrollment = next(candidate for candidate in self.enrollments if candidate.id == row.enrollment_id)
                assert row.state not in OPEN_STATES or row.generation == enrollment.generation

    def teardown(self) -> None:
        if hasattr(self, "runtime"):
            self.runtime.engine.dispose()
            self.folder.cleanup()


TestQueueMachine = QueueMachine.TestCase
TestQueueMachine.settings = settings(max_examples=count_examples(8), stateful_step_count=20, deadline=None)
