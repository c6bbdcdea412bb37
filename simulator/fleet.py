"""Many tablets in one process: enrols them with bounded concurrency, lets them live, saves them. Counting is `tally`'s."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from simulator import keeping
from simulator.behaviours import Behaviour, behaviour, drawn
from simulator.channel import Habits
from simulator.errors import SimulatorError
from simulator.hardware import Hardware
from simulator.identity import KeySource, fresh_key
from simulator.living import Life
from simulator.store import AppStore
from simulator.tablet import SimulatedTablet
from simulator.tally import Tally
from simulator.wakeup import Wakeup

MIXED = "mix"


@dataclass
class Plan:
    """What a fleet is made of. With fewer codes than tablets the codes are used in turn."""

    base_url: str
    codes: list[str]
    count: int
    ca: bytes | None = None
    behaviour: str = "normal"
    seed: str = "1"
    dialect: str = "aes"
    habits: Habits = field(default_factory=Habits)
    store: AppStore = field(default_factory=AppStore)
    keys: KeySource = fresh_key
    pace: float = 1.0
    enrolling: int = 16
    """How many enrol at once."""
    talking: int = 64
    """How many talk at once."""
    state_file: Path | None = None


class Fleet:
    """The tablets of a plan; those in the state file come first and are not enrolled again if they still are."""

    def __init__(self, plan: Plan, wakeup: Wakeup | None = None) -> None:
        self.plan = plan
        self.tally = Tally(wanted=plan.count)
        self._wakeup = wakeup
        self.tablets = self._kept()
        self.tally.kept = sum(one.enrolled for one in self.tablets)
        self.tablets += [self._fresh(index) for index in range(len(self.tablets), plan.count)]
        self._lives: list[Life] = []

    async def enrol(self) -> None:
        """Enrol all that are not. Failures are counted, not raised; an erased tablet stays erased."""
        gate = asyncio.Semaphore(self.plan.enrolling)
        waiting = [one for one in self.tablets if not one.enrolled and not one.erased]
        await asyncio.gather(*(self._enrol(one, gate) for one in waiting))
        self.save()

    async def live(self, seconds: float | None) -> None:
        """Let all enrolled tablets live for so long, or until cancelled; then let conversations end and save."""
        gate = asyncio.Semaphore(self.plan.talking)
        self._lives = [Life(one, gate=gate, told=self.tally.conversation) for one in self.tablets if one.enrolled]
        tasks = [asyncio.create_task(life.run()) for life in self._lives]
        try:
            if tasks:
                await asyncio.wait(tasks, timeout=seconds)
        finally:
            await self._stop(tasks)
            self.save()

    async def poll_all(self) -> None:
        """Each enrolled tablet polls once."""
        gate = asyncio.Semaphore(self.plan.talking)

        async def once(tablet: SimulatedTablet) -> None:
            async with gate:
                with contextlib.suppress(SimulatorError):
                    self.tally.conversation(await tablet.poll())

        await asyncio.gather(*(once(one) for one in self.tablets if one.enrolled))

    async def close(self) -> None:
        """Close all connections."""
        await asyncio.gather(*(one.close() for one in self.tablets))

    def save(self) -> None:
        """Write the state file if the plan has one."""
        if self.plan.state_file is not None:
            keeping.save(self.tablets, self.plan.state_file)

    async def _stop(self, tasks: list[asyncio.Task[None]]) -> None:
        for life in self._lives:
            life.stop()
        running = [task for task in tasks if not task.done()]
        if running:
            await asyncio.wait(running, timeout=5)
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                self.tally.surprises[f"{type(outcome).__name__}: {outcome}"[:160]] += 1

    async def _enrol(self, tablet: SimulatedTablet, gate: asyncio.Semaphore) -> None:
        async with gate:
            try:
                await tablet.enrol()
            except SimulatorError as error:
                self.tally.failed(error)
            else:
                self.tally.enrolled += 1

    def _kept(self) -> list[SimulatedTablet]:
        if self.plan.state_file is None:
            return []
        rows = keeping.rows_in(self.plan.state_file)[: self.plan.count]
        return [self._tablet(row["code"], behaviour(row["behaviour"]), keeping_device=row["device"]) for row in rows]

    def _fresh(self, index: int) -> SimulatedTablet:
        plan = self.plan
        if not plan.codes:
            raise SimulatorError("no invitation codes were given")
        doing = drawn(plan.seed, index) if plan.behaviour == MIXED else behaviour(plan.behaviour)
        return self._tablet(plan.codes[index % len(plan.codes)], doing, hardware=Hardware.made_from(plan.seed, index))

    def _tablet(
        self, code: str, doing: Behaviour, *, hardware: Hardware | None = None, keeping_device: dict[str, object] | None = None
    ) -> SimulatedTablet:
        plan = self.plan
        return SimulatedTablet(
            plan.base_url,
            code,
            ca=plan.ca,
            hardware=hardware,
            device=keeping.unpack(keeping_device) if keeping_device else None,
            doing=doing,
            habits=plan.habits,
            dialect=plan.dialect,
            wakeup=self._wakeup,
            keys=plan.keys,
            store=plan.store,
            pace=plan.pace,
            heard=self.tally.request,
        )


async def shown(tally: Tally, show: Callable[[str], None], work: Awaitable[None], every: float = 1.0) -> None:
    """Await `work` and show the tally's line meanwhile."""

    async def repeat() -> None:
        while True:
            await asyncio.sleep(every)
            show(tally.line())

    showing = asyncio.create_task(repeat())
    try:
        await work
    finally:
        showing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await showing
