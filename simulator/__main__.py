"""`python -m simulator`: a class of simulated tablets from the command line. Reads arguments, shows progress; no more."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from simulator import trust
from simulator.behaviours import BEHAVIOURS
from simulator.channel import MessageFormat
from simulator.errors import SimulatorError
from simulator.fleet import MIXED_BEHAVIOURS, Fleet, FleetPlan, run_with_progress
from simulator.identity import ReusedKeys, generate_key
from simulator.push_listener import PushListener
from simulator.scep import SCEP_DIALECTS
from simulator.signature import SignatureShape
from simulator.store import AppStore


def parse_arguments(words: list[str]) -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser("python -m simulator", description="Simulated iPads that enrol and obey over real HTTPS.")
    parser.add_argument("--url", required=True, help="the server's address, https://host:port")
    parser.add_argument("--code", action="append", default=[], help="an invitation's code or whole address; may be repeated")
    parser.add_argument("--codes-file", type=Path, help="a file with one code a line; # begins a comment")
    parser.add_argument("--count", type=int, help="how many tablets (default: one per code)")
    parser.add_argument("--ca", type=Path, help="PEM of the root to trust before the profile is there (default: the machine's)")
    parser.add_argument("--push", metavar="HOST:PORT", help="where the APNs stand-in tells pushes; without it tablets poll once")
    parser.add_argument("--push-ca", type=Path, help="PEM of its root (default: --ca)")
    parser.add_argument("--behaviour", default="normal", help=f"{MIXED_BEHAVIOURS}, or NAME[:NUMBER] of {', '.join(BEHAVIOURS)}")
    parser.add_argument("--seed", default="1", help="the same seed makes the same tablets")
    parser.add_argument("--for", dest="seconds", type=float, help="seconds to live after enrolment (default: until Ctrl-C)")
    parser.add_argument("--state-file", type=Path, help="keeps the tablets, keys included, for the next run")
    parser.add_argument("--dialect", choices=SCEP_DIALECTS, default="aes", help="how SCEP is spoken")
    parser.add_argument(
        "--signature",
        type=SignatureShape,
        choices=list(SignatureShape),
        default=SignatureShape.IPAD,
        help="shape of Mdm-Signature",
    )
    parser.add_argument("--enrolling", type=int, default=16, help="tablets that enrol at once")
    parser.add_argument("--talking", type=int, default=64, help="tablets that talk at once")
    parser.add_argument("--reuse-keys", type=int, metavar="N", help="share N keys among all, to spare time under load")
    parser.add_argument("--pace", type=float, default=1.0, help="multiplies every wait; 0.1 is ten times faster")
    parser.add_argument("--store", type=Path, help="JSON {store number: bundle identifier}")
    parser.add_argument("--quiet", action="store_true", help="only the summary")
    parser.add_argument(
        "--end-with-stdin", action="store_true", help="end when standard input is closed: with the parent process"
    )
    return parser.parse_args(words)


def build_plan(arguments: argparse.Namespace) -> FleetPlan:
    """Return the fleet that the arguments ask for. Raises `SimulatorError`, `OSError`, `ValueError`."""
    codes = list(arguments.code)
    if arguments.codes_file:
        lines = arguments.codes_file.read_text(encoding="utf-8").splitlines()
        codes += [line.partition("#")[0].strip() for line in lines if line.partition("#")[0].strip()]
    names = json.loads(arguments.store.read_text(encoding="utf-8")) if arguments.store else {}
    if not arguments.url.startswith("https://"):
        raise SimulatorError("--url must begin with https://, as a tablet talks to nothing else")
    return FleetPlan(
        base_url=arguments.url,
        codes=codes,
        count=len(codes) if arguments.count is None else arguments.count,
        ca=arguments.ca.read_bytes() if arguments.ca else None,
        behaviour=arguments.behaviour,
        seed=arguments.seed,
        dialect=arguments.dialect,
        message_format=MessageFormat(signature_shape=arguments.signature),
        store=AppStore({int(number): str(name) for number, name in names.items()}, install_seconds=3.0 * arguments.pace),
        keys=ReusedKeys(arguments.reuse_keys) if arguments.reuse_keys else generate_key,
        pace=arguments.pace,
        max_concurrent_enrolments=arguments.enrolling,
        max_concurrent_conversations=arguments.talking,
        state_file=arguments.state_file,
    )


async def run_fleet(arguments: argparse.Namespace) -> int:
    """Enrol, live, sum up. The exit status is 1 when a tablet could not enrol."""
    plan = build_plan(arguments)
    async with contextlib.AsyncExitStack() as stack:
        push_listener = None
        if arguments.push:
            host, _, port = arguments.push.rpartition(":")
            root = arguments.push_ca or arguments.ca
            context = trust.build_tls_context(trust.parse_pem_roots(root.read_bytes()) if root else frozenset())
            push_listener = await stack.enter_async_context(PushListener(host.strip("[]") or "localhost", int(port), context))
        fleet = Fleet(plan, push_listener)
        stack.push_async_callback(fleet.close)
        task = asyncio.current_task()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel if task else int)
        try:
            await run_with_progress(
                fleet.tally,
                _make_progress_printer(quiet=arguments.quiet),
                _enrol_and_run(fleet, arguments.seconds, woken=push_listener is not None),
            )
        except asyncio.CancelledError:
            _make_progress_printer(quiet=arguments.quiet)("stopping")
    sys.stdout.write("\n" * (not arguments.quiet) + fleet.tally.format_summary() + "\n")
    return 1 if fleet.tally.failures else 0


async def _enrol_and_run(fleet: Fleet, seconds: float | None, *, woken: bool) -> None:
    await fleet.enrol_all()
    if woken or seconds is not None:
        await fleet.run(seconds)
    else:
        await fleet.poll_all()
        fleet.save_state()


def _make_progress_printer(*, quiet: bool) -> Callable[[str], None]:
    """Return a function that shows the progress: one line that is written over on a terminal; a line every few seconds in a log."""
    terminal = sys.stderr.isatty()
    shown_at = 0.0

    def show(line: str) -> None:
        nonlocal shown_at
        if quiet or (not terminal and time.monotonic() - shown_at < 5):
            return
        shown_at = time.monotonic()
        sys.stderr.write(f"\r\x1b[K{line}" if terminal else f"{line}\n")
        sys.stderr.flush()

    return show


def _end_with_stdin() -> None:
    """End as by a signal, which keeps the state of the tablets, when the parent process has ended."""
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> int:
    """Run the command and return its exit status: 0 all well, 1 a tablet could not enrol, 2 wrong arguments."""
    arguments = parse_arguments(sys.argv[1:])
    if arguments.end_with_stdin:
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    try:
        return asyncio.run(run_fleet(arguments))
    except (SimulatorError, OSError, ValueError) as error:
        sys.stderr.write(f"simulator: {error}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())
