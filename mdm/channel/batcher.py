"""Natural batching: while one transaction is in flight, arriving requests gather; the next one takes them all.

No timer: when idle a request goes at once; under load many share one commit. Nothing is answered before it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import structlog

from cartable.database import make_index_only_engine
from cartable.unit_of_work import Runtime
from enrollment.identity.verifier import TrustStore
from mdm.channel.bodies import RenderedBodies
from mdm.channel.connect_batch import Conversation
from mdm.channel.messages import FAILED, ChannelRequest, Reply

log = structlog.get_logger()
MAX_BATCH = 256
#: More than this many waiting requests are turned away with 503: the tablets come back by themselves.
MAX_WAITING = 20_000
BUSY = Reply(503)

_Waiting = tuple[ChannelRequest, "asyncio.Future[Reply]"]


class Batcher:
    """One thread that answers batches. Started and stopped by the web server, on its event loop."""

    def __init__(self, runtime: Runtime, trust: TrustStore) -> None:
        self._runtime = runtime
        self._engine = make_index_only_engine(runtime.engine)
        self._trust = trust
        self._bodies = RenderedBodies()
        self._waiting: list[_Waiting] = []
        self._wake = threading.Condition()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Start the thread; call it on the event loop that will submit."""
        self._loop = asyncio.get_running_loop()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="channel-batcher", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Answer what is waiting, then end the thread."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, 10)
        if self._engine is not self._runtime.engine:
            self._engine.dispose()

    async def submit(self, request: ChannelRequest) -> Reply:
        """Return the reply once its batch has been committed."""
        if self._loop is None or self._stopping or len(self._waiting) >= MAX_WAITING:
            return BUSY
        future: asyncio.Future[Reply] = self._loop.create_future()
        with self._wake:
            self._waiting.append((request, future))
            self._wake.notify()
        return await future

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._waiting and not self._stopping:
                    self._wake.wait()
                if not self._waiting:
                    return
                batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
            replies = self.answer([request for request, _ in batch])
            assert self._loop is not None
            self._loop.call_soon_threadsafe(_deliver, batch, replies)

    def answer(self, requests: Sequence[ChannelRequest]) -> list[Reply]:
        """Answer a batch in one transaction; if that fails, each request in its own, so that one fails alone."""
        try:
            self._trust.refresh()
            return self._attempt(requests)
        except Exception:
            if len(requests) == 1:
                log.exception("channel.request_failed", udid=requests[0].message.ids.device_key)
                return [FAILED]
            log.warning("channel.batch_failed", size=len(requests), exc_info=True)
        return [self.answer([request])[0] for request in requests]

    def _attempt(self, requests: Sequence[ChannelRequest]) -> list[Reply]:
        with self._runtime.open_unit_of_work(self._engine) as work:
            return Conversation(work, self._bodies).answer(requests)


def _deliver(batch: list[_Waiting], replies: list[Reply]) -> None:
    for (_, future), reply in zip(batch, replies, strict=True):
        if not future.done():
            future.set_result(reply)
