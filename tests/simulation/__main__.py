"""Runs seeds from the command line: one with its trace, or many for as long as asked."""

from __future__ import annotations

import argparse
import random
import sys
import time

from tests.simulation.runs import Case, run_case, shrink_case
from tests.simulation.steps import DEFAULT_LENGTH


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("seed", type=int, nargs="?", help="run this seed and print its trace; without it, run random seeds")
    parser.add_argument("--steps", type=int, default=DEFAULT_LENGTH)
    parser.add_argument("--keep", default="", help="numbers of the steps to keep, with commas")
    parser.add_argument("--seconds", type=float, default=60, help="for how long random seeds are run")
    parser.add_argument("--first", type=int, help="run the seeds from this one on, instead of random ones")
    options = parser.parse_args()
    if options.seed is None:
        return run_many(options.seconds, options.steps, options.first)
    kept = tuple(int(number) for number in options.keep.split(",") if number)
    outcome = run_case(Case(options.seed, options.steps, kept))
    _write("\n".join(outcome.trace))
    return 0 if outcome.violation is None else 1


def run_many(seconds: float, length: int, first: int | None) -> int:
    """Run seeds until the time is over or one fails; print the shrunk case of that one. Returns the exit code."""
    started, exchanges, count = time.monotonic(), 0, 0
    while time.monotonic() < started + seconds:
        seed = random.randrange(10**9) if first is None else first + count
        outcome = run_case(Case(seed, length))
        count, exchanges = count + 1, exchanges + outcome.exchanges
        if outcome.violation is not None:
            _write(f"seed {seed}: {outcome.violation}")
            case = shrink_case(Case(seed, length))
            _write(f"{len(case.steps)} steps: {run_case(case).violation}\n{case.command}")
            return 1
    elapsed = time.monotonic() - started
    _write(f"{count} seeds, {exchanges} requests of tablets, {exchanges / elapsed:.0f} a second, nothing wrong")
    return 0


def _write(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
