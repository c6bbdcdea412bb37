"""Several units of work at the same time, each in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

from cartable.errors import DomainError
from cartable.unit_of_work import Runtime, UnitOfWork

Act = Callable[[UnitOfWork], object]
#: How long the first of two acts waits before its commit for the second one, which usually waits for a lock of the first.
OVERLAP_SECONDS = 0.1


def run_at_once(runtime: Runtime, *acts: Act) -> list[DomainError]:
    """Run each act in a unit of work of its own, all at once. Return why acts were refused; the others are committed."""
    barrier = threading.Barrier(len(acts))

    def run(act: Act) -> object:
        with runtime.open_unit_of_work() as work:
            barrier.wait(30)
            return act(work)

    outcomes = _collect_outcomes([partial(run, act) for act in acts])
    return [outcome for outcome in outcomes if isinstance(outcome, DomainError)]


def run_overlapping(runtime: Runtime, first: Act, second: Act) -> tuple[object, object]:
    """Run `second` while what `first` did is not committed yet. Return of each its result, or why it was refused.

    On PostgreSQL the second sees nothing of the first until it waits for one of its locks; on SQLite transactions are serial.
    """
    is_first_done, is_second_done = threading.Event(), threading.Event()

    def run_first() -> object:
        try:
            with runtime.open_unit_of_work() as work:
                result = first(work)
                work.session.flush()
                is_first_done.set()
                is_second_done.wait(OVERLAP_SECONDS)
                return result
        finally:
            is_first_done.set()

    def run_second() -> object:
        is_first_done.wait(30)
        try:
            with runtime.open_unit_of_work() as work:
                return second(work)
        finally:
            is_second_done.set()

    earlier, later = _collect_outcomes([run_first, run_second])
    return earlier, later


def _collect_outcomes(runs: Sequence[Callable[[], object]]) -> list[object]:
    """Run each in a thread of its own. Return results and refusals in order; raise what else went wrong."""
    with ThreadPoolExecutor(len(runs)) as pool:
        return [_await_outcome(future) for future in [pool.submit(run) for run in runs]]


def _await_outcome(future: Future[object]) -> object:
    try:
        return future.result(30)
    except DomainError as refusal:
        return refusal
