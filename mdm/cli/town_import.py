"""The command `cartable import-town`: takes a town from the archive of another server."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cartable.backups.errors import BackupFailed
from cartable.unit_of_work import Runtime
from mdm.cli.passphrases import add_passphrase_argument, read_passphrase
from mdm.privacy.moving.errors import TownMoveRefused
from mdm.privacy.moving.importing import ImportedTown, import_town


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("file", type=Path, help="the archive that `cartable export-town --for-server` wrote")
    add_passphrase_argument(parser)


def run(runtime: Runtime, parsed: argparse.Namespace) -> int:
    """Import the town and print what arrived and what comes next. Returns an exit code; 1 when nothing was changed."""
    try:
        passphrase = read_passphrase(parsed.passphrase_file, twice=False)
        with runtime.open_unit_of_work() as work:
            imported = import_town(work, parsed.file, passphrase)
    except (TownMoveRefused, BackupFailed) as error:
        print(f"cartable: nothing was imported: {error}", file=sys.stderr)
        return 1
    _print_next_steps(imported)
    return 0


def _print_next_steps(imported: ImportedTown) -> None:
    head, counts = imported.head, imported.counts
    print(
        f"{head.name}: {sum(counts.values())} rows of {len(counts)} tables, {counts['tablet']} tablets, as of {head.exported_at[:16]}."
    )
    if head.host:
        print(f"Let the name {head.host} lead to this server: its tablets go on here at their next contact.")
    print("The town is stopped: nothing that cannot be taken back leaves until two people release it (page Safeguards).")
    if counts.get("account"):
        print(f"{counts['account']} people have roles and no password here: `cartable account-link LOGIN`, or by their provider.")
    if imported.known_logins:
        print(f"Another account with their login is here, invite them again: {', '.join(imported.known_logins)}.")
