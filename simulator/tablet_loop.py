"""Runs one tablet: waits for pushes, polls again after NotNow, retries after errors, until it is stopped."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext

from simulator.conversation import ConversationEnding, ConversationLog
from simulator.errors import SimulatorError
from simulator.randomness import make_seeded_random
from simulator.tablet import SimulatedTablet

POLL_AGAIN_AFTER = {
    ConversationEnding.NOT_NOW: 4.0,
    ConversationEnding.VANISHED: 2.0,
    ConversationEnding.REFUSED: 60.0,
    ConversationEnding.SERVER_ERROR: 2.0,
    ConversationEnding.LEFT: 3.0,
}
"""Seconds until a tablet polls by itself after a conversation with this ending; after any other it waits for a push."""
LONGEST_PAUSE = 120.0


class TabletLoop:
    """Runs one tablet until `stop`. `limit` bounds how many tablets of a fleet are in a conversation at the same time."""

    def __init__(
        self,
        tablet: SimulatedTablet,
        *,
        limit: AbstractAsyncContextManager[object] | None = None,
        on_conversation: Callable[[ConversationLog], None] | None = None,
    ) -> None:
        self.tablet = tablet
        self._limit = limit or nullcontext()
        self._on_conversation = on_conversation
        self._stopping = False
        self._server_errors = 0
        self._draw = make_seeded_random("life", tablet.serial)

    def stop(self) -> None:
        """End after the conversation under way."""
        self._stopping = True
        self.tablet.push_received.set()

    async def run(self) -> None:
        """Poll once, then whenever there is a reason."""
        wait: float | None = 0.0
        while not self._stopping:
            await self._wait_for_push(wait)
            if self._stopping or not self.tablet.is_enrolled:
                return
            if not self.tablet.is_online:
                wait = 1.0 * self.tablet.pace
                continue
            self.tablet.push_received.clear()
            wait = await self._poll_once()

    async def _poll_once(self) -> float | None:
        tablet = self.tablet
        try:
            async with self._limit:
                log = await tablet.poll()
        except SimulatorError:
            return LONGEST_PAUSE * tablet.pace
        if self._on_conversation is not None:
            self._on_conversation(log)
        if log.ending in {ConversationEnding.NOT_NOW, ConversationEnding.LEFT}:
            tablet.unlock()
        self._server_errors = self._server_errors + 1 if log.ending is ConversationEnding.SERVER_ERROR else 0
        pause = POLL_AGAIN_AFTER.get(log.ending)
        if pause is None:
            return None
        backed_off = min(pause * float(2**self._server_errors), LONGEST_PAUSE)
        return backed_off * tablet.pace * self._draw.uniform(0.7, 1.3)

    async def _wait_for_push(self, seconds: float | None) -> None:
        """Wait for a push, at most `seconds`. Pushes do not reach a tablet that is offline; they are waiting when it is back."""
        if not self.tablet.is_online:
            await asyncio.sleep(seconds or 0.2)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.tablet.push_received.wait()
