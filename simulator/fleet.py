"""Many tablets in one process: enrols them with bounded concurrency, lets them live, saves them. Counting is `tally`'s."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from simulator import keeping
from simulator.behaviours import Behaviour, parse_behaviour, choose_behaviour
from simulator.channel import MessageFormat
from simulator.errors import SimulatorError
from simulator.hardware import Hardware
from simulator.identity import KeySource, generate_key
from simulator.living import TabletLoop
from simulator.store import AppStore
from simulator.tablet import SimulatedTablet
from simulator.tally import Tally
from simulator.wakeup import PushListener

MIXED_BEHAVIOURS = "mix"


@dataclass
class FleetPlan:
    """What a fleet is made of. With fewer codes than tablets the codes are used in turn."""

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
    """How many enrol at once."""
    max_concurrent_conversations: int = 64
    """How many talk at once."""
    state_file: Path | None = None


class Fleet:
    """The tablets of a plan; those in the state file come first and are not enrolled again if they still are."""

    def __init__(self, plan: FleetPlan, wakeup: PushListener | None = None) -> None:
        self.plan = plan
        self.tally = Tally(tablet_count=plan.count)
        self._wakeup = wakeup
        self.tablets = self._restore_tablets()
        self.tally.restored = sum(one.is_enrolled for one in self.tablets)
        self.tablets += [self._create_tablet(index) for index in range(len(self.tablets), plan.count)]
        self._loops: list[TabletLoop] = []

    async def enrol_all(self) -> None:
        """Enrol all that are not. Failures are counted, not raised; an erased tablet stays erased."""
        gate = asyncio.Semaphore(self.plan.max_concurrent_enrolments)
        waiting = [one for one in self.tablets if not one.is_enrolled and not one.is_erased]
        await asyncio.gather(*(self._enrol(one, gate) for one in waiting))
        self.save_state()

    async def run(self, seconds: float | None) -> None:
        """Let all enrolled tablets live for so long, or until cancelled; then let conversations end and save."""
        gate = asyncio.Semaphore(self.plan.max_concurrent_conversations)
        self._loops = [TabletLoop(one, gate=gate, on_conversation=self.tally.record_conversation) for one in self.tablets if one.is_enrolled]
        tasks = [asyncio.create_task(life.run()) for life in self._loops]
        try:
            if tasks:
                await asyncio.wait(tasks, timeout=seconds)
        finally:
            await self._stop(tasks)
            self.save_state()

    async def poll_all(self) -> None:
        """Each enrolled tablet polls once."""
        gate = asyncio.Semaphore(self.plan.max_concurrent_conversations)

        async def once(tablet: SimulatedTablet) -> None:
            async with gate:
                with contextlib.suppress(SimulatorError):
                    self.tally.record_conversation(await tablet.poll())

        await asyncio.gather(*(once(one) for one in self.tablets if one.is_enrolled))

    async def close(self) -> None:
        """Close all connections."""
        await asyncio.gather(*(one.close() for one in self.tablets))

    def save_state(self) -> None:
        """Write the state file if the plan has one."""
        if self.plan.state_file is not None:
            keeping.save_fleet(self.tablets, self.plan.state_file)

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
        rows = keeping.load_rows(self.plan.state_file)[: self.plan.count]
        return [self._build_tablet(row["code"], parse_behaviour(row["behaviour"]), keeping_device=row["device"]) for row in rows]

    def _create_tablet(self, index: int) -> SimulatedTablet:
        plan = self.plan
        if not plan.codes:
            raise SimulatorError("no invitation codes were given")
        doing = choose_behaviour(plan.seed, index) if plan.behaviour == MIXED_BEHAVIOURS else parse_behaviour(plan.behaviour)
        return self._build_tablet(plan.codes[index % len(plan.codes)], doing, hardware=Hardware.from_seed(plan.seed, index))

    def _build_tablet(
        self, code: str, doing: Behaviour, *, hardware: Hardware | None = None, keeping_device: dict[str, object] | None = None
    ) -> SimulatedTablet:
        plan = self.plan
        return SimulatedTablet(
            plan.base_url,
            code,
            ca=plan.ca,
            hardware=hardware,
            device=keeping.parse_device(keeping_device) if keeping_device else None,
            behaviour=doing,
            message_format=plan.message_format,
            dialect=plan.dialect,
            wakeup=self._wakeup,
            keys=plan.keys,
            store=plan.store,
            pace=plan.pace,
            on_request_duration=self.tally.record_request,
        )


async def run_with_progress(tally: Tally, show: Callable[[str], None], work: Awaitable[None], every: float = 1.0) -> None:
    """Await `work` and show the tally's line meanwhile."""

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
