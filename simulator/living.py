"""The days of one tablet: waiting for pushes, polling again after NotNow, coming back after trouble. Stops when it is told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext

from simulator.chance import drawn_from
from simulator.conversation import Conversation, Ending
from simulator.errors import SimulatorError
from simulator.tablet import SimulatedTablet

AGAIN = {
    Ending.NOT_NOW: 4.0,
    Ending.DIED: 2.0,
    Ending.REFUSED: 60.0,
    Ending.SERVER_TROUBLE: 2.0,
    Ending.LEFT: 3.0,
}
"""Seconds until a tablet polls by itself after such an ending; after any other it waits for a push."""
LONGEST = 120.0


class Life:
    """Runs one tablet until `stop`. `gate` bounds how many tablets of a fleet talk at once."""

    def __init__(
        self,
        tablet: SimulatedTablet,
        *,
        gate: AbstractAsyncContextManager[object] | None = None,
        told: Callable[[Conversation], None] | None = None,
    ) -> None:
        self.tablet = tablet
        self._gate = gate or nullcontext()
        self._told = told
        self._stopping = False
        self._troubles = 0
        self._draw = drawn_from("life", tablet.serial)

    def stop(self) -> None:
        """End after the conversation under way."""
        self._stopping = True
        self.tablet.woken.set()

    async def run(self) -> None:
        """Poll once, then whenever there is a reason."""
        wait: float | None = 0.0
        while not self._stopping:
            await self._wait(wait)
            if self._stopping or not self.tablet.enrolled:
                return
            if not self.tablet.awake:
                wait = 1.0 * self.tablet.pace
                continue
            self.tablet.woken.clear()
            wait = await self._once()

    async def _once(self) -> float | None:
        tablet = self.tablet
        try:
            async with self._gate:
                told = await tablet.poll()
        except SimulatorError:
            return LONGEST * tablet.pace
        if self._told is not None:
            self._told(told)
        if told.ending in {Ending.NOT_NOW, Ending.LEFT}:
            tablet.unlock()
        self._troubles = self._troubles + 1 if told.ending is Ending.SERVER_TROUBLE else 0
        pause = AGAIN.get(told.ending)
        if pause is None:
            return None
        backed_off = min(pause * float(2**self._troubles), LONGEST)
        return backed_off * tablet.pace * self._draw.uniform(0.7, 1.3)

    async def _wait(self, seconds: float | None) -> None:
        """Until a push, or so long; a tablet that sleeps is not woken by pushes, they wait for it."""
        if not self.tablet.awake:
            await asyncio.sleep(seconds or 0.2)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.tablet.woken.wait()
