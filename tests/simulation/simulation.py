"""Runs the steps of a seed on a server in this thread, then ends all faults and waits until every tablet is as it should be."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache

from cryptography.hazmat.primitives.asymmetric import rsa
from sqlalchemy import Engine

from cartable.clock import ManualClock
from cartable.crypto import Keyring
from cartable.errors import DomainError
from cartable.outages import find_outage
from cartable.settings import Settings
from cartable.unit_of_work import Runtime
from simulator import SimulatedTablet
from simulator.clock import TabletClock
from simulator.device import DeviceState
from simulator.errors import SimulatorError
from tests.simulation import final_state
from tests.simulation.acts import ACTS
from tests.simulation.determinism import remove_chance
from tests.simulation.faults import Crashes, CrashMoment, Outage, ProcessCrash, PushCondition, SimulatedPushService
from tests.simulation.moves import MOVES
from tests.simulation.network import SimulatedNetwork
from tests.simulation.process import TOPICS, ServerProcess
from tests.simulation.steps import Step, StepKind
from tests.simulation.town import START, create_simulated_town
from tests.simulation.watch import InvariantBroken, Watch

#: Seconds that may pass in one step.
WAITS = (1, 4, 20, 60, 300, 1800, 7200)
JUMPS = (timedelta(days=-2), timedelta(days=3), timedelta(days=400))
#: Waits after the last fault, until everything must be in order. Together they are longer than the waits before another attempt.
SETTLING_MINUTES = (1, 1, 1, 5, 5, 10, 30, 60, 180, 180, 360, 720, 1440, 1440, 1440, 2880)


@dataclass
class Outcome:
    """How a run ended: the violation, if any, what happened, and how many requests tablets made."""

    seed: int
    violation: str | None
    trace: list[str]
    exchanges: int
    step: Step | None = None
    """The step during which the violation appeared; None when it was at the end."""


@dataclass
class Simulation:
    """One run. `steps` may be some of those that the seed draws."""

    seed: int
    steps: Sequence[Step]
    engine: Engine
    settings: Settings
    keyring: Keyring
    trace: list[str] = field(default_factory=list)

    def run(self) -> Outcome:
        """Run the steps, then let everything settle. A violation is part of the outcome."""
        with remove_chance(self.seed):
            return asyncio.run(self._run())

    async def _run(self) -> Outcome:
        self._clock = ManualClock(START)
        self._jumped = timedelta()
        runtime = Runtime(settings=self.settings, engine=self.engine, clock=self._clock, keyring=self.keyring)
        self._runtime = runtime
        self._outage = Outage(self.engine)
        self._town = create_simulated_town(runtime, self.seed)
        names = {hardware.udid: number for number, hardware in enumerate(self._town.hardware)}
        self._watch = Watch(self.engine, lambda: self._outage.is_on, names, self.trace)
        self._push_service = SimulatedPushService(self._clock.now, self._list_push_receivers)
        self._process = ServerProcess(runtime, self._push_service)
        self._crashes = Crashes(self.engine)
        self._network = SimulatedNetwork(lambda: self._process.app, self._watch.check_exchange, self._restart_after_crash)
        self._tablets = [self._create_tablet(number) for number in range(len(self._town.tablet_ids))]
        step = None
        try:
            with self._watch.watch_log():
                for step in self.steps:
                    await self._run_step(step)
                step = None
                await self._settle()
        except InvariantBroken as broken:
            self.trace.append(f"BROKEN: {broken}")
            return Outcome(self.seed, str(broken), self.trace, self._watch.exchanges, step)
        finally:
            self._outage.end()
            self._crashes.remove()
            self._process.stop()
        return Outcome(self.seed, None, self.trace, self._watch.exchanges)

    def _create_tablet(self, number: int) -> SimulatedTablet:
        device = DeviceState(self._town.hardware[number], TabletClock(read=self._read_true_time))
        return SimulatedTablet(
            self.settings.public_url, self._town.code, device=device, keys=_provide_key, pace=0, connect=self._network.connect
        )

    def _read_true_time(self) -> datetime:
        return START + self._clock.uptime()

    async def _run_step(self, step: Step) -> None:
        draw = step.create_draw(self.seed)
        number = draw.randrange(len(self._tablets))
        self._network.draw = draw
        self.trace.append(f"{step.number} {step.kind} {number}")
        try:
            await self._perform(step.kind, number, draw)
        except ProcessCrash:
            self._restart_after_crash()
        except SimulatorError as error:
            self.trace.append(f"    {type(error).__name__}")
        except DomainError as refusal:
            self.trace.append(f"    refused: {type(refusal).__name__}")
        except InvariantBroken:
            raise
        except Exception as error:
            if find_outage(error) is None:
                raise InvariantBroken(f"{step.kind} failed: {type(error).__name__} {error}") from error
            self.trace.append("    outage")
        self._watch.check_log()

    async def _perform(self, kind: StepKind, number: int, draw: random.Random) -> None:
        if kind in ACTS:
            with self._runtime.open_unit_of_work() as work:
                ACTS[kind](work, self._town, number, draw)
            return
        if kind in MOVES:
            await MOVES[kind](self._tablets[number], draw)
            return
        match kind:
            case StepKind.WORK:
                for topic in draw.sample(TOPICS, draw.randint(1, len(TOPICS))):
                    self._process.drain(topic)
            case StepKind.SCHEDULE:
                self._process.check_timeline()
                self._process.run_schedule(draw.randint(1, 40))
            case StepKind.WAIT:
                self._clock.advance(timedelta(seconds=draw.choice(WAITS)))
            case StepKind.WAKE:
                await self._wake_tablets()
            case StepKind.LATE_REQUEST:
                await self._network.deliver_late_request()
            case _:
                self._change_faults(kind, draw)

    def _change_faults(self, kind: StepKind, draw: random.Random) -> None:
        match kind:
            case StepKind.CRASH:
                self._crashes.arm(draw.choice(list(CrashMoment)), draw.randrange(6))
            case StepKind.CLOCK_JUMP:
                self._jump_clock(draw.choice(JUMPS))
                self._notice_clock()
            case StepKind.CLOCK_RETURN:
                self._jump_clock(timedelta())
            case StepKind.OUTAGE:
                self._outage.begin()
            case StepKind.OUTAGE_END:
                self._end_outage()
                self._notice_clock()
            case StepKind.PUSH_SERVICE:
                self._push_service.condition = draw.choice(list(PushCondition))
                self.trace.append(f"    {self._push_service.condition}")
            case _:
                raise AssertionError(kind)

    def _jump_clock(self, by: timedelta) -> None:
        """Let the server's clock differ from the true time by this much."""
        self._clock.jump(by - self._jumped)
        self._jumped = by

    def _end_outage(self) -> None:
        """Let the database store again, and the process open new connections: those of PostgreSQL would refuse once more each."""
        self._outage.end()
        self._process.restart()

    def _notice_clock(self) -> None:
        """Let the process look at its clock, as it does twice a minute: a jump that is over before does not happen here."""
        if not self._outage.is_on:
            self._crashes.disarm()
            self._process.check_timeline()

    def _restart_after_crash(self) -> None:
        self.trace.append("    crash")
        self._crashes.close_connections()
        self._process.restart()

    def _list_push_receivers(self) -> dict[bytes, Callable[[str], None]]:
        return {tablet.device.push_token: tablet.receive_push for tablet in self._tablets if tablet.is_enrolled}

    async def _wake_tablets(self) -> bool:
        """Let pushes arrive, and the tablets that have received one poll. Returns whether there was any."""
        self._push_service.deliver()
        awake = [tablet for tablet in self._tablets if tablet.push_received.is_set() and tablet.is_enrolled]
        for tablet in awake:
            tablet.push_received.clear()
            await tablet.poll()
        return bool(awake)

    async def _settle(self) -> None:
        """End all faults, put right what only people can, and let time pass until all is in order. Raises `InvariantBroken`."""
        self.trace.append("faults end")
        self._network.draw = None
        self._network.forget_late_requests()
        self._crashes.disarm()
        self._end_outage()
        self._push_service.condition = PushCondition.NORMAL
        self._jump_clock(timedelta())
        self._process.check_timeline()
        with self._runtime.open_unit_of_work() as work:
            final_state.release_town(work, self._town)
        problems: list[str] = []
        for minutes in SETTLING_MINUTES:
            self._clock.advance(timedelta(minutes=minutes))
            await self._work_until_idle()
            self._watch.check_log()
            with self._runtime.open_unit_of_work() as work:
                problems = final_state.find_problems(work, self._town, self._tablets)
            if not problems:
                return
        raise InvariantBroken("not in order long after the last fault:\n" + "\n".join(problems))

    async def _work_until_idle(self) -> None:
        for _ in range(40):
            for tablet in self._tablets:  # people put right what only they can
                tablet.unlock()
                if not tablet.is_enrolled:
                    await tablet.enrol()
            self._process.check_timeline()
            done = self._process.run_schedule(100)
            done += sum(self._process.drain(topic) for topic in TOPICS)
            if not await self._wake_tablets() and not done:
                return
            self._clock.advance(timedelta(seconds=4))


@cache
def _create_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


async def _provide_key(_bits: int) -> rsa.RSAPrivateKey:
    """Return the same key for all tablets: making one takes longer than an enrollment."""
    return _create_key()
