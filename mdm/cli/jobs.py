"""`cartable jobs`: shows the parked jobs of the outbox and releases them. Parking is decided in `cartable.outbox_leases`."""

from __future__ import annotations

import argparse

from cartable import audit
from cartable.outbox import Topic
from cartable.outbox_figures import count_parked_jobs, list_parked_jobs, release_parked_jobs
from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="show the parked jobs and why each failed")
    retry = actions.add_parser("retry", help="let parked jobs run again now")
    retry.add_argument("--topic", type=Topic, choices=list(Topic), help="only jobs of this topic")


def list_parked(runtime: Runtime) -> int:
    """Print each parked job with the reason of its last failure. Returns the exit code: 0, or 3 when there is one."""
    with runtime.open_unit_of_work() as work:
        rows = list_parked_jobs(work.session)
        counts = count_parked_jobs(work.session)
    for row in rows:
        print(f"{row.parked_at:%Y-%m-%d %H:%M}  {row.topic.value}  {row.key}  {row.last_error}")
    print(", ".join(f"{topic.value}: {count}" for topic, count in counts.items()) or "no job is parked")
    return 3 if rows else 0


def retry_parked(runtime: Runtime, topic: Topic | None) -> int:
    """Let the parked jobs of `topic`, or all, run again now, and print how many. Returns the exit code."""
    with runtime.open_unit_of_work() as work:
        audit.record_event(work, SYSTEM, "jobs.retry", "outbox", topic.value if topic else "all", town_id=None)
        released = release_parked_jobs(work.session, work.now, topic)
        work.topics_to_notify.update(released)
    print(", ".join(f"{topic.value}: {count}" for topic, count in released.items()) or "no job was parked")
    return 0


def run(runtime: Runtime, parsed: argparse.Namespace) -> int:
    """List the parked jobs, or let those of a topic run again. Returns an exit code."""
    return list_parked(runtime) if parsed.action == "list" else retry_parked(runtime, parsed.topic)
