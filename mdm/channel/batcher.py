"""The request batcher: requests that arrive while a transaction runs are answered together in the next one.

There is no timer: an idle server answers a request at once, under load many requests share one commit. No response is sent
before its transaction is committed.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue

import structlog
from sqlalchemy.exc import DBAPIError

from cartable import tracing
from cartable.conflicts import run_with_retries
from cartable.database import make_index_only_engine
from cartable.outages import find_outage
from cartable.unit_of_work import Runtime
from enrollment.identity.verifier import TrustStore
from mdm.channel.bodies import RenderedCommandCache
from mdm.channel.command_spans import record_command_spans
from mdm.channel.connect_batch import ConnectBatch
from mdm.channel.connect_lookup import ConnectLookup, answer_idle_requests
from mdm.channel.host_check import HostCheck
from mdm.channel.messages import BUSY, SERVER_ERROR, ChannelRequest, ChannelResponse
from mdm.channel.repository import LoadedConnects
from mdm.devices.manifest_cache import ManifestCache

log = structlog.get_logger()
MAX_BATCH = 256
#: With more pending requests than this, new ones get 503. Tablets try again by themselves.
MAX_PENDING = 20_000

#: What is called with a response, on the event loop.
Respond = Callable[[ChannelResponse], None]
_PendingRequest = tuple[ChannelRequest, Respond]


class Batcher:
    """One thread that processes batches of requests. The web server starts and stops it on its event loop."""

    def __init__(self, runtime: Runtime, trust: TrustStore) -> None:
        self._runtime = runtime
        self._engine = make_index_only_engine(runtime.engine, is_pooled=runtime.settings.database_pooler)
        self._lookup = ConnectLookup(self._engine, is_pooled=runtime.settings.database_pooler)
        self._trust = trust
        self._command_cache = RenderedCommandCache()
        self._manifests = ManifestCache()
        self._host_check = HostCheck(runtime)
        #: Requests of the present turn of the event loop.
        self._gathered: list[_PendingRequest] = []
        #: None ends the thread.
        self._pending: SimpleQueue[_PendingRequest | None] = SimpleQueue()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._batch_count = self._request_count = 0

    @property
    def counters(self) -> dict[str, int]:
        """Batches and requests so far, and connect requests to the host name of another town."""
        return {"batches": self._batch_count, "requests": self._request_count, "foreign_hosts": self._host_check.foreign_count}

    def is_alive(self) -> bool:
        """Return whether requests are processed."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Start the thread; call it on the event loop that will submit."""
        self._loop = asyncio.get_running_loop()
        self._stopping = False
        self._pending = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="channel-batcher", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Process the pending requests, then end the thread."""
        self._stopping = True
        self._hand_over()
        self._pending.put(None)
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, 10)
        self._lookup.close()
        if self._engine is not self._runtime.engine:
            self._engine.dispose()

    def submit(self, request: ChannelRequest, respond: Respond) -> None:
        """Call `respond` with the response to `request`, on the event loop, after its batch has been committed."""
        if self._loop is None or self._stopping or self._pending.qsize() >= MAX_PENDING:
            respond(BUSY)
            return
        if not self._gathered:
            self._loop.call_soon(self._hand_over)
        self._gathered.append((request, respond))

    def _hand_over(self) -> None:
        """Pass on what has gathered: once for each turn of the event loop, so that the thread does not interrupt the turn."""
        for pending in self._gathered:
            self._pending.put(pending)
        self._gathered.clear()

    def _run(self) -> None:
        while batch := self._wait_for_batch():
            with tracing.start_span("channel.batch", {"channel.requests": len(batch)}):
                responses = self.process_batch([request for request, _ in batch])
            self._batch_count, self._request_count = self._batch_count + 1, self._request_count + len(batch)
            assert self._loop is not None
            self._loop.call_soon_threadsafe(_send_responses, batch, responses)

    def _wait_for_batch(self) -> list[_PendingRequest]:
        """Wait for a request, and return it with all that have gathered; nothing when the batcher has stopped."""
        batch: list[_PendingRequest] = []
        while pending := self._pending.get():
            batch.append(pending)
            if len(batch) == MAX_BATCH or self._pending.empty():
                return batch
        self._pending.put(None)  # also the next call ends
        return batch

    def process_batch(self, requests: Sequence[ChannelRequest]) -> list[ChannelResponse]:
        """Return one response per request. What changes is one transaction; if it fails, each request gets one of its own.

        After a conflict with another transaction the same batch is processed again. While the database stores nothing, all tablets are
        asked to come later.
        """
        try:
            self._trust.refresh()
            return run_with_retries(lambda: self._process(requests), "batch of the device channel")
        except Exception as error:
            if (outage := find_outage(error)) is not None:
                log.warning("channel.database_outage", outage=outage.value, size=len(requests))
                return [BUSY] * len(requests)
            if len(requests) == 1:
                log.exception("channel.request_failed", udid=requests[0].message.ids.device_key)
                return [SERVER_ERROR]
            log.warning("channel.batch_failed", size=len(requests), exc_info=True)
        return [self.process_batch([request])[0] for request in requests]

    def _process(self, requests: Sequence[ChannelRequest]) -> list[ChannelResponse]:
        loaded = self._lookup.load(requests, self._runtime.clock.now())
        self._host_check.count_foreign(requests, loaded)
        answered = answer_idle_requests(requests, loaded)
        others = [request for index, request in enumerate(requests) if index not in answered]
        if not others:
            return list(answered.values())
        try:
            responses = iter(self._process_in_transaction(others, loaded))
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
            responses = iter(self._process_in_transaction(others, {}))  # the database was restarted: the next connection is new
        return [answered[index] if index in answered else next(responses) for index in range(len(requests))]

    def _process_in_transaction(self, requests: Sequence[ChannelRequest], loaded: LoadedConnects) -> list[ChannelResponse]:
        with self._runtime.open_unit_of_work(self._engine) as work:
            batch = ConnectBatch(work, self._command_cache, self._manifests)
            responses = batch.process(requests, loaded)
        self._host_check.count_foreign(requests, {key: each for key, each in batch.loaded.items() if key not in loaded})
        record_command_spans(batch.command_spans)
        return responses


def _send_responses(batch: list[_PendingRequest], responses: list[ChannelResponse]) -> None:
    for (_, respond), response in zip(batch, responses, strict=True):
        try:
            respond(response)
        except Exception:  # one connection's, which must not keep the others from their responses
            log.exception("channel.response_failed")
