"""Measures the device channel under load: idle connects, and conversations that deliver two commands each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.fleet import HOST, SeededTablet, load_queued_command_uuids
from bench.load import LoadResult, replay_conversations
from bench.serving import PORT, ResourceUsage, RunningServer
from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime
from mdm.protocol.commands.registry import COMMANDS, build_command
from mdm.queue import service as queue

_ANSWER = {
    "QueryResponses": {
        "DeviceName": "M-000001", "OSVersion": "26.1", "BuildVersion": "23B85", "ModelName": "iPad", "ProductName": "iPad13,18",
        "SerialNumber": "BENCH0000000001", "IsSupervised": True, "BatteryLevel": 0.82, "AvailableDeviceCapacity": 21.5,
    }
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Measurement:
    """The result of one measurement."""

    name: str
    connections: int
    outcome: LoadResult
    cost: ResourceUsage
    #: The number of requests or of delivered commands, shown per second.
    units: int

    def to_figures(self) -> dict[str, str | float]:
        """Return the measurement as a row of a stored run."""
        o, c = self.outcome, self.cost
        n = max(o.requests, 1)
        return {
            "what": f"{self.name}, {self.connections} connections", "per second": round(self.units / o.seconds),
            "p50 ms": o.percentile(0.5), "p99 ms": o.percentile(0.99), "server µs/request": round(1e6 * c.server_cpu / n),
            "database µs/request": round(1e6 * c.database_cpu / n), "wrong": o.failures,
        }  # fmt: skip

    def format_row(self) -> str:
        """Return the measurement as a row of the table in bench/README.md."""
        o, c = self.outcome, self.cost
        n = max(o.requests, 1)
        return (
            f"| {self.name} | {self.connections} | {self.units / o.seconds:,.0f} | {o.percentile(0.5):.1f} | {o.percentile(0.99):.1f} "
            f"| {1e6 * c.server_cpu / n:.0f} | {1e6 * c.database_cpu / n:.0f} | {c.statements / n:.2f} | {c.commits / n:.3f} "
            f"| {o.failures} |"
        )


HEADER = """| what | connections | per second | p50 ms | p99 ms | server µs/request | database µs/request | statements/request | commits/request | wrong |
|---|---|---|---|---|---|---|---|---|---|"""


def measure_idle(server: RunningServer, tablets: Sequence[SeededTablet], connections: int, seconds: float) -> Measurement:
    """Measure tablets that send Idle repeatedly and have no commands waiting."""
    conversations = [[tablet.build_signed_request({"Status": "Idle"})] for tablet in tablets]
    outcome, cost = _measure(server, conversations, connections, seconds, once=False)
    return Measurement("idle check-in", connections, outcome, cost, outcome.requests)


def measure_delivery(server: RunningServer, runtime: Runtime, tablets: Sequence[SeededTablet], connections: int) -> Measurement:
    """Measure tablets with two commands waiting: each sends Idle, Acknowledged, Acknowledged."""
    ids = [tablet.enrollment_id for tablet in tablets]
    with runtime.open_unit_of_work() as work:
        for request_type, args in (("DeviceInformation", {"queries": ["OSVersion"]}), ("SecurityInfo", {})):
            assert request_type in COMMANDS
            queue.enqueue_command(work, SYSTEM, build_command(request_type, args), ids)
    with runtime.open_unit_of_work() as work:
        waiting = load_queued_command_uuids(work)
    conversations = [
        [
            tablet.build_signed_request({"Status": "Idle"}),
            *(
                tablet.build_signed_request({"Status": "Acknowledged", "CommandUUID": uuid, **_ANSWER})
                for uuid in waiting[tablet.enrollment_id]
            ),
        ]
        for tablet in tablets
    ]
    outcome, cost = _measure(server, conversations, connections, 600, once=True)
    with runtime.open_unit_of_work() as work:
        left = len(load_queued_command_uuids(work))
    if left:
        raise RuntimeError(f"{left} tablets still have commands waiting")
    return Measurement("delivery of two commands", connections, outcome, cost, 2 * outcome.conversations)


def _measure(
    server: RunningServer, conversations: list[list[bytes]], connections: int, seconds: float, *, once: bool
) -> tuple[LoadResult, ResourceUsage]:
    before = server.read_usage()
    outcome = replay_conversations(HOST, PORT, conversations, connections, seconds, once=once)
    return outcome, server.read_usage() - before
