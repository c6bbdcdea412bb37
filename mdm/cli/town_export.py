"""The command `cartable export-town`: writes everything that is stored of a town to an archive."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cartable.unit_of_work import UnitOfWork
from mdm.cli.towns import find_town
from mdm.privacy.town_export import export_town


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("slug", help="the town's short name, as in its addresses")
    parser.add_argument("file", type=Path, help="the archive (ZIP) to write; it must not exist")


def run(work: UnitOfWork, parsed: argparse.Namespace) -> None:
    """Write the archive and print what it holds. Raises `NotFound`; exits with a sentence when the file cannot be written."""
    town = find_town(work, parsed.slug)
    try:
        counts = export_town(work, town, parsed.file)
    except OSError as error:
        sys.exit(f"cartable: {parsed.file} cannot be written: {error.strerror}.")
    print(
        f"{parsed.file}: {sum(counts.values())} rows of {len(counts)} tables. It holds the names of children: give it to the town alone."
    )
