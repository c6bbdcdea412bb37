"""A fleet of tablets in one process: enrols them with bounded concurrency, runs them, saves them. `tally` counts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from simulator import state_file
from simulator.behaviour_base import Behaviour
from simulator.behaviours import choose_behaviour, parse_behaviour
from simulator.channel import MessageFormat
from simulator.errors import SimulatorError
from simulator.hardware import Hardware
from simulator.identity import KeySource, generate_key
from simulator.push_listener import PushListener
from simulator.store import AppStore
from simulator.tablet import SimulatedTablet
from simulator.tablet_loop import TabletLoop
from simulator.tally import Tally

MIXED_BEHAVIOURS = "mix"


@dataclass
class FleetPlan:
    """The settings of a fleet. With fewer codes than tablets the codes are used in turn."""

    base_url: str
    codes: list[str]
    count: int
    ca: bytes | None = None
    behaviour: str = "normal"
    seed: str = "1"
    dialect: str = "aes"
    message_format: MessageFormat = field(default_factory=MessageFormat)
    store: AppStore = field(default_factory=AppStore)
    keys: KeySource = generate_key
    pace: float = 1.0
    max_concurrent_enrolments: int = 16
    """How many tablets may enrol at the same time."""
    max_concurrent_conversations: int = 64
    """How many tablets may be in a conversation at the same time."""
    state_file: Path | None = None


class Fleet:
    """The tablets of a plan. Those in the state file come first and are not enrolled again."""

    def __init__(self, plan: FleetPlan, push_listener: PushListener | None = None) -> None:
        self.plan = plan
        self.tally = Tally(tablet_count=plan.count)
        self._push_listener = push_listener
        self.tablets = self._restore_tablets()
        self.tally.restored = sum(tablet.is_enrolled for tablet in self.tablets)
        self.tablets += [self._create_tablet(index) for index in range(len(self.tablets), plan.count)]
        self._loops: list[TabletLoop] = []

    async def enrol_all(self) -> None:
        """Enrol all tablets that are not enrolled or erased. Failures are counted, not raised."""
        gate = asyncio.Semaphore(self.plan.max_concurrent_enrolments)
        waiting = [tablet for tablet in self.tablets if not tablet.is_enrolled and not tablet.is_erased]
        await asyncio.gather(*(self._enrol(tablet, gate) for tablet in waiting))
        self.save_state()

    async def run(self, seconds: float | None) -> None:
        """Run all enrolled tablets for `seconds`, or until cancelled; then wait for running conversations and save."""
        gate = asyncio.Semaphore(self.plan.max_concurrent_conversations)
        self._loops = [
            TabletLoop(tablet, limit=gate, on_conversation=self.tally.record_conversation)
            for tablet in self.tablets
            if tablet.is_enrolled
        ]
        tasks = [asyncio.create_task(life.run()) for life in self._loops]
        try:
            if tasks:
                await asyncio.wait(tasks, timeout=seconds)
        finally:
            await self._stop(tasks)
            self.save_state()

    async def poll_all(self) -> None:
        """Let each enrolled tablet poll once."""
        gate = asyncio.Semaphore(self.plan.max_concurrent_conversations)

        async def once(tablet: SimulatedTablet) -> None:
            async with gate:
                with contextlib.suppress(SimulatorError):
                    self.tally.record_conversation(await tablet.poll())

        await asyncio.gather(*(once(tablet) for tablet in self.tablets if tablet.is_enrolled))

    async def close(self) -> None:
        """Close all connections."""
        await asyncio.gather(*(tablet.close() for tablet in self.tablets))

    def save_state(self) -> None:
        """Write the state file, if the plan has one."""
        if self.plan.state_file is not None:
            state_file.save_fleet(self.tablets, self.plan.state_file)

    async def _stop(self, tasks: list[asyncio.Task[None]]) -> None:
        for life in self._loops:
            life.stop()
        running = [task for task in tasks if not task.done()]
        if running:
            await asyncio.wait(running, timeout=5)
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                self.tally.anomalies[f"{type(outcome).__name__}: {outcome}"[:160]] += 1

    async def _enrol(self, tablet: SimulatedTablet, gate: asyncio.Semaphore) -> None:
        async with gate:
            try:
                await tablet.enrol()
            except SimulatorError as error:
                self.tally.record_failure(error)
            else:
                self.tally.enrolled += 1

    def _restore_tablets(self) -> list[SimulatedTablet]:
        if self.plan.state_file is None:
            return []
        rows = state_file.load_rows(self.plan.state_file)[: self.plan.count]
        return [self._build_tablet(row["code"], parse_behaviour(row["behaviour"]), saved_device=row["device"]) for row in rows]

    def _create_tablet(self, index: int) -> SimulatedTablet:
        plan = self.plan
        if not plan.codes:
            raise SimulatorError("no invitation codes were given")
        behaviour = choose_behaviour(plan.seed, index) if plan.behaviour == MIXED_BEHAVIOURS else parse_behaviour(plan.behaviour)
        return self._build_tablet(plan.codes[index % len(plan.codes)], behaviour, hardware=Hardware.from_seed(plan.seed, index))

    def _build_tablet(
        self, code: str, behaviour: Behaviour, *, hardware: Hardware | None = None, saved_device: dict[str, object] | None = None
    ) -> SimulatedTablet:
        plan = self.plan
        return SimulatedTablet(
            plan.base_url,
            code,
            ca=plan.ca,
            hardware=hardware,
            device=state_file.parse_device(saved_device) if saved_device else None,
            behaviour=behaviour,
            message_format=plan.message_format,
            dialect=plan.dialect,
            push_listener=self._push_listener,
            keys=plan.keys,
            store=plan.store,
            pace=plan.pace,
            on_request_duration=self.tally.record_request,
        )


async def run_with_progress(tally: Tally, show: Callable[[str], None], work: Awaitable[None], every: float = 1.0) -> None:
    """Await `work`, and meanwhile show the tally's progress every `every` seconds."""

    async def repeat() -> None:
        while True:
            await asyncio.sleep(every)
            show(tally.format_progress())

    showing = asyncio.create_task(repeat())
    try:
        await work
    finally:
        showing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await showing
