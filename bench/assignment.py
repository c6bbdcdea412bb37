"""`python -m bench.assignment`: measures how a fleet is read from device assignment by pages, with the peak of memory.

It runs on a durable PostgreSQL. Apple's portal is the test server in a separate process; worker and database are measured.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from sqlalchemy import event

from bench.__main__ import print_machine, start_database
from cartable.migrate import upgrade
from cartable.scope import SYSTEM
from cartable.settings import Settings
from cartable.unit_of_work import Runtime
from enrollment.joining.ade import service, syncing
from enrollment.joining.ade.models import AdeServer
from enrollment.joining.ade.syncing import AdeSyncResult
from enrollment.places.towns import create_town
from mdm.composition import compose


def main() -> None:
    """Measure a first synchronisation, one without changes, and the nightly complete one."""
    parser = argparse.ArgumentParser(prog="python -m bench.assignment")
    parser.add_argument("--devices", type=int, default=130_000)
    parser.add_argument("--page", type=int, default=1000)
    arguments = parser.parse_args()
    print_machine()
    with start_database("postgresql") as (folder, url, _pid):
        settings = Settings(_env_file=None, data_dir=folder, database_url=url, public_url="https://bench.invalid")
        runtime = compose(settings)
        upgrade(runtime.engine)
        with runtime.open_unit_of_work() as work:
            town = create_town(work, SYSTEM, name="Mesure")
            server = service.create_server(work, SYSTEM, town.id, "Mesure")
        with _run_portal(folder, server, arguments.devices, arguments.page) as address:
            runtime.settings = settings.model_copy(update={"device_assignment_url": address})
            with runtime.open_unit_of_work() as work:
                service.install_token(work, SYSTEM, server.id, (folder / "token.p7m").read_bytes())
            print(
                f"\nmemory before: {_get_peak_memory():.0f} MB\n\n| step | devices | seconds | per second | statements | peak MB |\n|---|---|---|---|---|---|"
            )
            _measure_line(
                runtime,
                "first reading, tablets entered, profile assigned",
                arguments.devices,
                lambda: _run_sync(runtime, server.id),
            )
            _measure_line(
                runtime,
                "the sync after it (every device says that it was assigned)",
                arguments.devices,
                lambda: _run_sync(runtime, server.id),
            )
            _measure_line(runtime, "a sync with nothing new", 0, lambda: _run_sync(runtime, server.id))
            with runtime.open_unit_of_work() as work:
                work.session.get_one(AdeServer, server.id).full_fetch_at = None
            _measure_line(
                runtime, "the nightly reading of the whole list", arguments.devices, lambda: _run_sync(runtime, server.id)
            )
        runtime.engine.dispose()


@contextmanager
def _run_portal(folder: Path, server: AdeServer, devices: int, page: int) -> Iterator[str]:
    (folder / "server.pem").write_text(server.certificate)
    command = [
        sys.executable, "-m", "enrollment.joining.ade.testserver", "--devices", str(devices), "--page", str(page),
        "--certificate", str(folder / "server.pem"), "--token", str(folder / "token.p7m"),
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(10)


def _measure_line(runtime: Runtime, what: str, devices: int, run: Callable[[], AdeSyncResult]) -> None:
    statements = [0]

    def count(*_: object) -> None:
        statements[0] += 1

    event.listen(runtime.engine, "before_cursor_execute", count)
    started = time.perf_counter()
    result = run()
    seconds = time.perf_counter() - started
    event.remove(runtime.engine, "before_cursor_execute", count)
    assert result.error is None, result.error
    pace = f"{devices / seconds:,.0f}".replace(",", " ") if devices else ""
    print(f"| {what} | {devices} | {seconds:.1f} | {pace} | {statements[0]} | {_get_peak_memory():.0f} |", flush=True)


def _run_sync(runtime: Runtime, server_id: UUID) -> AdeSyncResult:
    return syncing.sync_server(runtime, server_id)


def _get_peak_memory() -> float:
    """Return the peak memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
