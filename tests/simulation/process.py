"""The server process of a simulation: the real application, its worker and its schedule, dropped and built anew after each crash."""

from __future__ import annotations

from starlette.types import ASGIApp

from cartable.outbox import Topic
from cartable.unit_of_work import Runtime
from enrollment.identity.verifier import TrustStore
from mdm.care.restores.service import TimelineWatch
from mdm.channel.batcher import Batcher, Respond
from mdm.channel.endpoint import ChannelEndpoint, DeviceRequestRouter
from mdm.channel.messages import ChannelRequest
from mdm.push.service import send_due_pushes
from mdm.web import create_app
from mdm.worker.drains import drain
from mdm.worker.scheduler import prepare_schedule, run_due_job
from tests.simulation.faults import SimulatedPushService

#: The topics whose jobs need nothing outside the installation but APNs.
TOPICS = (
    Topic.ENROLLED, Topic.COMMAND_RESULT, Topic.RENEW_CERTIFICATE, Topic.MODES, Topic.RECONCILE, Topic.TIMELINE, Topic.ALARM, Topic.APP_REQUEST,
    Topic.PUSH,
)  # fmt: skip


class InlineBatcher(Batcher):
    """Processes each request at once, on the thread of the caller."""

    def submit(self, request: ChannelRequest, respond: Respond) -> None:
        respond(self.process_batch([request])[0])

    def close(self) -> None:
        """Close its own connections."""
        self._lookup.close()
        self._engine.dispose()


class ServerProcess:
    """Web process, worker and scheduler in one. Nothing runs unless it is called."""

    def __init__(self, runtime: Runtime, push_service: SimulatedPushService) -> None:
        self._runtime = runtime
        self._push_service = push_service
        self._default_app = create_app(runtime).default_app
        self._batcher: InlineBatcher | None = None
        self.restart()

    def restart(self) -> None:
        """Drop all that a process keeps in memory, and every connection to the database."""
        self.stop()
        trust = TrustStore(self._runtime)
        self._batcher = InlineBatcher(self._runtime, trust)
        endpoint = ChannelEndpoint(self._runtime, trust, self._batcher)
        self.app: ASGIApp = DeviceRequestRouter(endpoint, self._default_app)
        self._watch = TimelineWatch(self._runtime)

    def stop(self) -> None:
        """Close every connection to the database."""
        self._runtime.engine.dispose()
        if self._batcher is not None:
            self._batcher.close()

    def drain(self, topic: Topic) -> int:
        """Process the due jobs of a topic. Returns how many there were."""
        if topic is not Topic.PUSH:
            return drain(self._runtime, topic)
        total = 0
        while count := send_due_pushes(self._runtime, transport=self._push_service):
            total += count
        return total

    def check_timeline(self) -> None:
        """Check the timeline, as a thread of the web process does twice a minute."""
        self._watch.check()

    def run_schedule(self, limit: int) -> int:
        """Run up to `limit` due jobs of the schedule. Returns how many there were."""
        prepare_schedule(self._runtime)
        return next((count for count in range(limit) if not run_due_job(self._runtime, self._watch, "simulation")), limit)
