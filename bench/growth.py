"""`python -m bench.growth`: what history costs. Moving commands to the archive, ending a month row by row and as a partition, sizes.

Everything in one run on a durable PostgreSQL, so the ratios hold whatever the machine. Prints a table for bench/README.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Any

from sqlalchemy import Engine, insert, text
from sqlalchemy.orm import Session

from bench.__main__ import print_machine, start_database
from bench.fleet import seed_fleet
from cartable.migrate import upgrade
from cartable.settings import Settings
from cartable.unit_of_work import Runtime
from enrollment.identity import service as identity
from mdm.composition import compose
from mdm.devices.models import DeviceEnrollment
from mdm.queue.archive_repository import CommandArchiveRepository
from mdm.queue.models import CommandBody, CommandResult, CommandState, QueuedCommand

#: Size of a compressed answer to the question for installed apps, the most frequent one with content.
RAW_RESULT = bytes(range(256)) * 3
BATCH = 2000
ENDED = datetime(2025, 1, 15, tzinfo=UTC)


def main() -> None:
    """Run the measurement with the arguments of the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.growth")
    parser.add_argument("--commands", type=int, default=100_000, help="commands of each of the two months")
    parser.add_argument("--tablets", type=int, default=500)
    arguments = parser.parse_args()
    print_machine()
    with start_database("postgresql") as (folder, url, _):
        runtime = compose(Settings(_env_file=None, data_dir=folder, database_url=url, public_url="https://bench.invalid"))
        upgrade(runtime.engine)
        with runtime.open_unit_of_work() as work:
            identity.ensure_authority(work)
        enrollment_ids = [tablet.enrollment_id for tablet in seed_fleet(runtime, arguments.tablets)]
        for month in range(2):
            _seed_month(runtime, enrollment_ids, arguments.commands, ENDED + timedelta(days=31 * month))
        _measure(runtime, 2 * arguments.commands)


def _seed_month(runtime: Runtime, enrollment_ids: list[int], count: int, day: datetime) -> None:
    """Add acknowledged commands of one day with their results; a body serves all tablets."""
    with runtime.open_unit_of_work() as work:
        town_id = work.session.get_one(DeviceEnrollment, enrollment_ids[0]).town_id
        for start in range(0, count, len(enrollment_ids)):
            body = CommandBody(nonce=start, request_type="ProfileList", args=b"{}", requested_by_name="system", created_at=day)
            work.session.add(body)
            work.session.flush()
            command: dict[str, Any] = {
                "town_id": town_id, "generation": 1, "body_id": body.id, "lane": 2, "state": CommandState.ACKNOWLEDGED, "deadline": day,
                "created_at": day, "sent_at": day, "finished_at": day, "delivery_count": 1,
            }  # fmt: skip
            chosen = enrollment_ids[: count - start]
            ids = work.session.scalars(
                insert(QueuedCommand).returning(QueuedCommand.id),
                [{**command, "enrollment_id": enrollment_id} for enrollment_id in chosen],
            ).all()
            result = {"town_id": town_id, "status": "Acknowledged", "received_at": day, "body": RAW_RESULT, "error_chain": None}
            work.session.execute(insert(CommandResult), [{**result, "command_id": command_id} for command_id in ids])


def _measure(runtime: Runtime, total: int) -> None:
    in_queue = _read_size(runtime.engine, "command", "command_result", "command_body") / total
    moving = _measure_act(runtime, _archive_batch)
    archived_months = ("archived_command_y2025m01", "archived_command_y2025m02")
    in_archive = _read_size(runtime.engine, *archived_months) / total
    first_of_march = datetime(2025, 3, 1, tzinfo=UTC)
    # The first month ends row by row, as on SQLite; the second one as a partition.
    deleting = _measure_act(runtime, lambda archive: _delete_batch(archive, first_of_march - timedelta(days=28)))
    dropping = _measure_act(runtime, lambda archive: _drop_months(archive, first_of_march))
    half = total / 2
    print("| what | figure |\n|---|---|")
    print(f"| a command in the queue, with result | {in_queue:.0f} bytes |")
    print(f"| a command in the archive | {in_archive:.0f} bytes, {in_archive / in_queue:.2f} of it |")
    print(f"| moving to the archive | {total / moving[0]:.0f} commands a second, {moving[1] / total:.0f} bytes of WAL each |")
    print(f"| ending a month of {half:.0f} commands row by row | {deleting[0]:.2f} s, {deleting[1] / 1e6:.1f} MB of WAL |")
    print(f"| ending it as a partition | {dropping[0] * 1000:.0f} ms, {dropping[1] / 1e6:.2f} MB of WAL |")


def _archive_batch(archive: CommandArchiveRepository) -> bool:
    ids = archive.list_due_commands(datetime.now(UTC), datetime.now(UTC), BATCH)
    archive.archive_commands(ids)
    return bool(ids)


def _delete_batch(archive: CommandArchiveRepository, before: datetime) -> bool:
    return archive.delete_archived(archive.select_archived(before), BATCH) > 0


def _drop_months(archive: CommandArchiveRepository, before: datetime) -> bool:
    return archive.drop_oldest_month(before) is not None


def _measure_act(runtime: Runtime, act: Callable[[CommandArchiveRepository], bool]) -> tuple[float, float]:
    """Repeat an act, each time in a transaction of its own, until it does nothing. Returns seconds and bytes of WAL."""
    start, before = perf_counter(), _read_wal_position(runtime.engine)
    is_working = True
    while is_working:
        with runtime.open_unit_of_work() as work:
            is_working = act(CommandArchiveRepository(work.session))
    return perf_counter() - start, _read_wal_position(runtime.engine) - before


def _read_wal_position(engine: Engine) -> float:
    with Session(engine) as session:
        return float(session.scalar(text("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn")) or 0)


def _read_size(engine: Engine, *tables: str) -> float:
    with Session(engine) as session:
        sizes = text("SELECT sum(pg_total_relation_size(name)) FROM unnest(CAST(:tables AS text[])) AS name")
        return float(session.scalar(sizes, {"tables": list(tables)}) or 0)


if __name__ == "__main__":
    main()
