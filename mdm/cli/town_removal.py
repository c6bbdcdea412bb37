"""The command `cartable remove-town`: deletes a town that lives on another server now. It asks twice."""

from __future__ import annotations

import argparse
import sys

from cartable.unit_of_work import Runtime
from enrollment.places.models import Town
from mdm.cli.towns import find_town
from mdm.privacy.moving.errors import TownMoveRefused
from mdm.privacy.moving.removing import remove_town, require_removable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("slug", help="the town's short name, as in its addresses")
    parser.add_argument(
        "--proof", metavar="SHA256", help="what `cartable export-town --for-server` printed last; for a town with tablets"
    )


def run(runtime: Runtime, parsed: argparse.Namespace) -> int:
    """Ask twice and remove the town. Returns an exit code; 1 when nothing was changed. Raises `NotFound`."""
    try:
        with runtime.open_unit_of_work() as work:
            town = find_town(work, parsed.slug)
            enrolled = require_removable(work, town, parsed.proof)
        if not _confirm(town, enrolled):
            print("cartable: that is not it; nothing was removed.", file=sys.stderr)
            return 1
        counts = remove_town(runtime, town, parsed.proof)
    except TownMoveRefused as error:
        print(f"cartable: nothing was removed: {error}", file=sys.stderr)
        return 1
    print(f"{town.name}: {sum(counts.values())} rows of {len(counts)} tables removed. Older backups still hold them.")
    return 0


def _confirm(town: Town, enrolled: int) -> bool:
    """Ask for the number of tablets and for the name: whoever types both has read what it is about."""
    print(f"{town.name} ({town.slug}) will be removed from this server for ever, with {enrolled} enrolled tablets.")
    if input("How many tablets are that? ").strip() != str(enrolled):
        return False
    return input("Type the full name of the town: ").strip() == town.name
