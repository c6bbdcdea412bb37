"""What every process of a server does before it works: checks, composition, migrations on demand. Each process has a module of its own."""

from __future__ import annotations

import sys

from cartable.settings import Settings
from cartable.unit_of_work import Runtime
from mdm.cli import preflight
from mdm.composition import compose
from mdm.devices.repository import DeviceRepository


def compose_checked(settings: Settings) -> Runtime:
    """Return the runtime after the checks of its database, and print a sentence for each thing that seems wrong. Raises `CannotStart`."""
    runtime = compose(settings)
    preflight.check_database(runtime)
    with runtime.open_unit_of_work() as work:
        has_enrollments = DeviceRepository(work.session).has_enrollments()
    for sentence in preflight.list_start_warnings(settings, has_enrollments=has_enrollments):
        print(f"cartable: {sentence}", file=sys.stderr)
    return runtime


def refuse_start(error: Exception) -> int:
    """Print why a process does not start. Returns its exit code."""
    print(f"Cartable ne peut pas démarrer / cannot start: {error}", file=sys.stderr)
    return 1


def migrate(settings: Settings, *, wait_seconds: float = 0) -> None:
    """Bring the database to the newest migration, as soon as it answers. Several processes may do so at once. Raises `CannotStart`."""
    preflight.check_data_folder(settings.data_dir)
    runtime = compose(settings)
    preflight.wait_for_database(runtime, seconds=wait_seconds)
    preflight.upgrade_database(runtime)
    runtime.engine.dispose()
