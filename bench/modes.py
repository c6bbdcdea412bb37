"""`python -m bench.modes`: measures what the worker pays for a change of mode that only the clock brings.

Full decisions of each tablet and the switch of the whole town take turns at the boundaries of school days, in one run on one database.
All tablets are managed by declarations; between the boundaries they are made to have confirmed what was announced.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from statistics import median
from uuid import UUID

from sqlalchemy import Engine, delete, event, select, update

from bench.__main__ import print_machine, print_progress, settle_database, start_database
from bench.policy import START, seed_town
from cartable.clock import ManualClock
from cartable.migrate import upgrade
from cartable.outbox import OutboxRow, Topic
from cartable.settings import Settings
from cartable.unit_of_work import Runtime
from enrollment.identity import service as identity
from enrollment.tablets.models import Tablet
from enrollment.tablets.repository import TabletRepository
from mdm.composition import compose
from mdm.devices.models import DeclarationStatus, DeclarativeState
from mdm.queue.models import CommandState, QueuedCommand
from mdm.reconcile.mode_switch import decide_due_tablets
from mdm.reconcile.models import TabletProfile
from mdm.reconcile.service import reevaluate_due_modes
from mdm.worker.drains import drain

#: Boundaries in UTC at which tablets must be told: in and out of school.
_BOUNDARIES = ("07:25", "10:35", "12:25", "15:35")


def main() -> None:
    """Measure both ways by turns."""
    parser = argparse.ArgumentParser(prog="python -m bench.modes")
    parser.add_argument("--tablets", type=int, default=4000)
    parser.add_argument("--days", type=int, default=2)
    parser.add_argument("--database", default="postgresql", choices=("postgresql", "sqlite"))
    arguments = parser.parse_args()
    print_machine()
    with start_database(arguments.database) as (folder, url, _):
        clock = ManualClock(START)
        settings = Settings(_env_file=None, data_dir=folder, database_url=url, public_url="https://bench.invalid")
        runtime = compose(settings, clock=clock)
        upgrade(runtime.engine)
        with runtime.open_unit_of_work() as work:
            identity.ensure_authority(work)
        print_progress("seeding")
        town_id, _ = seed_town(runtime, arguments.tablets)
        _prove_declarations(runtime, town_id)
        ways: dict[str, Callable[[], None]] = {
            "full decisions": lambda: _decide_in_full(runtime, town_id),
            "the town together": lambda: _switch(runtime),
        }
        costs: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
        for number in range(arguments.days * len(_BOUNDARIES)):
            day, boundary = divmod(number, len(_BOUNDARIES))
            moment = datetime.fromisoformat(f"2026-11-{23 + day}T{_BOUNDARIES[boundary]}:00").replace(tzinfo=UTC)
            clock.advance(moment - clock.now())
            settle_database(runtime)
            # Another way is first on each day, so that each way meets each boundary.
            way = list(ways)[(number + day) % 2]
            costs[way].append(_measure(ways[way]))
            assert _count_announced(runtime) == arguments.tablets, "a tablet was not told of its mode"
            _confirm(runtime)
        print(
            "\n| a change of mode of every tablet | tablets | runs | worker ms/tablet | statements/tablet |\n|---|---|---|---|---|"
        )
        for way, measured in costs.items():
            cpu, statements = (median(values) / arguments.tablets for values in zip(*measured, strict=True))
            print(f"| {way} | {arguments.tablets:,} | {len(measured)} | {1000 * cpu:.3f} | {statements:.4f} |")
        full, together = (sum(cost for cost, _ in costs[way]) for way in ways)
        print(f"\nfull decisions / the town together: {full / together:.1f}")
        runtime.engine.dispose()


def _prove_declarations(runtime: Runtime, town_id: UUID) -> None:
    """Let every tablet have proved its declarations in its first mode."""
    with runtime.open_unit_of_work() as work:
        work.session.execute(update(Tablet).where(Tablet.os_version.startswith("16")).values(os_version="17.7"))
    for _ in range(3):
        with runtime.open_unit_of_work() as work:
            work.enqueue_selected_jobs(Topic.RECONCILE, TabletRepository(work.session).select_by_town(town_id))
        drain(runtime, Topic.RECONCILE)
        with runtime.open_unit_of_work() as work:  # the first report proves that a tablet supports declarations
            work.session.execute(update(DeclarativeState).values(reported_at=work.now))
    with runtime.open_unit_of_work() as work:
        work.session.execute(delete(TabletProfile))
    _confirm(runtime)


def _confirm(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        work.session.execute(
            update(DeclarativeState).values(
                served_set_sha256=DeclarativeState.set_sha256, served_mode=DeclarativeState.mode, served_at=work.now,
                status=DeclarationStatus.CONFIRMED, status_since=work.now, confirmed_at=work.now, reported_declarations={},
                confirmed_mode=DeclarativeState.mode, next_check_at=None, declarative_only_since=work.now,
            )
        )  # fmt: skip
        work.session.execute(update(QueuedCommand).values(state=CommandState.ACKNOWLEDGED, finished_at=work.now))
        work.session.execute(delete(OutboxRow))


def _count_announced(runtime: Runtime) -> int:
    with runtime.open_unit_of_work() as work:
        since = work.now - timedelta(minutes=1)
        return len(work.session.scalars(select(QueuedCommand.id).where(QueuedCommand.created_at > since)).all())


def _decide_in_full(runtime: Runtime, town_id: UUID) -> None:
    with runtime.open_unit_of_work() as work:
        decide_due_tablets(work, town_id)
    drain(runtime, Topic.RECONCILE)


def _switch(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        reevaluate_due_modes(work)
    drain(runtime, Topic.MODES)
    drain(runtime, Topic.RECONCILE)


def _measure(act: Callable[[], None]) -> tuple[float, float]:
    """Return the CPU seconds of this process, and the statements."""
    statements = 0

    def count(*_: object) -> None:
        nonlocal statements
        statements += 1

    event.listen(Engine, "before_cursor_execute", count)
    used = time.process_time()
    act()
    used = time.process_time() - used
    event.remove(Engine, "before_cursor_execute", count)
    return used, statements


if __name__ == "__main__":
    main()
