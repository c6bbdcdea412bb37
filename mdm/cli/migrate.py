"""`cartable migrate`: brings the database to the newest migration and ends."""

from __future__ import annotations

import argparse

from cartable.master_keys import MasterKeyMissing
from mdm.cli import preflight
from mdm.cli.processes import migrate, refuse_start


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("--wait", type=float, default=0, metavar="SECONDS", help="wait for a database that is just starting")


def run(parsed: argparse.Namespace) -> int:
    """Migrate as soon as the database answers. Returns an exit code."""
    try:
        migrate(preflight.read_settings(), wait_seconds=parsed.wait)
    except (preflight.CannotStart, MasterKeyMissing) as error:
        return refuse_start(error)
    return 0
