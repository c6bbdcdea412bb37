"""Several units of work at the same time, each in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable

from cartable.errors import DomainError
from cartable.unit_of_work import Runtime, UnitOfWork


def run_at_once(runtime: Runtime, *acts: Callable[[UnitOfWork], object]) -> list[DomainError]:
    """Run each act in a unit of work of its own, all at once. Return why acts were refused; the others are committed."""
    refusals: list[DomainError] = []
    faults: list[Exception] = []

    def run(act: Callable[[UnitOfWork], object]) -> None:
        try:
            with runtime.open_unit_of_work() as work:
                act(work)
        except DomainError as refusal:
            refusals.append(refusal)
        except Exception as fault:  # noqa: BLE001 - raised again below, in the thread of the test
            faults.append(fault)

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    if faults:
        raise faults[0]
    return refusals
