"""The command `cartable export-town`: everything that is stored of a town, readable for the town, or sealed for another server."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cartable.backups.errors import BackupFailed
from cartable.unit_of_work import Runtime
from mdm.cli.passphrases import add_passphrase_argument, read_passphrase
from mdm.cli.towns import find_town
from mdm.privacy.moving.errors import TownMoveRefused
from mdm.privacy.moving.exporting import export_for_server
from mdm.privacy.town_export import export_town


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("slug", help="the town's short name, as in its addresses")
    parser.add_argument("file", type=Path, help="the archive to write; it must not exist")
    parser.add_argument(
        "--for-server",
        action="store_true",
        help="with all keys, encrypted, for `cartable import-town`; the town is stopped first",
    )
    add_passphrase_argument(parser)


def run(runtime: Runtime, parsed: argparse.Namespace) -> int:
    """Write the archive and print what it holds. Returns an exit code. Raises `NotFound`."""
    return _export_for_server(runtime, parsed) if parsed.for_server else _export_readable(runtime, parsed)


def _export_readable(runtime: Runtime, parsed: argparse.Namespace) -> int:
    try:
        with runtime.open_unit_of_work() as work:
            counts = export_town(work, find_town(work, parsed.slug), parsed.file)
    except OSError as error:
        print(f"cartable: {parsed.file} cannot be written: {error.strerror}.", file=sys.stderr)
        return 1
    print(
        f"{parsed.file}: {sum(counts.values())} rows of {len(counts)} tables. It holds the names of children: give it to the town alone."
    )
    return 0


def _export_for_server(runtime: Runtime, parsed: argparse.Namespace) -> int:
    with runtime.open_unit_of_work() as work:
        town = find_town(work, parsed.slug)
    try:
        written = export_for_server(runtime, town, parsed.file, read_passphrase(parsed.passphrase_file, twice=True))
    except (TownMoveRefused, BackupFailed) as error:
        print(f"cartable: {error}", file=sys.stderr)
        return 1
    print(f"{parsed.file}: {sum(written.counts.values())} rows of {len(written.counts)} tables, read back to its end.")
    print(f"Proof for `cartable remove-town`: {written.proof}")
    print("The town is stopped here. Import it on the new server, then let its name lead there: docs/operator/town-hosts.md.")
    if town.host is None:
        print("It has no host name of its own: its tablets keep the address of this server, and cannot go along without it.")
    if runtime.settings.tls_certificate is None:
        print(
            "Its tablets trust this server's own CA: the new server needs a certificate of it, or a public one for tablets to come."
        )
    return 0
