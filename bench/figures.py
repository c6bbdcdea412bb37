"""`python -m bench.figures`: takes the figures of speed one after the other, stores them, and writes the report page.

For a quiet machine; it takes about an hour. `--quick` shows in some minutes that every measurement runs.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from collections.abc import Iterator

from bench import runs

#: Name of the stored run, the command, and its arguments with `--quick`.
_MEASUREMENTS = (
    (
        "channel-1-process",
        "bench --databases postgresql --connections 64 --workers 1 --tablets 4000",
        "--tablets 200 --seconds 2",
    ),
    (
        "channel-2-processes",
        "bench --databases postgresql --connections 64 --workers 2 --tablets 4000",
        "--tablets 200 --seconds 2",
    ),
    (
        "channel-large-fleet",
        "bench --databases postgresql --connections 64 --workers 1 --tablets 40000 --history 0",
        "--tablets 400 --seconds 2",
    ),
    (
        "channel-long-history",
        "bench --databases postgresql --connections 64 --workers 1 --tablets 1000 --history 1000",
        "--tablets 100 --seconds 2 --history 100",
    ),
    ("modes", "bench.modes --tablets 4000", "--tablets 200 --days 2"),
    ("switch", "bench.switch --tablets 4000", "--tablets 20"),
    ("switch-replay", "bench.switch_replay --tablets 1000", "--tablets 50"),
    ("policy", "bench.policy", "--fleet 8000"),
    ("urgent", "bench.urgent", "--fleet 2000 --rounds 10"),
    ("search", "bench.search", "--pupils 2000 --rounds 3 --databases postgresql"),
    ("growth", "bench.growth", "--commands 2000"),
)


def main() -> None:
    """Run the measurements, or those that are named."""
    parser = argparse.ArgumentParser(prog="python -m bench.figures")
    parser.add_argument("names", nargs="*", help=f"which ones: {', '.join(name for name, *_ in _MEASUREMENTS)}")
    parser.add_argument("--quick", action="store_true", help="small numbers: the figures say nothing, and are not stored")
    arguments = parser.parse_args()
    failed = []
    for name, command, quick in _MEASUREMENTS:
        if arguments.names and name not in arguments.names:
            continue
        words = [sys.executable, "-m", *shlex.split(command), *(shlex.split(quick) if arguments.quick else ())]
        print(f"\n## {name}: {shlex.join(words[2:])}\n", flush=True)
        outcome = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=False)
        print(outcome.stdout, flush=True)
        if outcome.returncode:
            failed.append(name)
        elif not arguments.quick:
            for number, rows in enumerate(parse_tables(outcome.stdout)):
                print(runs.save_run(f"{name}-{number + 1}" if number else name, rows))
    if not arguments.quick:
        print(runs.write_report())
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


def parse_tables(printed: str) -> Iterator[list[dict[str, str | float]]]:
    """Yield the tables among printed lines, each as rows of a stored run: numbers as numbers, the words of a row as `what`."""
    columns: list[str] = []
    rows: list[dict[str, str | float]] = []
    for line in [*printed.splitlines(), ""]:
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if line.startswith("|") else []
        if not cells:
            if rows:
                yield rows
            columns, rows = [], []
        elif not columns:
            columns = cells
        elif not set(line) <= set("|-: "):
            values = {column: _parse_cell(cell) for column, cell in zip(columns, cells, strict=False)}
            words = [value for value in values.values() if isinstance(value, str)]
            figures = {column: value for column, value in values.items() if isinstance(value, float)}
            rows.append({"what": ", ".join(words) or f"{columns[0]} {cells[0]}", **figures})


def _parse_cell(cell: str) -> str | float:
    try:
        return float(cell.strip("* ").replace(",", ""))
    except ValueError:
        return cell


if __name__ == "__main__":
    main()
