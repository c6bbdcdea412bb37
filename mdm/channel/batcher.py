"""The request batcher: requests that arrive while a transaction runs are answered together in the next one.

There is no timer: an idle server answers a request at once, under load many requests share one commit. No response is sent
before its transaction is committed.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

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

_PendingRequest = tuple[ChannelRequest, "asyncio.Future[ChannelResponse]"]


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
        self._pending: list[_PendingRequest] = []
        self._wake = threading.Condition()
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
        self._thread = threading.Thread(target=self._run, name="channel-batcher", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Process the pending requests, then end the thread."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, 10)
        self._lookup.close()
        if self._engine is not self._runtime.engine:
            self._engine.dispose()

    async def submit(self, request: ChannelRequest) -> ChannelResponse:
        """Return the response to `request` after its batch has been committed."""
        if self._loop is None or self._stopping or len(self._pending) >= MAX_PENDING:
            return BUSY
        future: asyncio.Future[ChannelResponse] = self._loop.create_future()
        with self._wake:
            self._pending.append((request, future))
            self._wake.notify()
        return await future

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._pending and not self._stopping:
                    self._wake.wait()
                if not self._pending:
                    return
                batch, self._pending = self._pending[:MAX_BATCH], self._pending[MAX_BATCH:]
            with tracing.start_span("channel.batch", {"channel.requests": len(batch)}):
                responses = self.process_batch([request for request, _ in batch])
            self._batch_count, self._request_count = self._batch_count + 1, self._request_count + len(batch)
            assert self._loop is not None
            self._loop.call_soon_threadsafe(_resolve_futures, batch, responses)

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


def _resolve_futures(batch: list[_PendingRequest], responses: list[ChannelResponse]) -> None:
    for (_, future), response in zip(batch, responses, strict=True):
        if not future.done():
            future.set_result(response)
