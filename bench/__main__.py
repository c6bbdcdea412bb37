"""`python -m bench`: measures the device channel on SQLite and on a durable PostgreSQL; prints tables for bench/README.md."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import channel, fleet, runs
from bench.serving import run_server
from cartable.embedded_postgres import PostgresServer, find_binaries
from cartable.migrate import upgrade
from cartable.settings import Settings
from cartable.unit_of_work import Runtime
from enrollment.identity import service as identity
from mdm.composition import compose


def main() -> None:
    """Run the measurements that the arguments name."""
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument(
        "act", nargs="?", choices=("measure", "report"), default="measure", help="report: the page of stored runs"
    )
    parser.add_argument("--save", action="store_true", help="store the run in the folder runs of bench, for the report")
    parser.add_argument("--tablets", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--connections", default="32,64,128")
    parser.add_argument("--databases", default="postgresql,sqlite")
    parser.add_argument("--workers", type=int, default=1, help="server processes")
    parser.add_argument("--history", type=int, default=300, help="answered commands that each tablet has in the last round")
    arguments = parser.parse_args()
    if arguments.act == "report":
        print(runs.write_report())
        return
    print_machine()
    for database in arguments.databases.split(","):
        with start_database(database) as (folder, url, pid):
            print(f"\n### {database}, {arguments.tablets} tablets, {arguments.workers} server process(es)\n")
            measured = _measure_channel(folder, url, pid, arguments)
            if arguments.save:
                name = f"channel-{database}-{arguments.tablets}-tablets-{arguments.workers}-processes"
                print(runs.save_run(name, [each.to_figures() for each in measured]))


def _measure_channel(folder: Path, url: str, pid: int | None, arguments: argparse.Namespace) -> list[channel.Measurement]:
    """Print the table of one database, and return its rows."""
    measured: list[channel.Measurement] = []

    def show(measurement: channel.Measurement) -> None:
        measured.append(measurement)
        print(measurement.format_row(), flush=True)

    runtime = compose(Settings(_env_file=None, data_dir=folder, database_url=url, public_url="https://bench.invalid"))
    upgrade(runtime.engine)
    with runtime.open_unit_of_work() as work:
        identity.ensure_authority(work)
    print_progress("seeding")
    tablets = fleet.seed_fleet(runtime, arguments.tablets)
    settle_database(runtime)
    numbers = [int(number) for number in arguments.connections.split(",")]
    print(channel.HEADER)
    with run_server(folder, url, pid, arguments.workers) as server:
        print_progress("warming up")
        channel.measure_idle(server, tablets, 32, 2)
        for connections in numbers:
            show(channel.measure_idle(server, tablets, connections, arguments.seconds))
        for connections in numbers:
            show(channel.measure_delivery(server, runtime, tablets, connections))
        memory = server.read_usage().memory
        if arguments.history:
            print_progress(f"writing {arguments.history} answered commands for each tablet")
            fleet.seed_command_history(runtime, [tablet.enrollment_id for tablet in tablets], arguments.history)
            settle_database(runtime)
            print(f"\nwith {arguments.history} answered commands in each tablet's history:\n\n{channel.HEADER}")
            show(channel.measure_idle(server, tablets, 64, arguments.seconds))
            show(channel.measure_delivery(server, runtime, tablets, 64))
    print(f"\nmemory of the server process: {memory / 2**20:.0f} MB")
    runtime.engine.dispose()
    return measured


def settle_database(runtime: Runtime) -> None:
    """Let the database renew its statistics and free space, as it does by itself within a minute."""
    with runtime.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE" if runtime.engine.dialect.name == "sqlite" else "VACUUM ANALYZE")


@contextmanager
def start_database(kind: str) -> Iterator[tuple[Path, str, int | None]]:
    """Start an empty database that is as durable as in production; yield its folder, URL and process id."""
    folder = Path(tempfile.mkdtemp(prefix="cartable-bench-"))
    try:
        if kind == "sqlite":
            yield folder, f"sqlite:///{folder / 'cartable.db'}", None
            return
        binaries = find_binaries()
        if binaries is None:
            raise SystemExit("PostgreSQL was not found: run `make setup`")
        server = PostgresServer(binaries, durable=True)
        try:
            assert server.process is not None
            yield folder, server.create_database("bench"), server.process.pid
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def print_machine() -> None:
    """Print processor, system and Python version of the machine."""
    model = next(
        (x.split(":")[1].strip() for x in Path("/proc/cpuinfo").read_text().splitlines() if x.startswith("model name")), "?"
    )
    print(f"{model}, {os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}")


def print_progress(what: str) -> None:
    """Print a line of progress on standard error."""
    print(f"… {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
